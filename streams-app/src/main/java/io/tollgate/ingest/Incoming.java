package io.tollgate.ingest;

/** What a record turned out to be. */
public sealed interface Incoming permits Request, UsageReport, Stray, InvalidRecord {}
