package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.OperatingSystemMXBean;
import io.tollgate.memoryredis.MemoryRedis;
import io.tollgate.memoryredis.MemoryRedis.Engine;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * Looks for a history that breaks a promise: as many as fit into {@code simulation.seconds}, at most {@code simulation.histories}, from
 * {@code simulation.seed} on.
 */
@Execution(ExecutionMode.CONCURRENT) // its minute passes while all other unit tests run, one after the other
class CoreSimulationTest {
    private static final long FIRST_SEED = Long.getLong("simulation.seed", 1);
    private static final long SECONDS = Long.getLong("simulation.seconds", 60);
    private static final long HISTORIES = Long.getLong("simulation.histories", Long.MAX_VALUE);
    private static final int THREADS = Integer.getInteger("simulation.threads", 1);
    /** Between two lines that tell how far it is; 0: none. */
    private static final long PROGRESS_SECONDS = Long.getLong("simulation.progress", 0);
    /** The script runs beside its twin in one of so many histories; 0: the script runs alone, and the twin never. */
    private static final long TWIN_COMPARED = Long.getLong("simulation.twin", 20);

    private final AtomicLong next = new AtomicLong(FIRST_SEED);
    private final AtomicLong done = new AtomicLong();
    private final AtomicLong withHolds = new AtomicLong();
    private final AtomicLong toldNanos = new AtomicLong();
    private final AtomicReference<String> failure = new AtomicReference<>();
    private final long startNanos = System.nanoTime();

    @Test
    void keepsEveryPromise() throws Exception {
        toldNanos.set(startNanos);

        try (var threads = new Closing()) {
            var all = IntStream.range(0, THREADS)
                    .mapToObj(i -> threads.pool.submit(this::look))
                    .toList();
            for (Future<?> one : all) one.get();
        }

        if (PROGRESS_SECONDS > 0) System.out.println(progress());
        assertThat(done.get()).isPositive();
        assertThat(failure).hasValue(null);
    }

    private String progress() {
        double took = (System.nanoTime() - startNanos) / 1e9;
        return "SIMULATION %d histories, %d of them with holds, in %.0f s on %d threads, %.0f a second, %.0f for each second of CPU, from seed %d on"
                .formatted(
                        done.get(),
                        withHolds.get(),
                        took,
                        THREADS,
                        done.get() / took,
                        done.get() / cpuSeconds(),
                        FIRST_SEED);
    }

    /** Returns what this process has used of processors, its start and its compilers included. */
    private static double cpuSeconds() {
        var system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        return system.getProcessCpuTime() / 1e9;
    }

    /** An executor that a try statement ends, which JDK 17's does not. */
    private static final class Closing implements AutoCloseable {
        final java.util.concurrent.ExecutorService pool = Executors.newFixedThreadPool(THREADS);

        @Override
        public void close() {
            pool.shutdownNow();
        }
    }

    private void look() {
        var redis = new MemoryRedis(Engine.TWIN);
        while (failure.get() == null && System.nanoTime() - startNanos < SECONDS * 1_000_000_000L) {
            long seed = next.getAndIncrement();
            if (seed - FIRST_SEED >= HISTORIES) return;
            redis.use(TWIN_COMPARED == 0 ? Engine.SCRIPT : seed % TWIN_COMPARED == 0 ? Engine.BOTH : Engine.TWIN);
            var history = History.of(seed);
            var violation = Simulation.run(history, redis);
            done.incrementAndGet();
            if (history.setup().holds().isPresent()) withHolds.incrementAndGet();
            tellProgress();
            if (violation.isEmpty()) continue;
            long seconds = (System.nanoTime() - startNanos) / 1_000_000_000;
            redis.use(TWIN_COMPARED == 0 ? Engine.SCRIPT : Engine.BOTH);
            failure.compareAndSet(
                    null, shortest(seed, history, violation.get(), redis) + "\nseen after " + seconds + " s");
        }
    }

    private void tellProgress() {
        long last = toldNanos.get();
        long now = System.nanoTime();
        if (PROGRESS_SECONDS == 0 || now - last < PROGRESS_SECONDS * 1_000_000_000L) return;
        if (toldNanos.compareAndSet(last, now)) System.out.println(progress());
    }

    private static String shortest(long seed, History history, Simulation.Violation violation, MemoryRedis redis) {
        // With the script beside it: where that differs, this is what is told.
        var seen = Simulation.run(history, redis).orElse(violation);
        var shortest = Shrinker.shrink(history, shorter -> breaks(seen.promise(), shorter, redis));
        var what = Simulation.run(shortest, redis).map(Simulation.Violation::what);
        return "seed " + seed + " breaks: " + seen.promise() + ": " + what.orElse(seen.what()) + "\n" + shortest;
    }

    private static boolean breaks(String promise, History history, MemoryRedis redis) {
        Optional<Simulation.Violation> again = Simulation.run(history, redis);
        return again.isPresent() && again.get().promise().equals(promise);
    }
}
