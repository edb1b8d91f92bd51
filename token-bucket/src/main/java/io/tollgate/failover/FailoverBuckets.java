package io.tollgate.failover;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisCalls;
import io.tollgate.redis.RedisFailures;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import io.tollgate.redis.UnusableKeyException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Buckets in Redis while it answers, in memory while it does not. Thread-safe.
 *
 * <p>Every answer of Redis is kept as a copy, so that an outage refills no bucket. Redis learns of charges on the copy
 * when it is back, and the bucket continues from the smaller of the two: see {@link AgentCopy}.
 *
 * <p>Answers are completed on threads of the Redis client and of a timer. Dependent actions must be short and must
 * not wait.
 */
public final class FailoverBuckets implements Buckets {
    private final RedisCalls redis;
    private final Function<String, RedisNode> nodes;
    private final Duration timeout;
    private final CallTime time;
    private final CallObserver observer;
    private final Runnable closesBreaker;
    private final AgentCopies copies;

    /** Takes both over, and closes them with itself. */
    public FailoverBuckets(RedisCalls redis, RedisBreaker breaker) {
        this(redis, breaker, CallObserver.NOBODY);
    }

    /** As above, with an observer of each call. */
    public FailoverBuckets(RedisCalls redis, RedisBreaker breaker, CallObserver observer) {
        this(
                redis,
                agentId -> breaker.of(agentId, BucketKind.ENFORCED),
                breaker.timeout(),
                CallTime.ofProcess(),
                observer,
                breaker::close);
    }

    FailoverBuckets(
            RedisCalls redis,
            Function<String, RedisNode> nodes,
            Duration timeout,
            CallTime time,
            CallObserver observer,
            Runnable closesBreaker) {
        this.redis = redis;
        this.nodes = nodes;
        this.timeout = timeout;
        this.time = time;
        this.observer = observer;
        this.closesBreaker = closesBreaker;
        this.copies = new AgentCopies(agentId -> nodes.apply(agentId).clock(), time);
        warmUp();
    }

    /** Loads the classes of a call: in a starting application that may take longer than the timeout of Redis. */
    private void warmUp() {
        var terms = Terms.of(new Limit(1, 0));
        var decision = new Decision.Approved(1, 0, DecidedBy.REDIS, terms);
        var answer = new SpendResult.Decided(AgentBuckets.of(new Bucket(1, 0)), List.of(decision), 0, false, false, 0);
        var copy = new AgentCopy();
        copy.decide(terms.first(), Charge.of(1), 0, 0);
        var call = copy.send(terms.first(), 1, 0, 0, 0).orElseThrow();
        copy.answered(call, answer, terms.first(), 0, 0);
        time.after(0, () -> {});
        RedisFailures.inWords(tooLate());
    }

    @Override
    public CompletableFuture<Decision> spend(String agentId, Limit limit, double costTokens) {
        return decide(agentId, limit, Charge.of(costTokens));
    }

    /**
     * {@inheritDoc}
     *
     * <p>What is given back while Redis is away counts here at once, and there with the agent's next call after it is
     * back. It is never given twice: without an answer in time it counts here, and may be lost there.
     */
    @Override
    public CompletableFuture<Decision> settle(String agentId, Limit limit, double costTokens) {
        return decide(agentId, limit, Charge.settlement(costTokens));
    }

    private CompletableFuture<Decision> decide(String agentId, Limit limit, Charge charge) {
        AgentId.require(agentId);
        var request =
                new PendingRequest(agentId, limit, charge, nodes.apply(agentId), time.nanoTime() + timeout.toNanos());
        begin(request);
        return request.answer;
    }

    /** Sends the request, queues it until Redis knows the local decisions, or decides it here. */
    private void begin(PendingRequest request) {
        var call = copies.with(request.agentId, copy -> begin(request, copy));
        if (call != null) call.answers().whenComplete((answers, failure) -> call.end(answers, failure));
        else if (request.decision != null) request.answer.complete(request.decision);
    }

    /** A call that was sent, with the handling of its result. */
    private record Call(
            CompletableFuture<SpendResults> answers, BiConsumer<@Nullable SpendResults, @Nullable Throwable> whenDone) {
        void end(@Nullable SpendResults results, @Nullable Throwable failure) {
            whenDone.accept(results, failure);
        }
    }

    /** Returns the sent call; null if none was sent. */
    private @Nullable Call begin(PendingRequest request, AgentCopy copy) {
        if (request.decision != null) return null; // its deadline has passed meanwhile
        var node = request.node;
        request.copy = copy;
        if (!node.isClosed()) {
            request.decision = decide(request, copy);
            return null;
        }
        if (request.cancelDue == null) {
            long left = request.dueNanos - time.nanoTime();
            request.cancelDue = time.after(left, () -> end(request, null, tooLate()));
        }
        if (request.decision != null) return null; // closed: its deadline passed at once
        if (copy.owes()) {
            copy.waiting.add(request);
            return copy.isIdle() ? payBack(request, copy) : null;
        }
        var sent = copy.send(
                request.limit,
                request.charge.costTokens(),
                node.outages(),
                node.clock().getAsLong(),
                ownMicros());
        if (sent.isEmpty()) {
            copy.waiting.add(request);
            return null;
        }
        request.sent = sent.get();
        request.sentNanos = time.nanoTime();
        return new Call(
                call(request, request.charge, request.sent), (answers, failure) -> end(request, answers, failure));
    }

    private CompletableFuture<SpendResults> call(PendingRequest request, Charge charge, AgentCopy.Sent sent) {
        var spend =
                SpendRequest.unordered(request.agentId, request.limit, charge, sent.copy(), clockSeconds(request.node));
        return called(() -> redis.spend(List.of(spend)));
    }

    /** Tells Redis what was given back while it was away; the request, and those after it, wait meanwhile. */
    private Call payBack(PendingRequest waiting, AgentCopy copy) {
        var node = waiting.node;
        var sent = copy.sendOwed(waiting.limit, node.outages(), node.clock().getAsLong(), ownMicros());
        long sentNanos = time.nanoTime();
        var due = new CompletableFuture<SpendResults>();
        var cancelDue = time.after(timeout.toNanos(), () -> due.completeExceptionally(tooLate()));
        call(waiting, Charge.settlement(sent.costTokens()), sent).whenComplete((answers, failure) -> {
            if (failure == null) due.complete(answers);
            else due.completeExceptionally(failure);
        });
        return new Call(due, (answers, failure) -> {
            cancelDue.run();
            paidBack(waiting, copy, sent, sentNanos, answers, failure);
        });
    }

    private void paidBack(
            PendingRequest first,
            AgentCopy copy,
            AgentCopy.Sent sent,
            long sentNanos,
            @Nullable SpendResults answers,
            @Nullable Throwable failure) {
        var node = first.node;
        List<PendingRequest> released;
        synchronized (copy) {
            var decided = answers != null && answers.answers().get(0) instanceof SpendResult.Decided it ? it : null;
            if (answers != null) node.clock().follow(answers.clockMicros());
            if (decided != null)
                copy.answered(sent, decided, first.limit, node.clock().getAsLong(), ownMicros());
            else copy.arrived(sent);
            released = List.copyOf(copy.waiting);
            copy.waiting.clear();
        }
        report(node, time.nanoTime() - sentNanos, failure);
        for (var next : released) begin(next);
    }

    /** Decides a pending request: by the answer, or locally without one in time. Never throws. */
    private void end(PendingRequest request, @Nullable SpendResults answers, @Nullable Throwable failure) {
        try {
            var node = request.node;
            // Perhaps only this key is unusable: then the agent is decided locally, and Redis stays in use for the
            // others.
            var decided = answers != null && answers.answers().get(0) instanceof SpendResult.Decided it ? it : null;
            var copy = Objects.requireNonNull(request.copy);
            List<PendingRequest> released;
            synchronized (copy) {
                if (request.decision != null) return; // too late: even its clock is useless
                if (answers != null) node.clock().follow(answers.clockMicros());
                var sent = request.sent;
                if (sent == null) copy.waiting.remove(request);
                if (sent != null && decided != null) {
                    copy.answered(sent, decided, request.limit, node.clock().getAsLong(), ownMicros());
                    request.decision = decided.decisions().get(0);
                } else {
                    // No retry: a script that timed out may still have run, and running it again would charge twice.
                    if (sent != null) copy.arrived(sent);
                    request.decision = decide(request, copy);
                }
                released = copy.isIdle() ? List.copyOf(copy.waiting) : List.of();
                if (!released.isEmpty()) copy.waiting.clear();
            }
            if (request.cancelDue != null) request.cancelDue.run();
            if (request.sent != null) report(node, time.nanoTime() - request.sentNanos, failure);
            request.answer.complete(request.decision);
            for (var next : released) {
                if (decided != null) begin(next);
                else end(next, null, failure);
            }
        } catch (Throwable unexpected) {
            // Every wait for an answer has a limit.
            if (request.decision != null) request.answer.complete(request.decision);
            else request.answer.completeExceptionally(unexpected);
        }
    }

    private Decision decide(PendingRequest request, AgentCopy copy) {
        if (request.charge.isSettlement()) {
            boolean owed = request.sent == null;
            return copy.settle(
                    request.limit, request.charge, owed, request.node.clock().getAsLong(), ownMicros());
        }
        return copy.decide(request.limit, request.charge, request.node.clock().getAsLong(), ownMicros());
    }

    private void report(RedisNode node, long elapsedNanos, @Nullable Throwable failure) {
        if (failure == null) {
            node.answered(elapsedNanos);
            observer.answered(elapsedNanos);
        } else if (!RedisFailures.isTimeout(failure)) {
            node.failed(elapsedNanos, failure);
            observer.failed(elapsedNanos);
        } else {
            // A request that was queued first leaves Redis little time; its timeout does not show that Redis is slow.
            if (elapsedNanos >= timeout.toNanos() / 2) node.failed(elapsedNanos, failure);
            observer.timedOut(elapsedNanos);
        }
    }

    private TimeoutException tooLate() {
        return new TimeoutException("no answer within " + timeout.toMillis() + " ms");
    }

    private long ownMicros() {
        return time.nanoTime() / 1000;
    }

    private static <T> CompletableFuture<T> called(Supplier<? extends CompletionStage<T>> call) {
        try {
            return call.get().toCompletableFuture();
        } catch (Throwable unexpected) {
            return CompletableFuture.failedFuture(unexpected);
        }
    }

    /** Returns the number of agents with a copy. */
    int known() {
        return copies.size();
    }

    @Override
    public CompletableFuture<Bucket> look(String agentId, Limit limit) {
        AgentId.require(agentId);
        var node = nodes.apply(agentId);
        return ask(
                node,
                () -> redis.look(look(agentId, limit, node))
                        .thenApply(answers -> answers.answers().get(0).buckets().first()),
                () -> lookHere(agentId, limit, node));
    }

    private SpendRequest look(String agentId, Limit limit, RedisNode node) {
        var copy = copies.get(agentId);
        SpendRequest.Copy known = null;
        if (copy != null) {
            synchronized (copy) {
                known = copy.copy(limit, node.outages(), node.clock().getAsLong(), ownMicros());
            }
        }
        return new SpendRequest(
                agentId,
                BucketKind.ENFORCED,
                Promises.of(Terms.of(limit)),
                List.of(),
                SpendRequest.NO_SOURCE,
                Charge.UNORDERED,
                false,
                Fence.NONE,
                known,
                clockSeconds(node));
    }

    private static double clockSeconds(RedisNode node) {
        return TokenBucket.seconds(node.clock().getAsLong());
    }

    private Bucket lookHere(String agentId, Limit limit, RedisNode node) {
        var copy = copies.get(agentId);
        long clockMicros = node.clock().getAsLong();
        if (copy == null) return Bucket.full(limit, TokenBucket.seconds(clockMicros));
        synchronized (copy) {
            return copy.refilled(limit, clockMicros, ownMicros());
        }
    }

    /**
     * Resets the agent's bucket. While Redis is away, this resets only this process's copy, and only until Redis
     * is back.
     */
    @Override
    public CompletableFuture<Boolean> reset(String agentId, Limit limit) {
        AgentId.require(agentId);
        return ask(
                        nodes.apply(agentId),
                        () -> redis.reset(agentId, BucketKind.ENFORCED, Promises.of(Terms.of(limit)))
                                .thenApply(done -> true),
                        () -> false)
                .thenApply(inRedis -> {
                    var copy = copies.get(agentId);
                    if (copy == null) return inRedis;
                    synchronized (copy) {
                        copy.reset();
                    }
                    return inRedis;
                });
    }

    /** Returns the answer of Redis, or the local one if Redis is away or late. */
    private <T> CompletableFuture<T> ask(
            RedisNode node, Supplier<? extends CompletionStage<T>> inRedis, Supplier<T> here) {
        if (!node.isClosed()) return CompletableFuture.completedFuture(here.get());
        var timely = new CompletableFuture<T>();
        long start = time.nanoTime();
        var cancelDue = time.after(timeout.toNanos(), () -> timely.completeExceptionally(tooLate()));
        called(inRedis).whenComplete((answer, failure) -> {
            cancelDue.run();
            if (failure == null) timely.complete(answer);
            else timely.completeExceptionally(failure);
        });
        return timely.whenComplete((answer, failure) -> {
                    boolean concernsOneKey =
                            failure != null && RedisFailures.cause(failure) instanceof UnusableKeyException;
                    report(node, time.nanoTime() - start, concernsOneKey ? null : failure);
                })
                .exceptionally(failure -> here.get());
    }

    @Override
    public void close() {
        closesBreaker.run();
        redis.close(); // calls under way fail and are decided locally
        time.close();
        copies.clear();
    }
}
