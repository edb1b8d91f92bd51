package io.tollgate.benchmarks.run;

import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/** The CPU time of processes and Redis since some moment. */
record CpuUsage(long nanos, Map<String, Duration> cpu, long committed) {
    /** Returns the present reading; CPU time has a resolution of ten milliseconds. */
    static CpuUsage read(Map<String, Long> pids, long committed) {
        var cpu = new HashMap<String, Duration>();
        pids.forEach((name, pid) -> cpu.put(
                name,
                ProcessHandle.of(pid)
                        .flatMap(process -> process.info().totalCpuDuration())
                        .orElse(Duration.ZERO)));
        return new CpuUsage(System.nanoTime(), cpu, committed);
    }

    double secondsSince(CpuUsage start) {
        return (nanos - start.nanos) / 1e9;
    }

    /** Returns the seconds of CPU of a process since its start. */
    double cpuSeconds(String process) {
        return cpu.getOrDefault(process, Duration.ZERO).toMillis() / 1e3;
    }

    /** Returns microseconds of CPU for each record since then. */
    double cpuMicrosPerRecord(CpuUsage start, String process) {
        var before = start.cpu.getOrDefault(process, Duration.ZERO);
        var used = cpu.getOrDefault(process, Duration.ZERO).minus(before);
        return used.toNanos() / 1e3 / Math.max(1, committed - start.committed);
    }

    /**
     * Returns the microseconds that Redis has spent in calls that decide, since {@code CONFIG RESETSTAT}. A script's
     * time contains that of the commands it calls, which are counted once more under their own names: left out, but for
     * the reads that clients send beside their scripts.
     */
    static double decidingMicros(RedisCommands<String, String> redis) {
        double scripts = 0;
        double scriptCalls = 0;
        double getMicrosEach = 0;
        double getCalls = 0;
        for (String line : redis.info("commandstats").lines().toList()) {
            if (line.startsWith("cmdstat_eval")) {
                scripts += number(line, "usec=");
                scriptCalls += number(line, "calls=");
            } else if (line.startsWith("cmdstat_get:")) {
                getMicrosEach = number(line, "usec_per_call=");
                getCalls = number(line, "calls=");
            }
        }
        return scripts + Math.max(0, getCalls - scriptCalls) * getMicrosEach;
    }

    private static double number(String line, String field) {
        int from = line.indexOf(field) + field.length();
        int to = line.indexOf(',', from);
        return Double.parseDouble(line.substring(from, to < 0 ? line.length() : to));
    }
}
