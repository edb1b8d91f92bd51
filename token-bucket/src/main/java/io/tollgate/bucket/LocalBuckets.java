package io.tollgate.bucket;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Buckets in this process's memory, one for each agent. Thread-safe.
 *
 * <p>Memory is bounded by the agents that are not full: every {@value #SWEEP_EVERY} new agents, full buckets are forgotten,
 * because an absent bucket is a full one.
 */
public final class LocalBuckets implements Buckets {
    private static final int SWEEP_EVERY = 10_000;

    private record Held(Bucket bucket, Limit limit) {}

    private final LongSupplier clockMicros;
    private final ConcurrentHashMap<String, Held> buckets = new ConcurrentHashMap<>();
    private volatile int sweepAtSize = SWEEP_EVERY;

    /** @param clockMicros microseconds since the epoch; must not depend on jumps of the wall clock */
    public LocalBuckets(LongSupplier clockMicros) {
        this.clockMicros = clockMicros;
    }

    @Override
    public CompletionStage<Decision> spend(String agentId, Limit limit, double costTokens) {
        return CompletableFuture.completedFuture(spendNow(agentId, limit, costTokens));
    }

    /** As {@link #spend}, without a future. */
    public Decision spendNow(String agentId, Limit limit, double costTokens) {
        AgentId.require(agentId);
        var charges = List.of(Charge.of(costTokens));
        var decided = new Decision[1];
        buckets.compute(agentId, (id, held) -> {
            long now = clockMicros.getAsLong();
            var bucket = held == null ? Bucket.full(limit, TokenBucket.seconds(now)) : held.bucket();
            var outcome = TokenBucket.spend(bucket, Fence.NONE, limit, -1, charges, now, DecidedBy.LOCAL);
            decided[0] = outcome.decisions().get(0);
            return new Held(outcome.bucket(), limit);
        });
        if (buckets.size() >= sweepAtSize) sweep();
        return decided[0];
    }

    @Override
    public CompletionStage<Bucket> look(String agentId, Limit limit) {
        AgentId.require(agentId);
        double now = TokenBucket.seconds(clockMicros.getAsLong());
        var held = buckets.get(agentId);
        return CompletableFuture.completedFuture(
                held == null ? Bucket.full(limit, now) : TokenBucket.refill(held.bucket(), limit, now));
    }

    @Override
    public CompletionStage<Void> reset(String agentId, Limit limit) {
        buckets.remove(AgentId.require(agentId));
        return CompletableFuture.completedFuture(null);
    }

    /** Returns the agent's bucket as it was left; empty if there is none, which means a full one. */
    public Optional<Bucket> find(String agentId) {
        return Optional.ofNullable(buckets.get(agentId)).map(Held::bucket);
    }

    /** Takes over what another copy of this agent's bucket says. */
    public void accept(String agentId, Bucket bucket, Limit limit) {
        buckets.put(agentId, new Held(bucket, limit));
        if (buckets.size() >= sweepAtSize) sweep();
    }

    /** Returns how many buckets are held. */
    int size() {
        return buckets.size();
    }

    private synchronized void sweep() {
        if (buckets.size() < sweepAtSize) return;
        double now = TokenBucket.seconds(clockMicros.getAsLong());
        buckets.values()
                .removeIf(held ->
                        TokenBucket.refill(held.bucket(), held.limit(), now).tokens()
                                >= held.limit().capacityTokens());
        sweepAtSize = buckets.size() + SWEEP_EVERY;
    }

    @Override
    public void close() {
        buckets.clear();
    }
}
