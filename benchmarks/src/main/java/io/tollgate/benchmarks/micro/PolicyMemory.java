package io.tollgate.benchmarks.micro;

import io.tollgate.bucket.Limit;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** The memory that policies take. */
public final class PolicyMemory {
    private static final int COLLECTIONS = 3;

    private PolicyMemory() {}

    /**
     * Returns the bytes of heap that one agent's own policy holds, its id of 12 characters included.
     *
     * @param policies the number of policies
     * @param different the number of different contents
     */
    public static double bytesEach(int policies, int different) {
        var held = new Policies(Policy.byDefault(new Limit(1000, 10)), () -> {});
        long before = usedBytes();
        for (int i = 0; i < policies; i++) {
            var key = String.format(Locale.ROOT, "agent-%06d", i).getBytes(StandardCharsets.UTF_8);
            var value = String.format(Locale.ROOT, "{\"capacity\":%d,\"refill_rate\":10}", 100 + i % different);
            held.apply(0, i, 0, key, value.getBytes(StandardCharsets.UTF_8));
        }
        long after = usedBytes();
        if (held.size() != policies) throw new IllegalStateException("only " + held.size() + " policies were taken");
        return (after - before) / (double) policies;
    }

    private static long usedBytes() {
        for (int i = 0; i < COLLECTIONS; i++) System.gc();
        var runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }
}
