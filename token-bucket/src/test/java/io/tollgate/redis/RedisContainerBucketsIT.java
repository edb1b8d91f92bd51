package io.tollgate.redis;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Buckets;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.utility.DockerImageName;

/** The same contract on the official image of Redis; skipped if no Docker engine answers. */
class RedisContainerBucketsIT extends SharedBucketsContract {
    private static final DockerImageName IMAGE = DockerImageName.parse("redis:7.2.5-alpine");

    private static @Nullable GenericContainer<?> container;

    @BeforeAll
    @SuppressWarnings("resource") // closed in stop()
    static void start() {
        assumeTrue(
                DockerClientFactory.instance().isDockerAvailable(),
                "no Docker engine answers: the embedded Redis alone is tested");
        container = new GenericContainer<>(IMAGE).withExposedPorts(6379);
        container.start();
    }

    @AfterAll
    static void stop() {
        if (container != null) container.close();
    }

    @BeforeEach
    void empty() {
        try (var client = RedisClient.create(uri());
                var connection = client.connect()) {
            connection.sync().flushall();
        }
    }

    @Override
    protected Buckets open() {
        var redis = new RedisBuckets(uri());
        redis.probe(Duration.ofSeconds(5));
        return redis;
    }

    private static RedisURI uri() {
        var running = java.util.Objects.requireNonNull(container);
        return RedisURI.create(running.getHost(), running.getMappedPort(6379));
    }
}
