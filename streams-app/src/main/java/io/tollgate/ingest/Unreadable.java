package io.tollgate.ingest;

/**
 * A record that is no request.
 *
 * @param bytes the record's value as it came; empty for null
 * @param detail which field breaks which rule, at most 200 characters, without the agent's own bytes
 */
public record Unreadable(byte[] bytes, String detail) implements Incoming {}
