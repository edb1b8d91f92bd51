package io.tollgate.bucket;

import java.util.concurrent.CompletionStage;

/** A place where agents' buckets live. Thread-safe. */
public interface Buckets extends AutoCloseable {
    /**
     * Spends from the agent's bucket if it covers the cost.
     *
     * @throws IllegalArgumentException if the agent's id or the cost breaks its rule
     */
    CompletionStage<Decision> spend(String agentId, Limit limit, double costTokens);

    /**
     * Takes a cost from the agent's bucket even if it falls below zero; a negative cost gives tokens back, never above
     * the capacity.
     *
     * @return an approval with the tokens left
     * @throws IllegalArgumentException if the agent's id breaks its rule, or the cost is not from -1e12 to 1e12
     */
    CompletionStage<Decision> settle(String agentId, Limit limit, double costTokens);

    /** Returns the agent's bucket refilled to now; nothing is written. */
    CompletionStage<Bucket> look(String agentId, Limit limit);

    /**
     * Fills the agent's bucket.
     *
     * @return whether it is full for all programs that share it; false: only here, because Redis does not answer
     */
    CompletionStage<Boolean> reset(String agentId, Limit limit);

    @Override
    void close();
}
