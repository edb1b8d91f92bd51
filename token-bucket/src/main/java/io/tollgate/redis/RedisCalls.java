package io.tollgate.redis;

import io.tollgate.bucket.Promises;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Calls of {@code spend.lua}, which never wait and have no time limit of their own. Thread-safe. */
public interface RedisCalls extends AutoCloseable {
    /** The name of the single node without a cluster; in a cluster, it stands for no node. */
    String ONLY_NODE = "";

    /** Returns whether keys live on several nodes; not before the first connection. */
    boolean isCluster();

    /** Decides several agents' charges in one call, as {@link RedisBuckets#spend(List)} does. */
    CompletableFuture<SpendResults> spend(List<SpendRequest> spends);

    /**
     * Returns what Redis would answer, with the buckets refilled to now as they would continue with the spend's copy;
     * nothing is charged or written.
     */
    CompletableFuture<SpendResults> look(SpendRequest spend);

    /** Resets an agent's buckets, one for each limit. */
    CompletionStage<Void> reset(String agentId, BucketKind kind, Promises promises);

    @Override
    void close();
}
