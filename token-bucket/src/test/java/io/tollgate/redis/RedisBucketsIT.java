package io.tollgate.redis;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Buckets;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

class RedisBucketsIT extends SharedBucketsContract {
    private static RedisServer server;
    private static RedisClient client;

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        client = RedisClient.create(server.uri());
    }

    @AfterAll
    static void stop() {
        client.close();
        server.close();
    }

    @BeforeEach
    void empty() {
        try (var connection = client.connect()) {
            connection.sync().flushall();
        }
    }

    @Override
    protected Buckets open() {
        var redis = new RedisBuckets(RedisURI.create(server.uri()));
        redis.probe(Duration.ofSeconds(5));
        return redis;
    }
}
