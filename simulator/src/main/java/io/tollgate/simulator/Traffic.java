package io.tollgate.simulator;

/**
 * What agents send.
 *
 * @param perSecond requests; 0: all are there at the start
 * @param requests in all
 * @param agents who may send
 * @param skew Zipf's exponent; 0: all agents alike
 * @param bytes of a request
 * @param capacity of each agent's bucket, in tokens; a request costs one
 * @param refillRate tokens a second
 */
public record Traffic(
        double perSecond, int requests, int agents, double skew, int bytes, double capacity, double refillRate) {}
