package io.tollgate.quota;

import io.tollgate.memoryredis.MemoryRedis;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;

/** Runs histories from a seed on, and prints for each promise that is broken the shortest history. */
public final class SimulationMain {
    private SimulationMain() {}

    /** @param args first seed, seconds, how many failures to print for each promise; and
     *     which {@link MemoryRedis.Engine}; or a file with a history to tell */
    public static void main(String[] args) throws IOException {
        if (args.length == 1 && args[0].endsWith(".txt")) {
            var history = History.parse(Files.readString(Path.of(args[0])));
            var both = new MemoryRedis(MemoryRedis.Engine.BOTH);
            System.out.println(Simulation.tell(history, both));
            System.out.println(Simulation.run(history, both));
            return;
        }
        long seed = args.length > 0 ? Long.parseLong(args[0]) : 1;
        long seconds = args.length > 1 ? Long.parseLong(args[1]) : 10;
        int most = args.length > 2 ? Integer.parseInt(args[2]) : 1;
        var memory = new MemoryRedis(MemoryRedis.Engine.valueOf(args.length > 3 ? args[3] : "TWIN"));
        var found = new TreeMap<String, Integer>();
        long start = System.nanoTime();
        long count = 0;
        long withHolds = 0;
        for (;
                System.nanoTime() - start < seconds * 1_000_000_000L;
                seed += Long.getLong("simulation.step", 1), count++) {
            var history = History.of(seed);
            if (history.setup().holds().isPresent()) withHolds++;
            var violation = Simulation.run(history, memory);
            if (violation.isEmpty()) continue;
            var promise = violation.get().promise();
            if (found.merge(promise, 1, Integer::sum) > most) continue;
            var shortest = Shrinker.shrink(
                    history,
                    shorter -> Simulation.run(shorter, memory)
                            .filter(again -> again.promise().equals(promise))
                            .isPresent());
            System.out.println("seed " + seed + " breaks: " + promise + ": "
                    + Simulation.run(shortest, memory).orElseThrow().what());
            System.out.println(shortest);
            System.out.println();
        }
        double took = (System.nanoTime() - start) / 1e9;
        double cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() / 1e9;
        System.out.printf(
                "%d histories, %d of them with holds, before seed %d, %.0f a second, %.0f a second of CPU; broken: %s%n",
                count, withHolds, seed, count / took, count / cpu, found);
    }
}
