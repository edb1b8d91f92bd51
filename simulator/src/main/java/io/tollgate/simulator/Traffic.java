package io.tollgate.simulator;

/**
 * The traffic of the agents.
 *
 * @param perSecond requests per second; 0: all are there at the start
 * @param requests the number of all requests
 * @param agents the number of agents
 * @param skew Zipf's exponent; 0: all agents alike
 * @param bytes of a request
 * @param capacity of each agent's bucket, in tokens; a request costs one
 * @param refillRate tokens a second
 */
public record Traffic(
        double perSecond, int requests, int agents, double skew, int bytes, double capacity, double refillRate) {}
