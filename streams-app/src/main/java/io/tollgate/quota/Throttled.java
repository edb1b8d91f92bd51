package io.tollgate.quota;

/**
 * An agent that was refused lately.
 *
 * @param refusals at least so many within the last one to two minutes; exact if few agents are refused
 */
public record Throttled(String agentId, long refusals) {}
