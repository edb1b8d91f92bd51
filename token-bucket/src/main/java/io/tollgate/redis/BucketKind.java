package io.tollgate.redis;

/** The kinds of an agent's buckets. */
public enum BucketKind {
    /** Shared with other programs, at {@code quota:<agent>:tokens}. */
    ENFORCED,
    /** Used by Tollgate only, at {@code quota:<agent>:shadow}: a charge here has no effect elsewhere. */
    SHADOW
}
