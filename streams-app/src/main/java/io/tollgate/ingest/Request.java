package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * A readable request. The bytes are the agent's own and are never changed.
 *
 * @param requestId the agent's own label; two requests may share one
 * @param agentId 1 to 256 bytes of UTF-8 without control characters
 * @param costTokens from 0 to 1e12
 * @param hold whether the cost is an estimate that is settled later
 * @param bytes the record's value, unchanged
 * @param key the key of the agent's records: its id in UTF-8
 */
public record Request(
        Optional<String> requestId, String agentId, double costTokens, boolean hold, byte[] bytes, byte[] key)
        implements AgentRecord {
    /** A request whose cost is not an estimate. */
    public Request(Optional<String> requestId, String agentId, double costTokens, byte[] bytes) {
        this(requestId, agentId, costTokens, false, bytes);
    }

    public Request(Optional<String> requestId, String agentId, double costTokens, boolean hold, byte[] bytes) {
        this(requestId, agentId, costTokens, hold, bytes, agentId.getBytes(StandardCharsets.UTF_8));
    }
}
