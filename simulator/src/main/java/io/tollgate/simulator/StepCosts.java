package io.tollgate.simulator;

/**
 * The cost of each step, in microseconds.
 *
 * @param record CPU of the stream thread for each request, everything included
 * @param entry Redis for an agent of a call, and its first request
 * @param request Redis for each further request of that agent in the call
 * @param call Redis for each call
 * @param roundTrip to Redis and back, without the work of Redis
 * @param fetch from the request to a broker until a partition's records are here
 * @param commit the time in each 100 ms in which a thread decides nothing
 */
public record StepCosts(
        double record, double entry, double request, double call, double roundTrip, double fetch, double commit) {}
