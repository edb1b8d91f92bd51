package io.tollgate.ingest;

/**
 * A readable request or report on a partition other than its agent's home. It goes through an internal topic first.
 *
 * @param key the key of the agent's records: its id in UTF-8
 * @param bytes the record's value, unchanged
 */
public record Stray(byte[] key, byte[] bytes) implements Incoming {}
