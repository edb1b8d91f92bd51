package io.tollgate.mirror;

/**
 * The topics that each task reads one partition of. Immutable.
 *
 * @param requests the requests topic
 * @param rekeyed the internal topic through which stray requests come home
 * @param usage the topic of usage reports
 * @param rekeyedUsage the internal topic through which stray reports come home
 */
public record TaskTopics(String requests, String rekeyed, String usage, String rekeyedUsage) {}
