package io.tollgate.quota;

/** What a task hands on: a decision, or the news that somebody filled a bucket. */
public sealed interface TaskOutput permits Decided, BucketReset {}
