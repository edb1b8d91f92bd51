package io.tollgate.benchmarks.run;

import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.RedisServer.RedisOptions;
import io.tollgate.sandbox.process.ServerHome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * The instructions of a Redis that runs within valgrind: hardly moved by what else the machine does, and fifty times as
 * slow.
 */
final class InstructionCount implements AutoCloseable {
    private static final String TOTALS = "totals: ";

    private final Path dir;
    private final RedisServer redis;
    private int readings;

    private InstructionCount(Path dir, RedisServer redis) {
        this.dir = dir;
        this.redis = redis;
    }

    /** Returns whether valgrind is there. */
    static boolean isPossible() throws InterruptedException {
        try {
            run("valgrind", "--version");
            return true;
        } catch (IOException absent) {
            return false;
        }
    }

    /** Starts an empty Redis of this program within valgrind. */
    static InstructionCount startRedis(String program) throws IOException {
        var dir = Files.createTempDirectory("tollgate-instructions-");
        var launcher = dir.resolve("launch");
        Files.writeString(launcher, """
                #!/bin/sh
                exec valgrind -q --tool=callgrind --callgrind-out-file='%s/count' '%s' "$@"
                """.formatted(dir, program));
        if (!launcher.toFile().setExecutable(true)) throw new IOException("cannot make " + launcher + " executable");
        var before = System.setProperty("tollgate.redis-server", launcher.toString());
        try {
            // Its cron would count as well.
            return new InstructionCount(
                    dir, RedisServer.start(RedisOptions.defaults().withConfig("hz 1")));
        } finally {
            if (before == null) System.clearProperty("tollgate.redis-server");
            else System.setProperty("tollgate.redis-server", before);
        }
    }

    RedisServer redis() {
        return redis;
    }

    /** Returns the instructions of the whole process for each of so many runs. */
    double each(Runnable asking, int runs) throws IOException, InterruptedException {
        for (int i = 0; i < 3; i++) asking.run();
        run("vgdb", "--pid=" + redis.pid(), "zero");
        for (int i = 0; i < runs; i++) asking.run();
        run("vgdb", "--pid=" + redis.pid(), "dump");
        try (var lines = Files.lines(dir.resolve("count." + ++readings))) {
            long total = lines.filter(line -> line.startsWith(TOTALS))
                    .mapToLong(line -> Long.parseLong(line.substring(TOTALS.length())))
                    .sum();
            return (double) total / runs;
        }
    }

    private static void run(String... command) throws IOException, InterruptedException {
        var process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IllegalStateException(String.join(" ", command) + " failed");
        }
    }

    @Override
    public void close() {
        redis.close();
        ServerHome.deleteTree(dir);
    }
}
