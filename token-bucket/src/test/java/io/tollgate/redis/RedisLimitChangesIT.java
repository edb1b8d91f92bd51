package io.tollgate.redis;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.LimitChangesContract;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** On the buckets in Redis. */
class RedisLimitChangesIT extends LimitChangesContract {
    private static final long SOURCE = 17;

    private static RedisServer server;
    private static RedisBuckets redis;

    private final String agent = UUID.randomUUID().toString();

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        redis = new RedisBuckets(RedisURI.create(server.uri()));
        redis.probe(Duration.ofSeconds(5));
    }

    @AfterAll
    static void stop() {
        redis.close();
        server.close();
    }

    @Override
    protected Step spend(Terms terms, Charge charge) {
        var spend = new SpendRequest(
                agent, BucketKind.ENFORCED, Promises.of(terms), List.of(charge), SOURCE, -1, false, Fence.NONE, null);
        var answer = (SpendResult.Decided)
                redis.spend(List.of(spend)).join().answers().get(0);
        return step(answer.buckets(), answer.decisions());
    }
}
