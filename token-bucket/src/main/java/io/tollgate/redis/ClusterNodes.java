package io.tollgate.redis;

import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisException;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.cluster.SlotHash;
import io.lettuce.core.cluster.api.StatefulRedisClusterConnection;
import io.lettuce.core.cluster.models.partitions.RedisClusterNode;
import io.lettuce.core.protocol.DefaultEndpoint;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.stream.Collectors;

/** The known nodes of a cluster with their slots, refreshed when a node is lost. Thread-safe. */
final class ClusterNodes {
    private static final int MOST_ATTEMPTS = 1_000_000;

    private final RedisClusterClient client;
    private final StatefulRedisClusterConnection<byte[], byte[]> connection;

    ClusterNodes(RedisClusterClient client, StatefulRedisClusterConnection<byte[], byte[]> connection) {
        this.client = client;
        this.connection = connection;
    }

    /** Returns the id of the primary that holds the key; {@link RedisCalls#ONLY_NODE} if none does. */
    String nodeOf(byte[] key) {
        var node = connection.getPartitions().getMasterBySlot(SlotHash.getSlot(key));
        return node == null ? RedisCalls.ONLY_NODE : node.getNodeId();
    }

    /** Returns the ids of the primaries that hold keys. */
    Set<String> ids() {
        return connection.getPartitions().stream()
                .filter(node -> node.is(RedisClusterNode.NodeFlag.UPSTREAM))
                .filter(node -> !node.hasNoSlots())
                .map(RedisClusterNode::getNodeId)
                .collect(Collectors.toSet());
    }

    /** Returns the node's address, for messages. */
    String name(String id) {
        var node = connection.getPartitions().getPartitionByNodeId(id);
        return node == null ? id : node.getUri().getHost() + ":" + node.getUri().getPort();
    }

    /**
     * Returns a key on this node that is not a bucket.
     *
     * @throws RedisException if the node holds no keys
     */
    byte[] probeKey(String id) {
        int attempts = ids().contains(id) ? MOST_ATTEMPTS : 0;
        for (int i = 0; i < attempts; i++) {
            byte[] key = ("quota:" + i + ":probe").getBytes(StandardCharsets.UTF_8);
            if (nodeOf(key).equals(id)) return key;
        }
        throw new RedisException("the node holds no keys");
    }

    /** Asks the nodes for the current slots; does not wait. */
    void refresh() {
        client.refreshPartitionsAsync();
    }

    /** Closes the connection to a node, so that Lettuce opens a new one; does not wait. */
    void reconnect(String id) {
        var node = connection.getPartitions().getPartitionByNodeId(id);
        if (node == null) return;
        // By address, as for keys: a connection by id would be a separate one.
        connection
                .getConnectionAsync(node.getUri().getHost(), node.getUri().getPort())
                .thenAccept(one -> {
                    if (one instanceof RedisChannelHandler<?, ?> handler
                            && handler.getChannelWriter() instanceof DefaultEndpoint endpoint) {
                        endpoint.disconnect();
                    }
                });
    }
}
