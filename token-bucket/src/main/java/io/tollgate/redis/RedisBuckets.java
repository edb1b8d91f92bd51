package io.tollgate.redis;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisConnectionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.metrics.CommandLatencyRecorder;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.SpendScript.Operation;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Buckets in Redis, at {@code quota:<agent>:tokens}, shared with every program that uses the same layout. Thread-safe.
 *
 * <p>Connects on the first {@link #probe}, so that programs start without Redis. Calls never wait for a connection:
 * without one they fail at once with a {@link RedisException}. They have no time limit of their own.
 */
public final class RedisBuckets implements Buckets, RedisCalls {
    // The empty agent id is illegal, so this key is not a bucket; it matches ~quota:* like the others.
    private static final SpendRequest PROBE = SpendRequest.unordered("", new Limit(1, 1), 0, null, 0);
    /** Enough keys that a single server of several rarely holds all of them by chance. */
    private static final int KEYS_OF_A_PROBE = 10;
    /** Takes an hour to fill, so that it does not refill during the check. */
    private static final Limit SLOW = new Limit(1, 1 / 3600.0);

    /**
     * Keys for probes, which belong to no agent and rarely to another process, in different slots like those of
     * several agents.
     */
    private final List<String> probed = namesOfProbes();

    private final RedisConnector connector;
    private final ScriptCalls calls = new ScriptCalls();
    /** A clock that follows the clock of Redis. */
    private final BucketClock clock = new BucketClock();

    /** The last connection that was examined for calls with several keys. */
    private volatile @Nullable RedisConnection examined;
    /** @param uri {@code redis://}, {@code rediss://}, {@code redis-sentinel://} or {@code redis-socket://} */
    public RedisBuckets(RedisURI uri) {
        this(uri, CommandLatencyRecorder.disabled());
    }

    /**
     * @param uri as above
     * @param latencies records every command that Redis answered
     */
    public RedisBuckets(RedisURI uri, CommandLatencyRecorder latencies) {
        this.connector = new RedisConnector(uri, latencies);
    }

    /**
     * Legal ids hold no control characters. Few enough that passing processes leave few keys behind, and enough that
     * two processes seldom use the same one at the same time; a process that is wrong for that reason asks again.
     */
    private static List<String> namesOfProbes() {
        int set = ThreadLocalRandom.current().nextInt(100);
        return IntStream.range(0, KEYS_OF_A_PROBE)
                .mapToObj(i -> "\u0001" + i + "-" + set)
                .toList();
    }

    /** Returns whether keys live on several nodes; not before the first connection. */
    @Override
    public boolean isCluster() {
        return nodesOfCluster() != null;
    }

    private @Nullable ClusterNodes nodesOfCluster() {
        var current = connector.current();
        return current == null ? null : current.nodes();
    }

    /** Returns the nodes known now: {@link #ONLY_NODE}, or the primaries of a cluster. */
    public Set<String> nodes() {
        var cluster = nodesOfCluster();
        return cluster == null ? Set.of(ONLY_NODE) : cluster.ids();
    }

    /** Returns which of {@link #nodes} holds the agent's buckets; {@link #ONLY_NODE} on a cluster: none. */
    public String nodeOf(String agentId, BucketKind kind) {
        var cluster = nodesOfCluster();
        return cluster == null ? ONLY_NODE : cluster.nodeOf(SpendScript.key(agentId, kind));
    }

    /** Returns a node's address, for people; {@code Redis} where there is only one. */
    public String nameOf(String node) {
        var cluster = nodesOfCluster();
        return cluster == null ? "Redis" : "Redis at " + cluster.name(node);
    }

    /** {@linkplain #probe(String, Duration) Probes} every node. */
    public void probe(Duration timeout) {
        connector.connect();
        for (var node : nodes()) probe(node, timeout);
    }

    /**
     * Connects if need be, and proves by a write that the node can decide. If it cannot, the next probe connects anew,
     * because the address may lead to another server by now. If a node of a cluster cannot decide, the other nodes are
     * asked which node holds its keys. Blocks.
     *
     * @return the clock of the node, microseconds since the epoch; 0 if Redis has just proved to be a cluster
     * @throws RedisException if Redis cannot be reached, refuses, or does not answer within the timeout
     */
    public long probe(String node, Duration timeout) {
        var current = connector.connect();
        var cluster = current.nodes();
        try {
            if (cluster != null) return followed(probeNode(current, cluster, node, timeout));
            if (current != examined) {
                current = examine(current, timeout);
                examined = current;
            }
            return followed(within(timeout, calls.call(current, Operation.SPEND, probes(0))));
        } catch (RedisException lost) {
            // A demoted primary, a loading node and one that has lost its data all keep old connections open. And a
            // connection may be silently dead, if a firewall forgot it or the network is gone.
            if (cluster == null) connector.disconnect();
            else {
                cluster.reconnect(node);
                cluster.refresh();
            }
            throw lost;
        }
    }

    private long followed(long clockMicros) {
        if (clockMicros > 0) clock.follow(clockMicros);
        return clockMicros;
    }

    private static long probeNode(RedisConnection current, ClusterNodes cluster, String node, Duration timeout) {
        if (node.equals(ONLY_NODE)) return 0; // the cluster was not detected yet
        return within(timeout, probe(current, cluster.probeKey(node)));
    }

    /**
     * Finds out whether a call may have several keys: proxies of sharded Redis refuse such calls, each in its own
     * words, or hang up. A call that is refused twice, while a call with one key in between is not, is refused for its
     * keys. Returns the connection to continue with.
     */
    private RedisConnection examine(RedisConnection first, Duration timeout) {
        if (calls.isOneKeyPerCall()) return oneKeyOnly(first);
        try {
            requireOneServer(first, timeout);
            return first;
        } catch (RedisException once) {
            if (isSlow(first, once)) throw once;
            var second = stillConnected(first, once);
            within(timeout, calls.call(second, Operation.SPEND, List.of(PROBE)));
            try {
                requireOneServer(second, timeout);
                return second;
            } catch (RedisException twice) {
                if (isSlow(second, twice)) throw twice;
                var third = oneKeyOnly(stillConnected(second, twice));
                calls.takeOneKeyPerCall(third, twice);
                return third;
            }
        }
    }

    private static boolean isSlow(RedisConnection asked, RedisException failure) {
        return RedisFailures.isTimeout(failure) && !asked.wasLost();
    }

    /** Returns the connection, or a new one if the last call ended it. */
    private RedisConnection stillConnected(RedisConnection asked, RedisException failure) {
        if (failure instanceof RedisCommandExecutionException) return asked;
        connector.disconnect();
        return connector.connect();
    }

    private static RedisConnection oneKeyOnly(RedisConnection connection) {
        connection.takeOneKeyPerCall();
        return connection;
    }

    /**
     * Proves that a call with several keys reaches the same servers as calls with each of them: some proxies send it to
     * the server of the first key.
     *
     * @throws RedisException if it is not, or fails
     */
    private void requireOneServer(RedisConnection current, Duration timeout) {
        var spends = probes(1);
        var full = probed.stream()
                .map(name -> SpendScript.withoutCharges(
                        name, BucketKind.ENFORCED, Promises.of(Terms.of(SLOW)), SpendRequest.NO_CLOCK))
                .toList();
        within(timeout, calls.call(current, Operation.RESET, full));
        within(timeout, ScriptCalls.callOneByOne(current, Operation.SPEND, spends));
        if (current.takesOneKeyPerCall()) return; // its error was a known one
        var again = calls.call(current, Operation.SPEND, spends);
        within(timeout, again);
        boolean elsewhere = again.join().answers().stream()
                .anyMatch(answer -> decided(answer).decisions().get(0).isApproved());
        if (elsewhere)
            throw new RedisCommandExecutionException("several keys in one call go to the server of the first");
    }

    private List<SpendRequest> probes(double costTokens) {
        return probed.stream()
                .map(name -> SpendRequest.unordered(name, SLOW, costTokens, null))
                .toList();
    }

    private static long within(Duration timeout, CompletableFuture<SpendResults> call) {
        try {
            var answers = call.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
            for (var answer : answers.answers()) {
                if (answer instanceof SpendResult.Failed failed) throw new RedisException(failed.message());
            }
            return answers.clockMicros();
        } catch (TimeoutException e) {
            throw new RedisCommandTimeoutException("no answer within " + timeout.toMillis() + " ms");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RedisException("interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RedisException redis) throw redis;
            if (e.getCause() instanceof Error error) throw error;
            throw new RedisException(e.getCause());
        }
    }

    private static CompletableFuture<SpendResults> probe(RedisConnection connection, byte[] key) {
        return connection
                .call(new byte[][] {key}, new byte[][] {SpendScript.argument(Operation.SPEND, PROBE)})
                .thenApply(reply -> SpendScript.answers(reply, List.of(PROBE)))
                .toCompletableFuture();
    }

    /**
     * Decides several agents' charges in one call; on a cluster, in one call for each agent, all under way together;
     * one failure fails them all, so all should be on one {@linkplain #nodeOf node}.
     *
     * @return one answer for each spend; fails with a {@link RedisException} if Redis is away or refuses the call as
     *     a whole
     */
    @Override
    public CompletableFuture<SpendResults> spend(List<SpendRequest> spends) {
        return call(Operation.SPEND, spends);
    }

    @Override
    public CompletionStage<Decision> spend(String agentId, Limit limit, double costTokens) {
        return decide(agentId, limit, Charge.of(costTokens));
    }

    @Override
    public CompletionStage<Decision> settle(String agentId, Limit limit, double costTokens) {
        return decide(agentId, limit, Charge.settlement(costTokens));
    }

    private CompletionStage<Decision> decide(String agentId, Limit limit, Charge charge) {
        AgentId.require(agentId);
        return spend(List.of(SpendRequest.unordered(agentId, limit, charge, null, clockSeconds())))
                .thenApply(
                        answers -> decided(answers.answers().get(0)).decisions().get(0));
    }

    @Override
    public CompletionStage<Bucket> look(String agentId, Limit limit) {
        return look(agentId, BucketKind.ENFORCED, Promises.of(Terms.of(limit))).thenApply(AgentBuckets::first);
    }

    @Override
    public CompletableFuture<SpendResults> look(SpendRequest spend) {
        return call(Operation.LOOK, List.of(spend));
    }

    @Override
    public CompletionStage<Boolean> reset(String agentId, Limit limit) {
        return reset(agentId, BucketKind.ENFORCED, Promises.of(Terms.of(limit))).thenApply(filled -> true);
    }

    /** Returns the agent's buckets refilled to now, one for each limit; nothing is written. */
    public CompletionStage<AgentBuckets> look(String agentId, BucketKind kind, Promises promises) {
        return withoutCharges(Operation.LOOK, agentId, kind, promises);
    }

    /** Resets the agent's buckets. */
    @Override
    public CompletionStage<Void> reset(String agentId, BucketKind kind, Promises promises) {
        return withoutCharges(Operation.RESET, agentId, kind, promises).thenAccept(filled -> {});
    }

    private CompletionStage<AgentBuckets> withoutCharges(
            Operation operation, String agentId, BucketKind kind, Promises promises) {
        AgentId.require(agentId);
        return call(operation, List.of(SpendScript.withoutCharges(agentId, kind, promises, clockSeconds())))
                .thenApply(answers -> answers.answers().get(0).buckets());
    }

    /** Returns the only answer; a failed key is thrown. */
    private static SpendResult.Decided decided(SpendResult answer) {
        if (answer instanceof SpendResult.Decided decided) return decided;
        throw new UnusableKeyException(((SpendResult.Failed) answer).message());
    }

    private double clockSeconds() {
        return TokenBucket.seconds(clock.getAsLong());
    }

    private CompletableFuture<SpendResults> call(Operation operation, List<SpendRequest> spends) {
        var current = connector.current();
        if (current == null) return CompletableFuture.failedFuture(new RedisConnectionException("not connected"));
        return calls.call(current, operation, spends);
    }

    @Override
    public void close() {
        connector.close();
    }
}
