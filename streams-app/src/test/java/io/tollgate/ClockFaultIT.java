package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The clock of the pipeline's host jumps by an hour, forward and back. */
@Tag("faults")
class ClockFaultIT {
    private static final Duration LONGER_THAN_SESSION = Duration.ofSeconds(15);
    private static final Duration REPLACED = Duration.ofSeconds(4);

    @Test
    void jumpingClockMintsNothing(@TempDir Path dir) throws Exception {
        var library = libfaketime();
        assumeTrue(library.isPresent(), "needs libfaketime (Debian's package of that name)");
        var offset = Files.writeString(dir.resolve("offset"), "+0");
        var faked = new HashMap<String, String>();
        faked.put("LD_PRELOAD", library.orElseThrow().toString());
        faked.put("FAKETIME_TIMESTAMP_FILE", offset.toString());
        faked.put("FAKETIME_CACHE_DURATION", "1"); // without a cache JVMs hang
        faked.put("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        faked.put(
                "FAKETIME_FORCE_MONOTONIC_FIX",
                "0"); // a fix for old C libraries, which makes waits of other ones end at once
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker().with("REDIS_URL", redis.uri());
                var scenario = FaultScenario.start("15 clock jumps by an hour", cluster, 250, 1, Map.copyOf(faked))) {
            long begin = Arrivals.nowMicros();
            jump(scenario, offset, 3600);
            jump(scenario, offset, 0);
            jump(scenario, offset, -3600);
            jump(scenario, offset, 3600);
            jump(scenario, offset, 0);
            scenario.measured("gap", scenario.arrivals().longestGap(begin, Arrivals.nowMicros()));
            var silence = scenario.arrivals().longestSilenceOfAPartition(begin);
            scenario.measured("silence", silence);
            assertThat(silence).as("no decisions on one partition").isLessThan(REPLACED.plus(FaultScenario.LOADED));
            assertThat(scenario.application().output())
                    .as("the group has not thrown it out")
                    .doesNotContain("is being fenced");

            long away = Arrivals.nowMicros();
            redis.kill();
            scenario.awaitLocal(away);
            jump(scenario, offset, 3600);
            jump(scenario, offset, -3600);
            assertThat(scenario.redisInUse()).isFalse();
            redis.restart();
            scenario.assertBack(Arrivals.nowMicros());
            jump(scenario, offset, 0);
            scenario.measured("gap without Redis", scenario.arrivals().longestGap(away, Arrivals.nowMicros()));
            scenario.assertClean();
        }
    }

    private static void jump(FaultScenario scenario, Path offset, int seconds) throws IOException {
        var before = Files.writeString(offset.resolveSibling("next"), String.format("%+d", seconds));
        Files.move(before, offset, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        await("the jump of " + seconds + " s")
                .atMost(Duration.ofSeconds(20))
                .untilAsserted(() -> assertThat(Duration.between(Instant.now(), clock(scenario.application()))
                                .toSeconds())
                        .isBetween(seconds - 10L, seconds + 10L));
        long jumped = System.nanoTime();
        await("what is not heard of for a session timeout is thrown out")
                .atMost(LONGER_THAN_SESSION.plusSeconds(10))
                .until(() -> System.nanoTime() - jumped > LONGER_THAN_SESSION.toNanos());
        scenario.flow(750);
    }

    /** Returns the time that the application's process sees. */
    private static Instant clock(ApplicationProcess application) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(application.http().resolve("/health/live"))
                .build();
        var date = HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.discarding())
                .headers()
                .firstValue("Date")
                .orElseThrow();
        return ZonedDateTime.parse(date, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
    }

    private static Optional<Path> libfaketime() {
        return Stream.of("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
                .map(libraries -> Path.of(libraries, "faketime", "libfaketimeMT.so.1"))
                .filter(Files::exists)
                .findFirst();
    }
}
