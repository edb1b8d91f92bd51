package io.tollgate.ingest;

import io.tollgate.metrics.InvalidRule;

/**
 * A record that is not a request, or not a report.
 *
 * @param bytes the record's value, unchanged; empty for null
 * @param rule the rule it breaks, for counting
 * @param detail the field and its rule, at most 200 characters, without the agent's own bytes
 */
public record InvalidRecord(byte[] bytes, InvalidRule rule, String detail) implements Incoming {}
