package io.tollgate.ingest;

/** The classification of a record. */
public sealed interface Incoming permits AgentRecord, Stray, InvalidRecord {}
