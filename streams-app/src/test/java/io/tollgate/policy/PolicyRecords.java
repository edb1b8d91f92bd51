package io.tollgate.policy;

import java.nio.charset.StandardCharsets;

/** Gives policies to {@link Policies} as the topic would, for tests of other packages. */
public final class PolicyRecords {
    private PolicyRecords() {}

    public static void apply(Policies policies, long offset, long timestampMillis, String agentId, String json) {
        policies.apply(
                0,
                offset,
                timestampMillis,
                agentId.getBytes(StandardCharsets.UTF_8),
                json.getBytes(StandardCharsets.UTF_8));
    }
}
