package io.tollgate.ingest;

/** A readable request on a partition, or with a key, that is not its agent's: it goes through {@code rekeyed} first. */
public record Stray(Request request) implements Incoming {}
