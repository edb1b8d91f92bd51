package io.tollgate.ingest;

/** The classification of a record. */
public sealed interface Incoming permits Request, UsageReport, Stray, InvalidRecord {}
