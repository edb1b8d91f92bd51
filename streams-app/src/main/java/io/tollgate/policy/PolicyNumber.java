package io.tollgate.policy;

/**
 * A policy's name in eight bytes, which Redis and the local buckets keep beside each decision: whose it is, and its partition and offset on
 * the topic of policies.
 */
final class PolicyNumber {
    /** The number of the default policy. */
    static final long DEFAULT = 0;

    /** The key of the policy for everybody. */
    static final String EVERYBODY = "*";

    private static final int PARTITION_BITS = 14;

    private PolicyNumber() {}

    static long of(boolean everybody, int partition, long offset) {
        return (offset + 1 << PARTITION_BITS | partition) << 1 | (everybody ? 1 : 0);
    }

    /** Returns what the header {@code quota-policy} says of this policy of this agent. */
    static String name(long number, String agentId) {
        if (number == DEFAULT) return Policy.DEFAULT;
        var key = (number & 1) == 1 ? EVERYBODY : agentId;
        long partition = number >>> 1 & (1L << PARTITION_BITS) - 1;
        return key + "@" + partition + "/" + ((number >>> PARTITION_BITS + 1) - 1);
    }
}
