package io.tollgate.redis;

/** How our copy stands to the bucket in Redis; the order is that of the script. */
public enum CopyStatus {
    /** It is what Redis said last. */
    FOLLOWS,
    /** Calls are under way whose decisions it does not hold: if Redis lacks them, we {@linkplain SpendResult.Disagrees disagree}. */
    UNDER_WAY,
    /** It holds decisions that Redis has not seen. */
    DECIDED_ALONE,
    /** As before; and what Redis has decided beyond it went nowhere. */
    SUPERSEDES
}
