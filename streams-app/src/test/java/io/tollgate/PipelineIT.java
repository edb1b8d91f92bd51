package io.tollgate;

import io.tollgate.sandbox.RedisServer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** On the sandbox's real broker and Redis. */
class PipelineIT extends PipelineScenario {
    private static RedisServer redis;

    @BeforeAll
    static void start() {
        redis = RedisServer.start();
    }

    @AfterAll
    static void stop() {
        redis.close();
    }

    @Override
    String bootstrapServers() {
        return TestCluster.sharedBroker();
    }

    @Override
    String redisUrl() {
        return redis.uri();
    }
}
