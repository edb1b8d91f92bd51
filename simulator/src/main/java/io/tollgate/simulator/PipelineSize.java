package io.tollgate.simulator;

/**
 * The size of a pipeline.
 *
 * @param partitions of the requests topic; each is a task of thread {@code partition mod threads}
 * @param threads of all instances, each with a core of its own
 * @param redisNodes masters, each with a core of its own; with more than one each agent is a call of its own, as in
 *     a cluster
 */
public record PipelineSize(int partitions, int threads, int redisNodes) {}
