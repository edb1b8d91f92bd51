package io.tollgate.simulator;

import org.HdrHistogram.Histogram;

/**
 * The result of a simulation.
 *
 * @param perSecond requests decided per second, between a fifth and four fifths of all
 * @param decided the number of decided requests
 * @param approved the number of approved ones
 * @param entriesEach entries of calls to Redis for each request
 * @param redisMicrosEach Redis' time for each request, all nodes together
 * @param busiestNode share of the time in which the busiest node worked
 * @param busiestThread share of the time in which the busiest thread worked
 * @param threads share of the time in which threads worked, mean of all
 * @param micros the time from publishing to the decision
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
