package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Limit;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Another program, which knows nothing but the layout, spends from the same buckets. */
class InteropIT {
    private static final String KEY = "quota:both:tokens";
    private static final long SOURCE = 7;

    /** Exactly the rules of this module's page for other programs. */
    private static final String OTHER_PROGRAM = example("lua");

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
    void eachSeesWhatTheOtherSpent() {
        var limit = new Limit(100, 0.001);

        assertThat(theySpend(limit, 60)).isTrue();
        assertThat(weSpend(limit, 1, 30)).isTrue();
        assertThat(theySpend(limit, 20)).isFalse();
        assertThat(weSpend(limit, 2, 20)).isFalse();
        assertThat(theySpend(limit, 10)).isTrue();
        assertThat(tokens()).isCloseTo(0, within(0.1));
    }

    @Test
    void fenceOutlivesOtherWriters() {
        var limit = new Limit(100, 0.001);
        weSpend(limit, 1, 30);
        theySpend(limit, 30);

        var replay = answer(limit, 1, 30);

        assertThat(replay.replays()).isEqualTo(1);
        assertThat(replay.decisions().get(0).isApproved()).isTrue();
        assertThat(tokens()).isCloseTo(40, within(0.1));
    }

    @Test
    void twoFieldsOfAnotherProgramSuffice() {
        var limit = new Limit(100, 0.001);
        theySpend(limit, 70);
        assertThat(theirs.hkeys(KEY)).containsExactlyInAnyOrder("tokens", "last_refill");

        assertThat(weSpend(limit, 1, 31)).isFalse();
        assertThat(weSpend(limit, 2, 30)).isTrue();
        assertThat(theirs.ttl(KEY)).isGreaterThan(99_000);
    }

    @Test
    void racingProgramsStayWithinTheBound() throws Exception {
        var limit = new Limit(100, 100); // less than a busy machine can ask for
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
            double most = 100 + 100 * (seconds() - start);

            assertThat(us.get()).isPositive();
            assertThat(them.get()).isPositive();
            assertThat((double) admitted).isLessThanOrEqualTo(most + 0.01).isGreaterThan(most * 0.8);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void exampleFollowsTheRules() {
        theySpend(new Limit(100, 11.57), 99.9999999);
        assertThat(theirs.hget(KEY, "tokens")).matches("0\\.000000\\d+");
        assertThat(theirs.hget(KEY, "last_refill")).matches("\\d+\\.\\d+");
        assertThat(theirs.ttl(KEY)).isBetween(3650L, 3660L);

        theySpend(new Limit(100_000, 11.57), 1);
        assertThat(theirs.ttl(KEY)).isBetween(8690L, 8704L);

        theySpend(new Limit(100, 0), 1);
        assertThat(theirs.ttl(KEY)).isEqualTo(-1);
    }

    @Test
    void lastRefillAheadStaysThere() {
        var limit = new Limit(100, 10);
        var ahead = String.format(Locale.ROOT, "%.6f", seconds() + 60);
        theirs.hset(KEY, Map.of("tokens", "50", "last_refill", ahead));

        assertThat(theySpend(limit, 60)).isFalse();
        assertThat(theySpend(limit, 20)).isTrue();

        assertThat(tokens()).isEqualTo(30);
        assertThat(theirs.hget(KEY, "last_refill")).isEqualTo(ahead);
        assertThat(weSpend(limit, 1, 31)).isFalse();
    }

    @Test
    void debtIsRepaidFirst() {
        theirs.hset(KEY, Map.of("tokens", "-50", "last_refill", String.valueOf(seconds())));

        assertThat(theySpend(new Limit(100, 0), 1)).isFalse();
        assertThat(tokens()).isEqualTo(-50);
    }

    @Test
    void pythonExampleSharesTheBucket(@TempDir Path dir) throws Exception {
        var python = Stream.of("python3", "/usr/bin/python3")
                .filter(name -> run(dir, name, "import redis").isPresent())
                .findFirst();
        assumeTrue(python.isPresent(), "Python with the package redis is not there");
        Files.writeString(dir.resolve("bucket.lua"), OTHER_PROGRAM);
        Files.writeString(dir.resolve("example.py"), example("python"));
        weSpend(new Limit(100, 0), 1, 30);

        var said = run(
                dir,
                python.get(),
                "import example as e; print(e.try_acquire('both', 60, 100, 0), e.try_acquire('both', 20, 100, 0))");

        assertThat(said.map(String::strip)).contains("True False");
        assertThat(tokens()).isEqualTo(10);
        assertThat(weSpend(new Limit(100, 0), 2, 10)).isTrue();
    }

    /** Returns what the program printed; empty if it failed. */
    private static Optional<String> run(Path dir, String python, String program) {
        try {
            var builder = new ProcessBuilder(python, "-c", program)
                    .directory(dir.toFile())
                    .redirectErrorStream(true);
            builder.environment().put("REDIS_URL", server.uri());
            var process = builder.start();
            var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return process.waitFor() == 0 ? Optional.of(said) : Optional.empty();
        } catch (IOException missing) {
            return Optional.empty();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String example(String language) {
        try {
            var block = Pattern.compile("(?ms)^```" + language + "\\n(.*?)^```$")
                    .matcher(Files.readString(Path.of("README.md")));
            if (!block.find()) throw new IllegalStateException("README.md has no example in " + language);
            return block.group(1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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

    private static SpendResult.Decided answer(Limit limit, long offset, double cost) {
        var spend = new SpendRequest(
                "both", limit, List.of(new Charge(offset, cost)), SOURCE, Math.max(-1, offset - 100), null);
        return (SpendResult.Decided) ours.spend(List.of(spend)).join().answers().get(0);
    }

    private static double tokens() {
        return Double.parseDouble(theirs.hget(KEY, "tokens"));
    }

    private static double seconds() {
        var time = theirs.time();
        return Long.parseLong(time.get(0)) + Long.parseLong(time.get(1)) / 1e6;
    }
}
