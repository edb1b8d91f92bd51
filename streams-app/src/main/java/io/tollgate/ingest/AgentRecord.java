package io.tollgate.ingest;

/** A readable record of an agent: a request, or a usage report. */
public sealed interface AgentRecord extends Incoming permits Request, UsageReport {
    /** Returns the key of the agent's records: its id in UTF-8. */
    byte[] key();

    /** Returns the record's value, unchanged. */
    byte[] bytes();
}
