package io.tollgate.policy;

/**
 * A policy's name in eight bytes, which Redis and the local buckets keep beside each decision: its key, and its
 * partition and offset on the policies topic. Together with the agent's id the number gives the name.
 *
 * <p>The lowest bit tells a prefix from the agent's own key. The next {@value #PLACE_BITS} bits hold the partition; for
 * a prefix, also its length. The key {@code *} is the prefix of length 0.
 */
final class PolicyNumber {
    /** The number of the default policy. */
    static final long DEFAULT = 0;

    /** The last character of a prefix's key. */
    static final String ANY = "*";

    private static final int PLACE_BITS = 14;
    /** For a prefix policy: the topic has one partition, and a prefix at most 255 bytes. */
    private static final int PARTITION_BITS = 6;

    private PolicyNumber() {}

    /** Returns the number of an agent's own policy. */
    static long ofOwn(int partition, long offset) {
        return (offset + 1 << PLACE_BITS | partition) << 1;
    }

    /**
     * Returns the number of a policy for all agents with the same prefix.
     *
     * @param length of the prefix, in chars, without the star
     */
    static long ofPrefix(int length, int partition, long offset) {
        return (offset + 1 << PLACE_BITS | (long) length << PARTITION_BITS | partition) << 1 | 1;
    }

    /** Returns whether this is the number of an agent's own policy, not that of a prefix or the default. */
    static boolean isOwn(long number) {
        return number != DEFAULT && (number & 1) == 0;
    }

    /** Returns the name of this agent's policy, as in the header {@code quota-policy}. */
    static String name(long number, String agentId) {
        if (number == DEFAULT) return Policy.DEFAULT;
        long place = number >>> 1 & (1L << PLACE_BITS) - 1;
        long offset = (number >>> PLACE_BITS + 1) - 1;
        if (isOwn(number)) return agentId + "@" + place + "/" + offset;
        int length = Math.min((int) (place >>> PARTITION_BITS), agentId.length());
        long partition = place & (1 << PARTITION_BITS) - 1;
        return agentId.substring(0, length) + ANY + "@" + partition + "/" + offset;
    }
}
