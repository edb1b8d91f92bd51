package io.tollgate.quota;

import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.List;
import java.util.Optional;

/**
 * One agent's part of a call to Redis. For one stream thread alone.
 *
 * @param mirror of the buckets that are asked for
 * @param index its place in the chunk
 * @param requests one for each of the spend's charges
 * @param epoch of the mirror when it was sent
 */
record Asked(AgentMirror mirror, Chunk chunk, int index, Spend spend, List<PendingDecision> requests, int epoch) {
    /** Waits for the answer, until the chunk's deadline at most; empty if there is none in time. */
    Optional<Answer> await() {
        return chunk.await(index);
    }
}
