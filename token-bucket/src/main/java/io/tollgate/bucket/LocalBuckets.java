package io.tollgate.bucket;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Buckets in this process's memory, one for each agent. Thread-safe.
 *
 * <p>Memory is bounded by the agents that are not full: every {@value #SWEEP_EVERY} new agents, full buckets are
 * forgotten, because an absent bucket is a full one.
 */
public final class LocalBuckets implements Buckets {
    private static final int SWEEP_EVERY = 10_000;

    /**
     * One agent's bucket, and its lock. The numbers change in place: with a new object for each decision, the garbage
     * collector's bookkeeping would be most of the work. The lock is held for some nanoseconds; a monitor costs twice
     * as much to take and release.
     */
    private static final class Cell extends AtomicInteger {
        private static final long serialVersionUID = 1;
        private static final int FREE = 0;
        private static final int TAKEN = 1;
        private static final int FORGOTTEN = 2;
        private static final int SPINS = 100;

        private double tokens;
        private double lastRefillSeconds;
        private transient Terms terms;

        Cell(Bucket bucket, Terms terms) {
            this.tokens = bucket.tokens();
            this.lastRefillSeconds = bucket.lastRefillSeconds();
            this.terms = terms;
        }

        /** Takes the lock. Returns false if the bucket was forgotten: then nothing may be charged to it any more. */
        boolean take() {
            for (int spins = 0; !compareAndSet(FREE, TAKEN); spins++) {
                if (get() == FORGOTTEN) return false;
                if (spins < SPINS) Thread.onSpinWait();
                else Thread.yield(); // the holder may have lost its CPU
            }
            return true;
        }

        void release() {
            setRelease(FREE);
        }

        Decision spend(double cost, Limit limit, Terms termsNow, long clockMicros) {
            double nowSeconds = TokenBucket.later(TokenBucket.seconds(clockMicros), lastRefillSeconds);
            double refilled = limit.refilled(tokens, lastRefillSeconds, nowSeconds);
            var now = TokenBucket.Moment.of(nowSeconds, clockMicros);
            var decision = TokenBucket.decide(refilled, cost, now, termsNow, DecidedBy.LOCAL);
            tokens = decision.remainingTokens();
            lastRefillSeconds = nowSeconds;
            if (terms != termsNow) terms = termsNow; // hardly ever: such writes cost the garbage collector work
            return decision;
        }

        Decision settle(double cost, Limit limit, Terms termsNow, long clockMicros) {
            var settled = TokenBucket.spend(
                    new Bucket(tokens, lastRefillSeconds),
                    Fence.NONE,
                    limit,
                    Charge.UNORDERED,
                    List.of(Charge.settlement(cost)),
                    clockMicros,
                    DecidedBy.LOCAL);
            accept(settled.bucket(), termsNow);
            return settled.decisions().get(0);
        }

        void accept(Bucket bucket, Terms now) {
            tokens = bucket.tokens();
            lastRefillSeconds = bucket.lastRefillSeconds();
            terms = now;
        }

        boolean isFull(double nowSeconds) {
            var limit = terms.first();
            return limit.refilled(tokens, lastRefillSeconds, nowSeconds) >= limit.capacityTokens();
        }

        Bucket bucket() {
            return new Bucket(tokens, lastRefillSeconds);
        }
    }

    private final LongSupplier clockMicros;
    private final ConcurrentHashMap<String, Cell> buckets = new ConcurrentHashMap<>();
    private volatile int sweepAtSize = SWEEP_EVERY;

    // Usually all agents have one limit. Racing threads may at worst make equal ones.
    private @Nullable Terms latestTerms;

    /** @param clockMicros microseconds since the epoch; must not depend on jumps of the wall clock */
    public LocalBuckets(LongSupplier clockMicros) {
        this.clockMicros = clockMicros;
    }

    @Override
    public CompletionStage<Decision> spend(String agentId, Limit limit, double costTokens) {
        return CompletableFuture.completedFuture(spendNow(agentId, limit, costTokens));
    }

    @Override
    public CompletionStage<Decision> settle(String agentId, Limit limit, double costTokens) {
        return CompletableFuture.completedFuture(decideNow(agentId, limit, Charge.settlement(costTokens)));
    }

    /** As {@link #spend}, without a future. */
    public Decision spendNow(String agentId, Limit limit, double costTokens) {
        return decideNow(agentId, limit, Charge.of(costTokens));
    }

    private Decision decideNow(String agentId, Limit limit, Charge charge) {
        var terms = terms(limit);
        while (true) {
            var cell = buckets.get(agentId);
            if (cell == null) cell = insert(agentId, new Cell(Bucket.full(limit, now()), terms));
            if (cell.take()) {
                try {
                    long now = clockMicros.getAsLong();
                    return charge.isSettlement()
                            ? cell.settle(charge.costTokens(), limit, terms, now)
                            : cell.spend(charge.costTokens(), limit, terms, now);
                } finally {
                    cell.release();
                }
            }
            buckets.remove(agentId, cell); // the thread that forgot it has not removed it yet
        }
    }

    private double now() {
        return TokenBucket.seconds(clockMicros.getAsLong());
    }

    private Terms terms(Limit limit) {
        var terms = latestTerms;
        if (terms == null || !terms.first().equals(limit)) {
            terms = Terms.of(limit);
            latestTerms = terms;
        }
        return terms;
    }

    /** Returns the agent's bucket: another one than this if another thread was faster. */
    private Cell insert(String agentId, Cell first) {
        var before = buckets.putIfAbsent(AgentId.require(agentId), first);
        if (before != null) return before;
        if (buckets.size() >= sweepAtSize) sweep();
        return first;
    }

    @Override
    public CompletionStage<Bucket> look(String agentId, Limit limit) {
        AgentId.require(agentId);
        double now = now();
        return CompletableFuture.completedFuture(find(agentId)
                .map(bucket -> TokenBucket.refill(bucket, limit, now))
                .orElseGet(() -> Bucket.full(limit, now)));
    }

    @Override
    public CompletionStage<Boolean> reset(String agentId, Limit limit) {
        var cell = buckets.get(AgentId.require(agentId));
        if (cell != null && cell.take()) forget(agentId, cell);
        return CompletableFuture.completedFuture(true);
    }

    /** Forgets a bucket whose lock is taken. */
    private void forget(String agentId, Cell cell) {
        cell.set(Cell.FORGOTTEN); // first, so that no thread charges a bucket that is gone
        buckets.remove(agentId, cell);
    }

    /** Returns the agent's bucket as it was left; empty if there is none, which means a full one. */
    public Optional<Bucket> find(String agentId) {
        var cell = buckets.get(agentId);
        if (cell == null || !cell.take()) return Optional.empty();
        try {
            return Optional.of(cell.bucket());
        } finally {
            cell.release();
        }
    }

    /** Takes over the state of another copy of this agent's bucket. */
    public void accept(String agentId, Bucket bucket, Limit limit) {
        var terms = terms(limit);
        while (true) {
            var cell = buckets.get(agentId);
            if (cell == null) {
                var first = new Cell(bucket, terms);
                if (insert(agentId, first) == first) return;
            } else if (cell.take()) {
                cell.accept(bucket, terms);
                cell.release();
                return;
            } else {
                buckets.remove(agentId, cell);
            }
        }
    }

    /** Returns the number of buckets held. */
    int size() {
        return buckets.size();
    }

    private synchronized void sweep() {
        if (buckets.size() < sweepAtSize) return;
        forgetFull();
        sweepAtSize = buckets.size() + SWEEP_EVERY;
    }

    /** Forgets every bucket that is full by now. */
    void forgetFull() {
        double now = now();
        buckets.forEach((agentId, cell) -> {
            if (!cell.take()) return;
            if (cell.isFull(now)) forget(agentId, cell);
            else cell.release();
        });
    }

    @Override
    public void close() {
        buckets.clear();
    }
}
