package io.tollgate.ingest;

/**
 * A readable request or report on a partition that is not its agent's: it goes through an internal topic first.
 *
 * @param key the key under which the agent's records stand: its id in UTF-8
 * @param bytes the record's value as it came
 */
public record Stray(byte[] key, byte[] bytes) implements Incoming {}
