package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;

/**
 * A record that is no request, or no report.
 *
 * @param bytes the record's value as it came; empty for null
 * @param rule which rule it breaks, for counting
 * @param detail which field breaks which rule, at most 200 characters, without the agent's own bytes
 */
public record InvalidRecord(byte[] bytes, InvalidRule rule, String detail) implements Incoming {}
