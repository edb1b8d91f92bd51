package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Results;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * One contestant's turn on a preloaded topic: skips the warm-up, then counts what is committed while it still has work.
 */
final class Run {
    private static final long POLL_NANOS = 100_000_000;

    private Run() {}

    /** How long to let it warm up, and to measure. */
    record Timing(Duration warmUp, Duration measured) {}

    /**
     * Returns a row of results.
     *
     * @param profile where to leave a JFR recording; empty: none
     */
    static ObjectNode run(
            TestBed testBed,
            Contestant contestant,
            Workload workload,
            Timing timing,
            Map<String, String> environment,
            Optional<Path> profile) {
        var topic = "requests-" + workload.text();
        long all = testBed.preloaded(workload);
        try (var running = testBed.start(contestant, topic, environment)) {
            var pids = new LinkedHashMap<String, Long>();
            pids.put("application", running.process().pid());
            pids.put("broker", testBed.broker().pid());
            pids.put("redis", testBed.redis().pid());
            running.awaitCommitted(1, Duration.ofSeconds(60));
            long warmUntil = System.nanoTime() + timing.warmUp().toNanos();
            while (System.nanoTime() < warmUntil && running.committed() < all / 2) LockSupport.parkNanos(POLL_NANOS);
            testBed.redisCommands().configResetstat();
            var start = CpuUsage.read(pids, running.committed());
            var end = start;
            double redisMicros = 0;
            long until = System.nanoTime() + timing.measured().toNanos();
            while (System.nanoTime() < until) {
                LockSupport.parkNanos(POLL_NANOS);
                long committed = running.committed();
                if (committed > all * 0.98) break; // counts up to the last sample that certainly had work to the end
                end = CpuUsage.read(pids, committed);
                redisMicros = CpuUsage.decidingMicros(testBed.redisCommands());
            }
            profile.ifPresent(running::dump);
            long decided = end.committed() - start.committed();
            if (decided <= 0)
                throw new IllegalStateException(contestant.text() + " decided nothing\n"
                        + running.process().output());
            if (running.written() < end.committed()) {
                throw new IllegalStateException(contestant.text() + " committed requests without writing decisions");
            }
            var row = Results.row();
            row.put("contestant", contestant.text());
            row.put("workload", workload.text());
            row.put("seconds", end.secondsSince(start));
            row.put("records", decided);
            row.put("records_per_second", decided / end.secondsSince(start));
            for (String process : pids.keySet()) {
                row.put(process + "_cpu_us", end.cpuMicrosPerRecord(start, process));
            }
            row.put("redis_deciding_us", redisMicros / decided);
            return row;
        }
    }
}
