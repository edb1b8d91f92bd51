package io.tollgate.ingest;

/** A readable request on a partition that is not its agent's: it goes through {@code rekeyed} first. */
public record Stray(Request request) implements Incoming {}
