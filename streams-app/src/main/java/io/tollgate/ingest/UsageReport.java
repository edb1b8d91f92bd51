package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;

/**
 * A readable usage report.
 *
 * @param agentId 1 to 256 bytes of UTF-8 without control characters
 * @param hold the hold's name, which is the {@code quota-source} of the approved request
 * @param usedTokens from 0 to 1e12
 * @param bytes the record's value, unchanged
 */
public record UsageReport(String agentId, String hold, double usedTokens, byte[] bytes) implements AgentRecord {
    @Override
    public byte[] key() {
        return agentId.getBytes(StandardCharsets.UTF_8);
    }
}
