package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.redis.LuaRedis;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks for a history that breaks a promise: as many as fit into {@code simulation.seconds}, at most {@code simulation.histories}, from
 * {@code simulation.seed} on.
 */
@Execution(ExecutionMode.CONCURRENT) // its minute passes while all other unit tests run, one after the other
class CoreSimulationTest {
    private static final Logger log = LoggerFactory.getLogger(CoreSimulationTest.class);
    private static final long FIRST_SEED = Long.getLong("simulation.seed", 1);
    private static final long SECONDS = Long.getLong("simulation.seconds", 60);
    private static final long HISTORIES = Long.getLong("simulation.histories", Long.MAX_VALUE);
    private static final int THREADS = Integer.getInteger("simulation.threads", 1);

    private final AtomicLong next = new AtomicLong(FIRST_SEED);
    private final AtomicReference<String> failure = new AtomicReference<>();

    @Test
    void keepsEveryPromise() throws Exception {
        long start = System.nanoTime();

        try (var threads = new Closing()) {
            var all = IntStream.range(0, THREADS)
                    .mapToObj(i -> threads.pool.submit(() -> look(start)))
                    .toList();
            for (Future<?> one : all) one.get();
        }

        long count = next.get() - FIRST_SEED;
        double took = (System.nanoTime() - start) / 1e9;
        log.info("{} histories in {} s, {} a second", count, Math.round(took), Math.round(count / took));
        assertThat(count).isPositive();
        assertThat(failure).hasValue(null);
    }

    /** An executor that a try statement ends, which JDK 17's does not. */
    private static final class Closing implements AutoCloseable {
        final java.util.concurrent.ExecutorService pool = Executors.newFixedThreadPool(THREADS);

        @Override
        public void close() {
            pool.shutdownNow();
        }
    }

    private void look(long startNanos) {
        var lua = new LuaRedis();
        while (failure.get() == null && System.nanoTime() - startNanos < SECONDS * 1_000_000_000L) {
            long seed = next.getAndIncrement();
            if (seed - FIRST_SEED >= HISTORIES) return;
            var history = History.of(seed);
            var violation = Simulation.run(history, lua);
            if (violation.isEmpty()) continue;
            long seconds = (System.nanoTime() - startNanos) / 1_000_000_000;
            failure.compareAndSet(
                    null, shortest(seed, history, violation.get(), lua) + "\nseen after " + seconds + " s");
        }
    }

    private static String shortest(long seed, History history, Simulation.Violation violation, LuaRedis lua) {
        var shortest = Shrinker.shrink(history, shorter -> breaks(violation.promise(), shorter, lua));
        var what = Simulation.run(shortest, lua).map(Simulation.Violation::what);
        return "seed " + seed + " breaks: " + violation.promise() + ": " + what.orElse("") + "\n" + shortest;
    }

    private static boolean breaks(String promise, History history, LuaRedis lua) {
        Optional<Simulation.Violation> again = Simulation.run(history, lua);
        return again.isPresent() && again.get().promise().equals(promise);
    }
}
