package io.tollgate.failover;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisConnectionException;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.RedisCalls;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random histories of one process and one Redis in simulated time: calls overlap, answers come late or never, scripts run after their
 * callers have given up, Redis freezes, loses its connections, is emptied, or comes back with older data. Whatever happens, the bucket admits no more
 * than it holds and was given back. The steps of a history that fails stand in the message.
 */
class FailoverHistoriesTest {
    private static final int HISTORIES = 1500;
    private static final long MILLI = 1_000_000;
    /** The delay of this process's view of Redis' clock: the time that an answer took. */
    private static final double CLOCK_LAG_SECONDS = 0.11;

    private static final Duration TIMEOUT = Duration.ofMillis(100);
    private static final List<String> AGENTS = List.of("a", "b");

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void noHistoryAdmitsTooMuch(long seed) {
        var seeds = new Random(seed);
        int byRedis = 0;
        int local = 0;
        int given = 0;
        for (int i = 0; i < HISTORIES; i++) {
            var world = new World(seeds.nextLong());
            world.run();
            for (var agent : AGENTS) {
                var admitted = world.admitted.get(agent);
                double slack = CLOCK_LAG_SECONDS * world.limit.refillTokensPerSecond();
                assertThat(overAdmitted(admitted, world.limit) - slack)
                        .as("%s of %s: %s%n%s", agent, world.limit, admitted, String.join("\n", world.steps))
                        .isLessThan(1e-3);
                byRedis += count(admitted, DecidedBy.REDIS);
                local += count(admitted, DecidedBy.LOCAL);
            }
            given += world.answers;
            assertThat(world.unanswered()).as("requests without an answer").isZero();
        }
        assertThat(byRedis).isGreaterThan(HISTORIES);
        assertThat(local).isGreaterThan(HISTORIES);
        assertThat(given).isGreaterThan(10 * HISTORIES);
    }

    /** @param atMicros true time, whatever the clocks say */
    private record Admission(long atMicros, double tokens, DecidedBy by) {}

    private static int count(List<Admission> admitted, DecidedBy by) {
        return (int) admitted.stream()
                .filter(one -> one.tokens() > 0 && one.by() == by)
                .count();
    }

    /** Returns by how much the worst interval exceeds what capacity and refill give. */
    private static double overAdmitted(List<Admission> admitted, Limit limit) {
        var ordered = new ArrayList<>(admitted);
        ordered.sort(Comparator.comparingLong(Admission::atMicros));
        double worst = 0;
        for (int from = 0; from < ordered.size(); from++) {
            double sum = 0;
            for (int to = from; to < ordered.size(); to++) {
                sum += ordered.get(to).tokens();
                double seconds = (ordered.get(to).atMicros() - ordered.get(from).atMicros()) / 1e6;
                worst = Math.max(worst, sum - limit.capacityTokens() - seconds * limit.refillTokensPerSecond());
            }
        }
        return worst;
    }

    /** Everything around the buckets under test. One thread. */
    private static final class World implements CallTime, RedisCalls, RedisNode {
        private record Event(long atNanos, long number, Runnable what) {}

        private final Random random;
        private final Limit limit;
        private final PriorityQueue<Event> events =
                new PriorityQueue<>(Comparator.comparingLong(Event::atNanos).thenComparingLong(Event::number));
        private final List<String> steps = new ArrayList<>();
        private final Map<String, List<Admission>> admitted = new HashMap<>();
        private final FailoverBuckets buckets;
        private final BucketClock clock;
        private final List<CompletableFuture<Decision>> asked = new ArrayList<>();
        private long now;
        private long numbers;
        private int answers;

        // Redis
        private final long skewMicros;
        private Map<String, Bucket> data = new HashMap<>();
        private Map<String, Bucket> older = new HashMap<>();
        private long frozenUntil;
        private long lastArrival;
        private int connection;
        private List<CompletableFuture<?>> underWay = new ArrayList<>();

        // The breaker
        private boolean closed = true;
        private int failures;
        private long outages;

        World(long seed) {
            random = new Random(seed);
            steps.add("history " + seed);
            limit = new Limit(10, new double[] {0, 0, 5, 1000}[random.nextInt(4)]);
            skewMicros = random.nextInt(3) == 0 ? random.nextInt(7_200_000) * 1000L - 3_600_000_000L : 0;
            clock = new BucketClock(1_800_000_000_000_000L, () -> now);
            if (random.nextInt(3) > 0) clock.follow(redisMicros()); // a probe was answered before
            else closed = false;
            AGENTS.forEach(agent -> admitted.put(agent, new ArrayList<>()));
            buckets = new FailoverBuckets(this, agent -> this, TIMEOUT, this, CallObserver.NOBODY, () -> {});
        }

        void run() {
            int requests = 10 + random.nextInt(30);
            long at = 0;
            for (int i = 0; i < requests; i++) {
                at += random.nextInt(4) == 0 ? random.nextInt(400) * MILLI : random.nextInt(12) * MILLI;
                later(at, this::request);
            }
            int faults = random.nextInt(6);
            for (int i = 0; i < faults; i++) later((long) (random.nextDouble() * at), this::fault);
            for (long probe = 50 * MILLI; probe < at + 1000 * MILLI; probe += 200 * MILLI) later(probe, this::probe);
            while (!events.isEmpty()) {
                var event = events.poll();
                now = Math.max(now, event.atNanos());
                event.what().run();
            }
        }

        private void later(long atNanos, Runnable what) {
            events.add(new Event(atNanos, numbers++, what));
        }

        private void say(String step) {
            steps.add(String.format("%7.1f ms  %s", now / 1e6, step));
        }

        private void request() {
            var agent = AGENTS.get(random.nextInt(3) / 2);
            double cost = 1 + random.nextInt(5);
            say("request of " + agent + ", " + cost);
            var answer = buckets.spend(agent, limit, cost);
            asked.add(answer);
            answer.whenComplete((decision, failure) -> {
                answers++;
                say("decided for " + agent + ", " + cost + ": " + decision + (failure == null ? "" : failure));
                if (failure == null && decision.isApproved()) {
                    long micros = decision.decidedBy() == DecidedBy.LOCAL
                            ? now / 1000
                            : decision.decidedAtMicros() - skewMicros - 1_800_000_000_000_000L;
                    admitted.get(agent).add(new Admission(micros, cost, decision.decidedBy()));
                    // Where the bucket refills, what is given back late may find it full, or not any more.
                    boolean exact = limit.refillTokensPerSecond() == 0;
                    if (exact && random.nextInt(3) == 0)
                        later(now + random.nextInt(400) * MILLI, () -> settle(agent, cost, random.nextInt(7)));
                }
            });
        }

        private void settle(String agent, double reserved, double used) {
            say("settlement of " + agent + ", " + used + " used of " + reserved);
            admitted.get(agent).add(new Admission(now / 1000, Math.min(0, used - reserved), DecidedBy.LOCAL));
            var answer = buckets.settle(agent, limit, used - reserved);
            asked.add(answer);
            answer.whenComplete((decision, failure) -> say("settled for " + agent + ": " + decision));
        }

        long unanswered() {
            return asked.stream().filter(answer -> !answer.isDone()).count();
        }

        private void fault() {
            switch (random.nextInt(5)) {
                case 0 -> {
                    frozenUntil = now + random.nextInt(600) * MILLI;
                    say("frozen until " + frozenUntil / MILLI);
                }
                case 1 -> cut();
                case 2 -> {
                    say("emptied");
                    data = new HashMap<>();
                }
                case 3 -> {
                    say("saved");
                    older = new HashMap<>(data);
                }
                default -> {
                    // A failover that loses writes: the breaker has opened before anything else answers.
                    cut();
                    if (closed) leave();
                    say("back with older data");
                    data = new HashMap<>(older);
                }
            }
        }

        private void cut() {
            say("connection lost");
            connection++;
            var lost = underWay;
            underWay = new ArrayList<>();
            lost.forEach(call -> call.completeExceptionally(new RedisConnectionException("lost")));
        }

        private void leave() {
            closed = false;
            outages++;
            say("the breaker opens");
        }

        private void probe() {
            if (closed || now < frozenUntil || random.nextInt(3) == 0) return;
            clock.follow(redisMicros());
            closed = true;
            failures = 0;
            say("the breaker closes");
        }

        private long redisMicros() {
            return 1_800_000_000_000_000L + skewMicros + now / 1000;
        }

        @Override
        public CompletableFuture<SpendResults> spend(List<SpendRequest> spends) {
            var call = new CompletableFuture<SpendResults>();
            underWay.add(call);
            int by = connection;
            // In order over one connection; what is on its way when it is lost may arrive all the same, before anything
            // sent later.
            lastArrival = Math.max(lastArrival, now + random.nextInt(6) * MILLI / 2);
            boolean vanishes = random.nextInt(4) == 0;
            later(lastArrival, () -> arrive(by, vanishes, spends.get(0), call));
            return call;
        }

        private void arrive(int by, boolean vanishes, SpendRequest spend, CompletableFuture<SpendResults> call) {
            if (now < frozenUntil) {
                later(frozenUntil, () -> arrive(by, vanishes, spend, call));
                return;
            }
            if (by != connection && vanishes) return;
            var answer = execute(spend);
            say("Redis ran " + spend.agentId() + ", copy " + spend.copy() + ": " + answer);
            long slow = random.nextInt(8) == 0 ? random.nextInt(200) : random.nextInt(5);
            repliesFrom = Math.max(repliesFrom, now + slow * MILLI);
            var reply = new SpendResults(redisMicros(), List.of(answer));
            later(repliesFrom, () -> {
                if (by != connection) return;
                underWay.remove(call);
                call.complete(reply);
            });
        }

        private long repliesFrom;

        /** The work of {@code spend.lua} on a request without a source. */
        private SpendResult execute(SpendRequest spend) {
            double seconds = TokenBucket.seconds(redisMicros());
            var stored = data.get(spend.agentId());
            var copy = spend.copy();
            var bucket = stored == null ? Bucket.full(limit, seconds) : stored;
            if (copy != null && (stored == null || copy.status() != CopyStatus.FOLLOWS)) {
                double moment = Math.max(
                        seconds,
                        Math.max(
                                bucket.lastRefillSeconds(),
                                copy.buckets().first().lastRefillSeconds()));
                var theirs = TokenBucket.refill(copy.buckets().first(), limit, moment);
                var ours = TokenBucket.refill(bucket, limit, moment);
                bucket = theirs.tokens() < ours.tokens() ? theirs : ours;
            }
            var outcome =
                    TokenBucket.spend(bucket, Fence.NONE, limit, -1, spend.charges(), redisMicros(), DecidedBy.REDIS);
            data.put(spend.agentId(), outcome.bucket());
            return new SpendResult.Decided(AgentBuckets.of(outcome.bucket()), outcome.decisions(), 0, false, false, 0);
        }

        @Override
        public boolean isClosed() {
            return closed;
        }

        @Override
        public void answered(long elapsedNanos) {
            failures = 0;
        }

        @Override
        public void failed(long elapsedNanos, Throwable cause) {
            if (closed && ++failures >= 3) leave();
        }

        @Override
        public void open() {
            if (closed) leave();
        }

        @Override
        public BucketClock clock() {
            return clock;
        }

        @Override
        public long outages() {
            return outages;
        }

        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        public Runnable after(long delayNanos, Runnable task) {
            var cancelled = new boolean[1];
            later(now + delayNanos, () -> {
                if (!cancelled[0]) task.run();
            });
            return () -> cancelled[0] = true;
        }

        @Override
        public boolean isCluster() {
            return false;
        }

        @Override
        public CompletableFuture<SpendResults> look(SpendRequest spend) {
            throw new UnsupportedOperationException();
        }

        @Override
        public CompletionStage<Void> reset(String agentId, BucketKind kind, Promises promises) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void close() {}
    }
}
