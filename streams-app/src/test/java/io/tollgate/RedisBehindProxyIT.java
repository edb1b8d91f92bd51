package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.RespProxy;
import io.tollgate.sandbox.process.Security;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** A proxy before Redis answers in its place, or leads elsewhere. */
@Execution(ExecutionMode.CONCURRENT)
class RedisBehindProxyIT {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final String UNKNOWN_COMMAND =
            "-ERR unknown command 'EVALSHA', with args beginning with: '5ee0' '1' 'quota::tokens'";

    /** A false answer, and the words of the log about it. */
    private static Map<String, String> answers() {
        var answers = new LinkedHashMap<String, String>();
        var place = " script: 5ee0, on @user_script:41.";
        answers.put(
                "-ERR unknown command 'EVALSHA', with args beginning with: '5ee0' '1' 'quota::tokens'",
                "unknown command");
        answers.put("-NOAUTH Authentication required.", "NOAUTH");
        answers.put("-NOPERM User app has no permissions to run the 'evalsha' command", "NOPERM");
        answers.put("-READONLY You can't write against a read only replica." + place, "READONLY");
        answers.put("-OOM command not allowed when used memory > 'maxmemory'." + place, "OOM");
        answers.put("-LOADING Redis is loading the dataset in memory", "LOADING");
        answers.put("-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY");
        answers.put("-CLUSTERDOWN Hash slot not served", "CLUSTERDOWN");
        answers.put("-MOVED 3999 127.0.0.1:6381", "MOVED");
        answers.put("-ASK 3999 127.0.0.1:6381", "ASK");
        answers.put("-TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN");
        answers.put("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN");
        answers.put(
                "-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.", "MISCONF");
        answers.put("-ERR proxy: no backend is available", "no backend");
        answers.put("HTTP/1.1 400 Bad Request", "Invalid first byte: 72 (H)");
        answers.put("$-1", "does not give the answer of the script");
        answers.put("$3\r\nabc", "does not give the answer of the script");
        answers.put(":1", "does not give the answer of the script");
        answers.put("+OK", "does not give the answer of the script");
        answers.put("*2\r\n:1\r\n:2", "does not give the answer of the script");
        return answers;
    }

    @Tag("faults")
    @Test
    void foreignAnswersAreNamedOnceAndHeal() {
        namedOnceAndHeals(answers());
    }

    @Test
    void someForeignAnswersAreNamedOnce() {
        var some = answers();
        some.keySet()
                .retainAll(Set.of(UNKNOWN_COMMAND, "-MOVED 3999 127.0.0.1:6381", "HTTP/1.1 400 Bad Request", "$-1"));
        namedOnceAndHeals(some);
    }

    private static void namedOnceAndHeals(Map<String, String> answers) {
        try (var redis = RedisServer.start();
                var proxy = RespProxy.to(redis.port());
                var cluster = TestCluster.onSharedBroker().with("REDIS_URL", "redis://127.0.0.1:" + proxy.port());
                var scenario = FaultScenario.start("12 answers of a proxy", cluster)) {
            answers.forEach((answer, named) -> {
                long fault = Arrivals.nowMicros();
                var before = warnings(scenario.application());
                int answered = proxy.answered();
                proxy.answer(answer + "\r\n");
                scenario.awaitLocal(fault);
                await("probes that fail as well").atMost(SOON).until(() -> proxy.answered() > answered + 7);
                assertThat(scenario.redisInUse()).as(answer).isFalse();
                proxy.answer("");
                scenario.assertBack(Arrivals.nowMicros());
                await("in use").atMost(SOON).until(scenario::redisInUse);

                var warnings = warnings(scenario.application())
                        .subList(before.size(), warnings(scenario.application()).size());
                assertThat(warnings)
                        .filteredOn(line -> line.contains(named))
                        .as(answer)
                        .hasSize(1);
            });
            scenario.assertClean();
        }
    }

    @Test
    void movedNameIsFoundWithinSeconds(@TempDir Path dir) throws IOException {
        var hosts = Files.writeString(dir.resolve("hosts"), "127.0.0.1 redis.test localhost\n");
        try (var old = RedisServer.start();
                var promoted =
                        RedisServer.start(RedisServer.RedisOptions.defaults().withReplicaOf(old.port()));
                var here = RespProxy.at("127.0.0.1", 0, old.port());
                var there = RespProxy.at("127.0.0.2", here.port(), promoted.port());
                var cluster = TestCluster.onSharedBroker()
                        .withPatience() // a busy machine must not open the breaker before READONLY does
                        .withHostsFile(hosts)
                        .with("REDIS_URL", "redis://redis.test:" + here.port());
                var scenario = FaultScenario.start("12 the name leads to another address", cluster)) {
            assertThat(there.port()).isEqualTo(here.port());
            long fault = Arrivals.nowMicros();
            promoted.text("REPLICAOF NO ONE");
            old.text("REPLICAOF 127.0.0.1 " + promoted.port());
            Files.writeString(hosts, "127.0.0.2 redis.test\n127.0.0.1 localhost\n");
            scenario.awaitLocal(fault);
            await("the breaker opens").atMost(SOON).until(() -> !scenario.redisInUse());

            var back = scenario.awaitRedis(Arrivals.nowMicros());
            scenario.measured("back", back);
            assertThat(back).isLessThan(Duration.ofSeconds(8));
            assertThat(warnings(scenario.application()))
                    .filteredOn(line -> line.contains("READONLY"))
                    .hasSize(1);
            scenario.assertClean();
        }
    }

    @Tag("faults")
    @Test
    void nameGoneForAWhileIsFoundAgain(@TempDir Path dir) throws IOException {
        var hosts = Files.writeString(dir.resolve("hosts"), "127.0.0.1 redis.test localhost\n");
        try (var redis = RedisServer.start();
                var cluster = TestCluster.onSharedBroker()
                        .withHostsFile(hosts)
                        .with("REDIS_URL", "redis://redis.test:" + redis.port());
                var scenario = FaultScenario.start("12 the name is gone for a while", cluster)) {
            long fault = Arrivals.nowMicros();
            Files.writeString(hosts, "127.0.0.1 localhost\n");
            redis.kill();
            scenario.awaitLocal(fault);
            await("a line that says so")
                    .atMost(SOON)
                    .until(() ->
                            warnings(scenario.application()).stream().anyMatch(line -> line.contains("redis.test")));
            redis.restart();
            Files.writeString(hosts, "127.0.0.1 redis.test localhost\n");

            var back = scenario.awaitRedis(Arrivals.nowMicros());
            scenario.measured("back", back);
            assertThat(back).isLessThan(Duration.ofSeconds(5));
            scenario.assertClean();
        }
    }

    @Test
    void tlsMismatchIsNamedOnce(@TempDir Path dir) {
        var secured = RedisServer.RedisOptions.defaults().withSecurity(Security.create(dir));
        try (var plain = RedisServer.start();
                var secure = RedisServer.start(secured)) {
            for (var url : List.of("rediss://127.0.0.1:" + plain.port(), "redis://127.0.0.1:" + secure.port())) {
                try (var cluster = TestCluster.onSharedBroker().with("REDIS_URL", url);
                        var application = cluster.start()) {
                    await("more than one probe")
                            .pollDelay(Duration.ofSeconds(2))
                            .atMost(SOON)
                            .until(application::isReady);
                    assertThat(warnings(application)).as(url).hasSize(1);
                }
            }
        }
    }

    private static List<String> warnings(ApplicationProcess application) {
        return application
                .output()
                .lines()
                .filter(line -> line.contains("cannot be used"))
                .toList();
    }
}
