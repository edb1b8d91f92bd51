package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

@Execution(ExecutionMode.CONCURRENT)
class CalendarLimitsIT {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final Duration SLOW = Duration.ofSeconds(150);
    private static final int CAPACITY = 10;

    /** A zone in which no day ends while the test runs. */
    private static String zone() {
        return LocalTime.now(ZoneOffset.UTC).getHour() < 20 ? "UTC" : "Asia/Kathmandu";
    }

    private int asked;

    private long approved(Requests requests, Decisions decisions, int count) {
        for (int i = 0; i < count; i++) requests.send("agent", 1, asked++);
        await("decided").atMost(SOON).until(() -> decisions.poll().size() >= asked);
        return decisions.poll().stream().filter(Decisions.Seen::approved).count();
    }

    @Test
    void noFaultGivesADayTwice() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withPatience().with("REDIS_URL", redis.uri());
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            var set = cluster.command(
                    "policy", "set", "agent", "--capacity", "" + CAPACITY, "--period", "day", "--zone", zone());
            assertThat(set.output()).contains("10 each day in " + zone());
            try (var application = cluster.start()) {
                assertThat(approved(requests, decisions, 15)).isEqualTo(CAPACITY);
                assertRefusal(decisions);

                redis.ask("FLUSHALL");
                assertThat(approved(requests, decisions, 5))
                        .as("Redis was emptied")
                        .isEqualTo(CAPACITY);
                var shown = cluster.command(
                        "bucket", "show", "agent", "--url", application.http().toString());
                assertThat(shown.output()).contains("full          each day in " + zone());

                application.terminate();
                assertThat(application.awaitExit(SOON)).isPresent();
            }
            redis.ask("FLUSHALL");
            try (var application = cluster.start()) {
                assertThat(approved(requests, decisions, 5))
                        .as("both were restarted")
                        .isEqualTo(CAPACITY);

                redis.kill();
                assertThat(approved(requests, decisions, 5)).as("Redis is away").isEqualTo(CAPACITY);
                redis.restart();
                await("Redis decides").atMost(SOON).until(() -> {
                    approved(requests, decisions, 1);
                    return decidedBy(decisions).equals("redis");
                });
                assertThat(approved(requests, decisions, 5)).as("Redis is back").isEqualTo(CAPACITY);
                assertThat(application.isAlive()).isTrue();
            }
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    private static String decidedBy(Decisions decisions) {
        var all = decisions.poll();
        return all.get(all.size() - 1).header("quota-decided-by");
    }

    private static void assertRefusal(Decisions decisions) throws IOException {
        var refused = decisions.poll().stream()
                .filter(seen -> !seen.approved())
                .findFirst()
                .orElseThrow();
        JsonNode rejection = JSON.readTree(refused.record().value());
        var decidedAt = Instant.EPOCH.plus(refused.decidedAtMicros(), ChronoUnit.MICROS);
        var midnight = ZonedDateTime.ofInstant(decidedAt, ZoneId.of(zone()))
                .toLocalDate()
                .plusDays(1)
                .atStartOfDay(ZoneId.of(zone()));
        long wait = Duration.between(decidedAt, midnight).toMillis();
        assertThat(rejection.path("retry_after_ms").asLong()).isBetween(wait, wait + 2);
        assertThat(rejection.path("period").asText()).isEqualTo("day");
        assertThat(rejection.path("zone").asText()).isEqualTo(zone());
        assertThat(rejection.path("refill_rate").asDouble(-1)).isZero();
    }

    /**
     * Redis is away when a minute ends, and comes back empty within the next; the task moves over the end of another.
     */
    @Tag("faults")
    @Test
    void eachMinuteIsGivenOnce() throws Exception {
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().withLimit(1000, 0).with("REDIS_URL", redis.uri());
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            cluster.command(
                    "policy", "set", "*", "--limit", "burst:100:50", "--limit", "minute:" + CAPACITY + ":minute");
            var application = cluster.start();
            var more = new AtomicBoolean(true);
            var traffic = requests.keepSending(4, 1, 100, more::get);
            awaitRefusalAfter(decisions, 0, "redis");

            redis.kill();
            awaitRefusalAfter(decisions, minute() + 1, "local");
            redis.restart();
            awaitDecisionBy(decisions, "redis");
            awaitRefusalAfter(decisions, minute() + 1, "redis");
            try (var other = cluster.start(cluster.ownState("other"))) {
                application.terminate();
                awaitRefusalAfter(decisions, minute() + 1, "redis");
                more.set(false);
                traffic.get(60, TimeUnit.SECONDS);
                decisions.await(requests.published().size(), other);
            }
            application.close();

            var approvals = new TreeMap<Long, Integer>();
            for (var seen : decisions.poll()) {
                if (seen.approved() && seen.agent().equals("agent-0")) {
                    approvals.merge(seen.decidedAtMicros() / 60_000_000, 1, Integer::sum);
                }
            }
            assertThat(approvals.values()).as("approved in each minute").allMatch(count -> count <= CAPACITY);
            assertThat(approvals.values().stream().filter(count -> count == CAPACITY))
                    .as("minutes that were given whole, of " + approvals)
                    .hasSizeGreaterThanOrEqualTo(3);
            Verdict.of(cluster, Duration.ofSeconds(30)).clean();
        }
    }

    private static long minute() {
        return System.currentTimeMillis() / 60_000;
    }

    private static void awaitRefusalAfter(Decisions decisions, long minute, String by) {
        await("a refusal by " + by)
                .atMost(SLOW)
                .until(() -> decisions.poll().stream()
                        .anyMatch(seen -> !seen.approved()
                                && seen.decidedAtMicros() / 60_000_000 >= minute
                                && seen.header("quota-decided-by").equals(by)));
    }

    private static void awaitDecisionBy(Decisions decisions, String by) {
        int before = decisions.poll().size();
        await("a decision by " + by)
                .atMost(SOON)
                .until(() -> decisions.poll().stream()
                        .skip(before)
                        .anyMatch(seen -> seen.header("quota-decided-by").equals(by)));
    }
}
