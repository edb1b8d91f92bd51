package io.tollgate.failover;

import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One request until it is decided; its copy's monitor guards what changes. */
final class PendingRequest {
    final String agentId;
    final Limit limit;
    final Charge charge;
    final long dueNanos;
    final RedisNode node;
    final CompletableFuture<Decision> answer = new CompletableFuture<>();

    @Nullable
    AgentCopy copy; // the agent's copy while the request waits or is under way

    @Nullable
    Runnable cancelDue;

    AgentCopy.@Nullable Sent sent; // null: not yet
    long sentNanos;

    @Nullable
    Decision decision;

    PendingRequest(String agentId, Limit limit, Charge charge, RedisNode node, long dueNanos) {
        this.agentId = agentId;
        this.limit = limit;
        this.charge = charge;
        this.node = node;
        this.dueNanos = dueNanos;
    }
}
