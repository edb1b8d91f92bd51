package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Results;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * One contestant's turn on a preloaded topic: waits until its rate is steady, then counts what is committed while it
 * still has work.
 */
final class Run {
    private static final long POLL_NANOS = 100_000_000;

    /** The share of the requests that the warm-up may take: the rest is for what is measured. */
    private static final double MOST_TO_WARM_UP = 0.6;

    private Run() {}

    /**
     * The times of a turn.
     *
     * @param warmUp the longest warm-up; it ends as soon as the rate is steady
     * @param measured the time that is measured
     */
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
        var given = new HashMap<>(environment);
        if (contestant == Contestant.VERDICTS_GIVEN) {
            given.put(PeerApp.VERDICTS, testBed.verdictsOf(workload).toString());
        }
        try (var running = testBed.start(contestant, topic, given)) {
            var pids = new LinkedHashMap<String, Long>();
            pids.put("application", running.process().pid());
            pids.put("broker", testBed.broker().pid());
            pids.put("redis", testBed.redis().pid());
            running.awaitCommitted(1, Duration.ofSeconds(60));
            var rate = SteadyRate.await(running, timing.warmUp(), (long) (all * MOST_TO_WARM_UP));
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
            row.put("approved_share", running.approvedShare());
            row.put("warm_up_seconds", rate.seconds());
            row.put("steady", rate.isSteady() ? 1 : 0);
            row.put("seconds", end.secondsSince(start));
            row.put("records", decided);
            row.put("records_per_second", decided / end.secondsSince(start));
            for (String process : pids.keySet()) {
                row.put(process + "_cpu_us", end.cpuMicrosPerRecord(start, process));
            }
            row.put("redis_deciding_us", redisMicros / decided);
            if (contestant == Contestant.TOLLGATE_REDIS) testBed.keepVerdicts(workload, running);
            return row;
        }
    }
}
