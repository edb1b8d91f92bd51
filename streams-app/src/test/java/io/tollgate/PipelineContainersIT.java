package io.tollgate;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/** The same with public images of a broker and Redis, if a Docker engine answers. */
class PipelineContainersIT extends PipelineScenario {
    private static final int REDIS_PORT = 6379;

    private static KafkaContainer kafka;
    private static GenericContainer<?> redis;

    @BeforeAll
    @SuppressWarnings("resource") // closed by stop()
    static void start() {
        assumeTrue(DockerClientFactory.instance().isDockerAvailable(), "no Docker engine answers on this machine");
        kafka = new KafkaContainer(DockerImageName.parse("apache/kafka:4.1.0"));
        redis = new GenericContainer<>(DockerImageName.parse("redis:7.2.5")).withExposedPorts(REDIS_PORT);
        kafka.start();
        redis.start();
    }

    @AfterAll
    static void stop() {
        if (redis != null) redis.close();
        if (kafka != null) kafka.close();
    }

    @Override
    String bootstrapServers() {
        return kafka.getBootstrapServers();
    }

    @Override
    String redisUrl() {
        return "redis://" + redis.getHost() + ":" + redis.getMappedPort(REDIS_PORT);
    }
}
