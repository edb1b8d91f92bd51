package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Limit;
import io.tollgate.sandbox.RedisServer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Another program, which knows nothing but the layout, spends from the same buckets. */
class InteropIT {
    private static final String KEY = "quota:both:tokens";
    private static final long SOURCE = 7;

    /** KEYS: the bucket; ARGV: capacity, rate, cost. What the contract says of the layout, and not a word more. */
    private static final String OTHER_PROGRAM = """
            local t = redis.call('TIME')
            local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
            local capacity, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
            local b = redis.call('HMGET', KEYS[1], 'tokens', 'last_refill')
            local tokens = tonumber(b[1] or capacity)
            local last = tonumber(b[2] or now)
            tokens = math.min(capacity, tokens + (now - last) * rate)
            local allowed = 0
            if tokens >= cost then tokens = tokens - cost; allowed = 1 end
            redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'last_refill', string.format('%.6f', now))
            redis.call('EXPIRE', KEYS[1], 3600)
            return allowed
            """;

    private static RedisServer server;
    private static RedisBuckets ours;
    private static RedisClient client;
    private static RedisCommands<String, String> theirs;

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        ours = new RedisBuckets(RedisURI.create(server.uri()));
        ours.probe(Duration.ofSeconds(5));
        client = RedisClient.create(server.uri());
        theirs = client.connect().sync();
    }

    @AfterAll
    static void stop() {
        client.close();
        ours.close();
        server.close();
    }

    @BeforeEach
    void empty() {
        theirs.flushall();
    }

    @Test
    void givenBothSpend_whenOneHasSpent_thenTheOtherSeesIt() {
        var limit = new Limit(100, 0.001);

        assertThat(theySpend(limit, 60)).isTrue();
        assertThat(weSpend(limit, 1, 30)).isTrue();
        assertThat(theySpend(limit, 20)).isFalse();
        assertThat(weSpend(limit, 2, 20)).isFalse();
        assertThat(theySpend(limit, 10)).isTrue();
        assertThat(tokens()).isCloseTo(0, within(0.1));
    }

    @Test
    void givenOurFence_whenTheOtherProgramWrites_thenOurReplaysAreStillKnown() {
        var limit = new Limit(100, 0.001);
        weSpend(limit, 1, 30);
        theySpend(limit, 30);

        var replay = answer(limit, 1, 30);

        assertThat(replay.replays()).isEqualTo(1);
        assertThat(replay.decisions().get(0).isApproved()).isTrue();
        assertThat(tokens()).isCloseTo(40, within(0.1));
    }

    @Test
    void givenOtherProgramWroteFirst_whenWeSpend_thenItsKeyOfTwoFieldsIsEnough() {
        var limit = new Limit(100, 0.001);
        theySpend(limit, 70);
        assertThat(theirs.hkeys(KEY)).containsExactlyInAnyOrder("tokens", "last_refill");

        assertThat(weSpend(limit, 1, 31)).isFalse();
        assertThat(weSpend(limit, 2, 30)).isTrue();
        assertThat(theirs.ttl(KEY)).isGreaterThan(99_000);
    }

    @Test
    void givenBothSpendAsFastAsTheyCan_whenSummed_thenNoMoreThanCapacityAndRefillIsAdmitted() throws Exception {
        var limit = new Limit(200, 500);
        double start = seconds();
        var pool = Executors.newFixedThreadPool(2);
        try {
            var end = System.nanoTime() + Duration.ofSeconds(2).toNanos();
            var us = pool.submit(() -> {
                int admitted = 0;
                for (int offset = 0; System.nanoTime() < end; offset++) if (weSpend(limit, offset, 1)) admitted++;
                return admitted;
            });
            var them = pool.submit(() -> {
                int admitted = 0;
                while (System.nanoTime() < end) if (theySpend(limit, 1)) admitted++;
                return admitted;
            });
            int admitted = us.get() + them.get();
            double most = 200 + 500 * (seconds() - start);

            assertThat(us.get()).isPositive();
            assertThat(them.get()).isPositive();
            assertThat((double) admitted).isLessThanOrEqualTo(most + 0.01).isGreaterThan(most * 0.8);
        } finally {
            pool.shutdownNow();
        }
    }

    private static boolean theySpend(Limit limit, double cost) {
        Long allowed = theirs.eval(
                OTHER_PROGRAM,
                ScriptOutputType.INTEGER,
                new String[] {KEY},
                Double.toString(limit.capacityTokens()),
                Double.toString(limit.refillTokensPerSecond()),
                Double.toString(cost));
        return allowed == 1;
    }

    private static boolean weSpend(Limit limit, long offset, double cost) {
        return answer(limit, offset, cost).decisions().get(0).isApproved();
    }

    private static Answer.Decided answer(Limit limit, long offset, double cost) {
        var spend =
                new Spend("both", limit, List.of(new Charge(offset, cost)), SOURCE, Math.max(-1, offset - 100), null);
        return (Answer.Decided) ours.spend(List.of(spend)).join().answers().get(0);
    }

    private static double tokens() {
        return Double.parseDouble(theirs.hget(KEY, "tokens"));
    }

    private static double seconds() {
        var time = theirs.time();
        return Long.parseLong(time.get(0)) + Long.parseLong(time.get(1)) / 1e6;
    }
}
