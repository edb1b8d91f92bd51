package io.tollgate.redis;

/** Which of an agent's buckets. */
public enum BucketKind {
    /** Shared with other programs, at {@code quota:<agent>:tokens}. */
    ENFORCED,
    /** Tollgate's alone, at {@code quota:<agent>:shadow}: what is spent here is missing nowhere. */
    SHADOW
}
