package io.tollgate.simulator;

import org.HdrHistogram.Histogram;

/**
 * What came of it.
 *
 * @param perSecond requests decided, from the moment when a fifth was decided until four fifths were
 * @param decided how many were decided
 * @param approved how many of them were approved
 * @param entriesEach entries of calls to Redis for each request
 * @param redisMicrosEach Redis' time for each request, all nodes together
 * @param busiestNode share of the time in which the busiest node worked
 * @param busiestThread share of the time in which the busiest thread worked
 * @param threads share of the time in which threads worked, mean of all
 * @param micros from publishing until decided
 */
public record Forecast(
        double perSecond,
        long decided,
        long approved,
        double entriesEach,
        double redisMicrosEach,
        double busiestNode,
        double busiestThread,
        double threads,
        Histogram micros) {}
