package io.tollgate.mirror;

/**
 * The topics that each task reads one partition of. Immutable.
 *
 * @param requests what agents ask for
 * @param rekeyed the internal topic through which stray requests come home
 * @param usage what holds have used
 * @param rekeyedUsage the internal topic through which stray reports come home
 */
public record TaskTopics(String requests, String rekeyed, String usage, String rekeyedUsage) {}
