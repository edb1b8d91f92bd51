package io.tollgate.sandbox.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.Sandbox;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OrphansIT {
    /** The JVM that is killed. */
    static final class Parent {
        public static void main(String[] args) throws Exception {
            KafkaBroker kafka =
                    KafkaBroker.start(KafkaBroker.BrokerOptions.defaults().withDir(Path.of(args[0])));
            RedisServer redis =
                    RedisServer.start(RedisServer.RedisOptions.defaults().withDir(Path.of(args[0])));
            redis.freeze(); // even a frozen one must go
            System.out.println("STARTED " + kafka.pid() + " " + redis.pid());
            Thread.currentThread().join();
        }
    }

    @Test
    void killedParentLeavesNoServer(@TempDir Path dir) throws Exception {
        Process parent = start(Parent.class.getName(), dir.toString());
        try {
            String[] started = lineOf(parent, "STARTED").split(" ");
            long kafka = Long.parseLong(started[1]);
            long redis = Long.parseLong(started[2]);
            assertThat(runs(kafka)).isTrue();
            assertThat(runs(redis)).isTrue();

            parent.destroyForcibly().waitFor();

            await().atMost(Duration.ofSeconds(10)).until(() -> !runs(kafka) && !runs(redis));
        } finally {
            parent.destroyForcibly();
        }
    }

    @Test
    void sigtermLeavesNothing() throws Exception {
        Process sandbox = start(Sandbox.class.getName(), "--no-app");
        try {
            var output = new BufferedReader(new InputStreamReader(sandbox.getInputStream(), StandardCharsets.UTF_8));
            String source = lineOf(output, ". ");
            String ready = lineOf(output, "READY");
            assertThat(source).matches("\\. /\\S+/env");
            assertThat(Files.readAllLines(Path.of(source.substring(2))))
                    .contains("export KAFKA_BOOTSTRAP_SERVERS='" + ready.replaceAll(".*kafka=(\\S+) .*", "$1") + "'")
                    .contains("export REDIS_URL='" + ready.replaceAll(".*redis=", "") + "'")
                    .noneMatch(line -> line.contains("TOLLGATE_HTTP_PORT="));
            assertThat(ready).matches("READY kafka=127\\.0\\.0\\.1:\\d+ redis=redis://127\\.0\\.0\\.1:\\d+");
            int kafkaPort = Integer.parseInt(ready.replaceAll(".*kafka=127\\.0\\.0\\.1:(\\d+) .*", "$1"));
            int redisPort = Integer.parseInt(ready.replaceAll(".*:", ""));
            assertThat(FreePorts.isFree(kafkaPort)).isFalse();

            sandbox.toHandle().destroy();

            assertThat(sandbox.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(sandbox.exitValue()).isEqualTo(143);
            assertThat(FreePorts.isFree(kafkaPort)).isTrue();
            assertThat(FreePorts.isFree(redisPort)).isTrue();
        } finally {
            sandbox.destroyForcibly();
        }
    }

    @Test
    void usedFolderIsRefused(@TempDir Path dir) throws Exception {
        try (FileChannel lock =
                FileChannel.open(dir.resolve("sandbox.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            lock.lock();

            Process sandbox = start(Sandbox.class.getName(), "--no-app", "--dir", dir.toString());

            assertThat(lineOf(sandbox, "sandbox:")).contains("another sandbox runs on " + dir);
            assertThat(sandbox.waitFor()).isEqualTo(1);
        }
    }

    @Test
    void wrongUsageExitsWith2() throws Exception {
        Process sandbox = start(Sandbox.class.getName(), "--records", "-5");

        assertThat(lineOf(sandbox, "sandbox:")).contains("--records must be at least 1, but is -5");
        assertThat(sandbox.waitFor()).isEqualTo(2);
    }

    private static Process start(String... mainAndArguments) throws IOException {
        var command = ChildProcess.java(
                List.of("-Xmx256m", "-cp", System.getProperty("java.class.path")), List.of(mainAndArguments));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private static String lineOf(Process process, String beginning) throws IOException {
        return lineOf(
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)), beginning);
    }

    private static String lineOf(BufferedReader reader, String beginning) throws IOException {
        var all = new StringBuilder();
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            if (line.startsWith(beginning)) return line;
            all.append(line).append('\n');
        }
        throw new AssertionError("ended without " + beginning + ":\n" + all);
    }

    /** A dead process whose new parent has not looked at it yet (a zombie) does not run. */
    private static boolean runs(long pid) {
        Path stat = Path.of("/proc", Long.toString(pid), "stat");
        if (Files.isDirectory(Path.of("/proc/self"))) {
            try {
                String text = Files.readString(stat);
                return text.charAt(text.lastIndexOf(')') + 2) != 'Z';
            } catch (IOException gone) {
                return false;
            }
        }
        Optional<ProcessHandle> handle = ProcessHandle.of(pid);
        return handle.isPresent() && handle.get().isAlive();
    }
}
