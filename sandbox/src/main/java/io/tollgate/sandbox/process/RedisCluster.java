package io.tollgate.sandbox.process;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * A real Redis Cluster on free ports of 127.0.0.1: primaries that share the slots evenly, and as many replicas or none.
 * A lost node leaves the others in service. Thread-safe as its servers are.
 */
public final class RedisCluster implements AutoCloseable {
    /** The number of slots of a cluster. */
    public static final int SLOTS = 16_384;

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String NODE_TIMEOUT_MILLIS = "1500"; // 15 s by default: a test should not wait for that

    private final List<RedisServer> primaries = new ArrayList<>();
    private final List<RedisServer> replicas = new ArrayList<>();

    /**
     * Starts a cluster and returns when every slot is served and every replica is in step.
     *
     * @param replicated whether each primary has a replica
     */
    public static RedisCluster start(int primaries, boolean replicated) {
        var cluster = new RedisCluster();
        try {
            cluster.launch(primaries, replicated);
            return cluster;
        } catch (RuntimeException e) {
            cluster.close();
            throw e;
        }
    }

    private RedisCluster() {}

    private void launch(int count, boolean replicated) {
        for (int i = 0; i < count; i++) primaries.add(startNode());
        if (replicated) for (int i = 0; i < count; i++) replicas.add(startNode());
        for (int i = 0; i < count; i++) {
            primaries.get(i).text("CLUSTER ADDSLOTSRANGE " + SLOTS * i / count + " " + (SLOTS * (i + 1) / count - 1));
        }
        for (var node : nodes())
            node.text("CLUSTER MEET 127.0.0.1 " + primaries.get(0).port() + " " + busPort());
        await(() -> nodes().stream().allMatch(node -> knowsAll(node)));
        for (int i = 0; i < replicas.size(); i++) {
            replicas.get(i).text("CLUSTER REPLICATE " + id(primaries.get(i)));
        }
        await(() -> nodes().stream().allMatch(node -> node.text("CLUSTER INFO").contains("cluster_state:ok")));
        await(() ->
                replicas.stream().allMatch(node -> node.text("INFO replication").contains("master_link_status:up")));
    }

    private final List<Integer> busPorts = new ArrayList<>();

    private int busPort() {
        return busPorts.get(0);
    }

    private RedisServer startNode() {
        int bus = FreePorts.next();
        busPorts.add(bus);
        return RedisServer.start(RedisServer.RedisOptions.defaults()
                .withConfig("cluster-enabled yes")
                .withConfig("cluster-port " + bus)
                .withConfig("cluster-node-timeout " + NODE_TIMEOUT_MILLIS)
                .withConfig("cluster-replica-validity-factor 0")
                .withConfig("cluster-require-full-coverage no"));
    }

    private boolean knowsAll(RedisServer node) {
        return node.text("CLUSTER INFO").contains("cluster_known_nodes:" + nodes().size());
    }

    private static void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("the Redis Cluster does not come up");
            LockSupport.parkNanos(50_000_000);
        }
    }

    private List<RedisServer> nodes() {
        var nodes = new ArrayList<>(primaries);
        nodes.addAll(replicas);
        return nodes;
    }

    /** Returns the node's id in the cluster. */
    public String id(RedisServer node) {
        return node.text("CLUSTER MYID");
    }

    /** Returns the servers that began as primaries, in the order of their slots. */
    public List<RedisServer> primaries() {
        return List.copyOf(primaries);
    }

    /** Returns the servers that began as replicas, in the order of their primaries. */
    public List<RedisServer> replicas() {
        return List.copyOf(replicas);
    }

    /** Returns the index of the primary that held the slot at the start. */
    public int primaryOf(int slot) {
        for (int i = 0; ; i++) if (slot < SLOTS * (i + 1) / primaries.size()) return i;
    }

    /** Returns the address of the last primary, so that tests can kill the others. */
    public String uri() {
        return primaries.get(primaries.size() - 1).uri();
    }

    @Override
    public void close() {
        nodes().forEach(RedisServer::close);
    }
}
