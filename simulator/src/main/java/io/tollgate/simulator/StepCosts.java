package io.tollgate.simulator;

/**
 * What a step takes, in microseconds.
 *
 * @param record CPU of the stream thread for each request, all that belongs to it included
 * @param entry Redis for an agent of a call, and its first request
 * @param request Redis for each further request of that agent in the call
 * @param call Redis for each call
 * @param roundTrip to Redis and back, without what Redis does
 * @param fetch from asking a broker for a partition's records until they are here
 * @param commit during which a thread decides nothing, each 100 ms
 */
public record StepCosts(
        double record, double entry, double request, double call, double roundTrip, double fetch, double commit) {}
