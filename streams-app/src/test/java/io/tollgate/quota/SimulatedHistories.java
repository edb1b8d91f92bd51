package io.tollgate.quota;

import io.tollgate.memoryredis.MemoryRedis;

/** Runs histories for tests of other packages. */
public final class SimulatedHistories {
    private SimulatedHistories() {}

    /** Runs the history of this seed, whatever comes of it. */
    public static void run(long seed, MemoryRedis memory) {
        Simulation.run(History.of(seed), memory);
    }
}
