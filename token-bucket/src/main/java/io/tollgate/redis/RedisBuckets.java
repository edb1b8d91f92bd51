package io.tollgate.redis;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisConnectionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.metrics.CommandLatencyRecorder;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.Delay;
import io.lettuce.core.resource.SocketAddressResolver;
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
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Buckets in Redis, at {@code quota:<agent>:tokens}, shared with every program that uses the same layout. Thread-safe.
 *
 * <p>Connects on the first {@link #probe}, so that programs start without Redis. Calls never wait for a connection:
 * without one they fail at once with a {@link RedisException}. They have no time limit of their own.
 */
public final class RedisBuckets implements Buckets, RedisCalls {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(1);
    private static final Duration RECONNECT_DELAY = Duration.ofMillis(200);
    // The empty agent id is illegal, so this key is not a bucket; it matches ~quota:* like the others.
    private static final SpendRequest PROBE = SpendRequest.unordered("", new Limit(1, 1), 0, null, 0);
    /** Enough keys that a single server of several rarely holds all of them by chance. */
    private static final int KEYS_OF_A_PROBE = 10;
    /** Takes an hour to fill, so that it does not refill during the check. */
    private static final Limit SLOW = new Limit(1, 1 / 3600.0);

    private static final Duration ASK_FOR_TLS_EVERY = Duration.ofSeconds(10);
    private static final Duration TLS_PATIENCE = Duration.ofMillis(500);
    /** The errors of Redis, redis-cluster-proxy and Alibaba's proxy for keys of several servers in one call. */
    private static final Pattern NOT_OF_ONE_SERVER = Pattern.compile(
            "cross.?slot|multi.?keys?\\b|\\b(same|different) (hash )?(slot|shard|node|server)",
            Pattern.CASE_INSENSITIVE);

    private static final Logger log = LoggerFactory.getLogger(RedisBuckets.class);

    private final RedisURI uri;
    private final ClientResources resources;
    private final RedisClient client;
    /**
     * Keys for probes, which belong to no agent and rarely to another process, in different slots like those of
     * several agents.
     */
    private final List<String> probed = namesOfProbes();

    private final ReentrantLock connecting = new ReentrantLock();
    /** A clock that follows the clock of Redis. */
    private final BucketClock clock = new BucketClock();

    private volatile @Nullable RedisConnection connection;
    /** The last connection that was examined for calls with several keys. */
    private volatile @Nullable RedisConnection examined;
    /**
     * Whether a proxy before Redis takes one key a call. It stays set, because with some proxies the question ends
     * the connection.
     */
    private final AtomicBoolean oneKeyPerCall = new AtomicBoolean();

    private Optional<String> tlsMismatch = Optional.empty();
    private long tlsAskedNanos = System.nanoTime() - ASK_FOR_TLS_EVERY.toNanos();
    private volatile boolean closed;

    /** @param uri {@code redis://}, {@code rediss://}, {@code redis-sentinel://} or {@code redis-socket://} */
    public RedisBuckets(RedisURI uri) {
        this(uri, CommandLatencyRecorder.disabled());
    }

    /**
     * @param uri as above
     * @param latencies records every command that Redis answered
     */
    public RedisBuckets(RedisURI uri, CommandLatencyRecorder latencies) {
        this.uri = uri;
        this.resources = ClientResources.builder()
                .ioThreadPoolSize(2) // netty's minimum; one connection uses one
                .computationThreadPoolSize(2)
                .reconnectDelay(Delay.constant(RECONNECT_DELAY))
                // Netty's own resolver, the default, reads the hosts file once, and keeps an address as long as DNS
                // allows:
                // Docker's 600 s.
                .socketAddressResolver(SocketAddressResolver.create(InetAddress::getAllByName))
                .commandLatencyRecorder(latencies)
                .build();
        this.client = RedisConnection.client(resources, CONNECT_TIMEOUT);
    }

    /**
     * Legal ids hold no control characters. Few enough that processes which come and go leave no more behind, and so many that two seldom
     * have the same at the same time; who is wrong for that asks a second time.
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
        var current = connection;
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
        connect();
        for (var node : nodes()) probe(node, timeout);
    }

    /**
     * Connects if need be, and proves by a write that the node can decide. Where it cannot, the next probe connects anew: what answers
     * may not be what the address leads to any more. Where a node of a cluster cannot decide, the others are asked who holds its keys.
     * Blocks.
     *
     * @return the clock of the node, microseconds since the epoch; 0 where Redis has just been found to be a cluster
     * @throws RedisException if Redis cannot be reached, refuses, or does not answer within the timeout
     */
    public long probe(String node, Duration timeout) {
        var current = connect();
        var cluster = current.nodes();
        try {
            if (cluster != null) return followed(probeNode(current, cluster, node, timeout));
            if (current != examined) {
                current = examine(current, timeout);
                examined = current;
            }
            return followed(within(timeout, call(current, Operation.SPEND, probes(0))));
        } catch (RedisException lost) {
            // A replica that was the primary, a node that is loading or has lost its own: all of them keep old
            // connections open. And a
            // connection may be dead without anybody having said so, where a firewall forgot it or the network is gone.
            if (cluster == null) disconnect();
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
     * Finds out whether several keys may stand in one call, as proxies of sharded Redis do not let them; each refuses in its own words, or hangs
     * up. What is refused twice, while one key is not in between, is refused for its keys. Returns the connection to go on with.
     */
    private RedisConnection examine(RedisConnection first, Duration timeout) {
        if (oneKeyPerCall.get()) return oneKeyOnly(first);
        try {
            requireOneServer(first, timeout);
            return first;
        } catch (RedisException once) {
            if (isSlow(first, once)) throw once;
            var second = stillConnected(first, once);
            within(timeout, call(second, Operation.SPEND, List.of(PROBE)));
            try {
                requireOneServer(second, timeout);
                return second;
            } catch (RedisException twice) {
                if (isSlow(second, twice)) throw twice;
                var third = oneKeyOnly(stillConnected(second, twice));
                takeOneKeyPerCall(third, twice);
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
        disconnect();
        return connect();
    }

    private static RedisConnection oneKeyOnly(RedisConnection connection) {
        connection.takeOneKeyPerCall();
        return connection;
    }

    /**
     * Proves that a call with several keys is carried out where calls with each of them are: some proxies send it to the server of the first.
     *
     * @throws RedisException if it is not, or fails
     */
    private void requireOneServer(RedisConnection current, Duration timeout) {
        var spends = probes(1);
        var full = probed.stream()
                .map(name -> SpendScript.withoutCharges(
                        name, BucketKind.ENFORCED, Promises.of(Terms.of(SLOW)), SpendRequest.NO_CLOCK))
                .toList();
        within(timeout, call(current, Operation.RESET, full));
        within(timeout, callOneByOne(current, Operation.SPEND, spends));
        if (current.takesOneKeyPerCall()) return; // its error was a known one
        var again = call(current, Operation.SPEND, spends);
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

    private RedisConnection connect() {
        connecting.lock();
        try {
            if (closed) throw new RedisConnectionException("closed");
            var current = connection;
            if (current == null) current = open();
            connection = current;
            return current;
        } finally {
            connecting.unlock();
        }
    }

    private RedisConnection open() {
        try {
            var opened = RedisConnection.open(client, uri, resources, CONNECT_TIMEOUT);
            tlsMismatch = Optional.empty();
            return opened;
        } catch (RedisConnectionException failure) {
            // A handshake between TLS and plain text ends with a timeout, which does not tell the cause.
            if (System.nanoTime() - tlsAskedNanos < ASK_FOR_TLS_EVERY.toNanos()) throw lastTold(failure);
            tlsAskedNanos = System.nanoTime();
            tlsMismatch = RedisWire.mismatch(uri, TLS_PATIENCE);
            throw lastTold(failure);
        }
    }

    private RedisConnectionException lastTold(RedisConnectionException failure) {
        return tlsMismatch
                .map(mismatch -> new RedisConnectionException("what answers at its address " + mismatch))
                .orElse(failure);
    }

    /** Makes the next probe connect again, which resolves the address again. */
    private void disconnect() {
        connecting.lock();
        try {
            if (connection != null) connection.close();
            connection = null;
        } finally {
            connecting.unlock();
        }
    }

    /**
     * Decides several agents' charges in one call; on a cluster, in one call for each agent, all under way together; one that fails fails
     * them all, so let all be of one {@linkplain #nodeOf node}.
     *
     * @return one answer for each spend; fails with a {@link RedisException} if Redis is away or refuses the call as a whole
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

    /** Returns the buckets refilled to now, as they would continue with the spend's copy; nothing is charged or written. */
    @Override
    public CompletableFuture<AgentBuckets> look(SpendRequest spend) {
        return call(Operation.LOOK, List.of(spend))
                .thenApply(answers -> bucketsOf(answers.answers().get(0)));
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
                .thenApply(answers -> bucketsOf(answers.answers().get(0)));
    }

    private static AgentBuckets bucketsOf(SpendResult answer) {
        if (answer instanceof SpendResult.Decided decided) return decided.buckets();
        if (answer instanceof SpendResult.Disagrees disagrees) return disagrees.buckets();
        throw new UnusableKeyException(((SpendResult.Failed) answer).message());
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
        var current = connection;
        if (current == null) return CompletableFuture.failedFuture(new RedisConnectionException("not connected"));
        return call(current, operation, spends);
    }

    private CompletableFuture<SpendResults> call(
            RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        try {
            if (spends.size() == 1) return callTogether(connection, operation, spends);
            if (connection.takesOneKeyPerCall()) return callOneByOne(connection, operation, spends);
            return callTogether(connection, operation, spends)
                    .exceptionallyCompose(failure -> refusesSeveralKeys(failure)
                            // The call was refused as a whole before the script ran: repeating it charges once.
                            ? callOneByOne(connection, operation, spends, failure)
                            : CompletableFuture.failedFuture(failure));
        } catch (RedisException refused) { // disconnected, or too many commands waiting
            return CompletableFuture.failedFuture(refused);
        }
    }

    private void takeOneKeyPerCall(RedisConnection connection, Throwable refusal) {
        connection.takeOneKeyPerCall();
        if (oneKeyPerCall.getAndSet(true)) return;
        log.warn(
                "Redis rejects calls for several agents ({}), as proxies do: agents are asked for one by one from now on,"
                        + " which costs more; a cluster's own addresses in REDIS_URL would avoid that",
                RedisFailures.inWords(refusal));
    }

    private CompletableFuture<SpendResults> callOneByOne(
            RedisConnection connection, Operation operation, List<SpendRequest> spends, Throwable refusal) {
        takeOneKeyPerCall(connection, refusal);
        try {
            return callOneByOne(connection, operation, spends);
        } catch (RedisException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    /** Sends a call for each agent, all under way together. */
    private static CompletableFuture<SpendResults> callOneByOne(
            RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        var calls = spends.stream()
                .map(spend -> callTogether(connection, operation, List.of(spend)))
                .toList();
        return CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new)).thenApply(done -> join(calls));
    }

    /** Returns whether a proxy refused keys of several servers; each proxy has its own words. */
    private static boolean refusesSeveralKeys(Throwable failure) {
        return RedisFailures.cause(failure) instanceof RedisCommandExecutionException refusal
                && NOT_OF_ONE_SERVER
                        .matcher(String.valueOf(refusal.getMessage()))
                        .find();
    }

    private static CompletableFuture<SpendResults> callTogether(
            RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        var keys = new byte[spends.size()][];
        var arguments = new byte[spends.size()][];
        for (int i = 0; i < keys.length; i++) {
            var spend = spends.get(i);
            keys[i] = SpendScript.key(spend.agentId(), spend.kind());
            arguments[i] = SpendScript.argument(operation, spend);
        }
        return connection
                .call(keys, arguments)
                .thenApply(reply -> SpendScript.answers(reply, spends))
                .toCompletableFuture();
    }

    private static SpendResults join(List<CompletableFuture<SpendResults>> calls) {
        var answers = new ArrayList<SpendResult>(calls.size());
        long clockMicros = Long.MAX_VALUE; // the earliest of all, which errs on the side of refusing
        for (var call : calls) {
            clockMicros = Math.min(clockMicros, call.join().clockMicros());
            answers.addAll(call.join().answers());
        }
        return new SpendResults(clockMicros, answers);
    }

    @Override
    public void close() {
        connecting.lock();
        try {
            closed = true;
            if (connection != null) connection.close();
        } finally {
            connecting.unlock();
        }
        client.close();
        resources.shutdown(0, 1, TimeUnit.SECONDS);
    }
}
