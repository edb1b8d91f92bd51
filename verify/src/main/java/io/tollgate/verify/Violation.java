package io.tollgate.verify;

/**
 * A promise that was broken.
 *
 * @param where topic, partition and offset of the record that shows it
 * @param what a sentence for users
 */
public record Violation(Invariant invariant, String where, String what) {}
