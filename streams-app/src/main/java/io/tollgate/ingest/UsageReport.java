package io.tollgate.ingest;

import java.nio.charset.StandardCharsets;

/**
 * A readable report of what a hold has used.
 *
 * @param agentId 1 to 256 bytes of UTF-8 without control characters
 * @param hold names it: what {@code quota-source} said of the approved request, if the report is right
 * @param usedTokens from 0 to 1e12
 * @param bytes the record's value as it came
 */
public record UsageReport(String agentId, String hold, double usedTokens, byte[] bytes) implements Incoming {
    /** Returns the key under which the agent's records stand: its id in UTF-8. */
    public byte[] key() {
        return agentId.getBytes(StandardCharsets.UTF_8);
    }
}
