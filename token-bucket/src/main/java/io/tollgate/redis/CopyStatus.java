package io.tollgate.redis;

/** The relation of our copy to the bucket in Redis; the order is that of the script. */
public enum CopyStatus {
    /** The copy is the last answer of Redis. */
    FOLLOWS,
    /**
     * The copy lacks decisions of calls under way: if Redis lacks them too, we {@linkplain
     * SpendResult.Disagrees disagree}.
     */
    UNDER_WAY,
    /** The copy holds decisions that Redis has not seen. */
    DECIDED_ALONE,
    /** As before; and decisions of Redis beyond the copy had no effect. */
    SUPERSEDES
}
