package io.tollgate;

import io.tollgate.sandbox.process.SharedServers;

/** On the sandbox's real broker and Redis. */
class PipelineIT extends PipelineScenario {
    private static final String REDIS = SharedServers.newRedisDatabase();

    @Override
    String bootstrapServers() {
        return TestCluster.sharedBroker();
    }

    @Override
    String redisUrl() {
        return REDIS;
    }
}
