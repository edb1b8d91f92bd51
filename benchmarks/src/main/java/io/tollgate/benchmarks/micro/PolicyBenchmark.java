package io.tollgate.benchmarks.micro;

import io.tollgate.bucket.Limit;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The cost of finding the policy of a record's agent, as a task does, which keeps the policy found before. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class PolicyBenchmark {
    private static final int AGENTS = 10_000;

    /** The number of prefixes with a policy. With any, each agent has one. */
    @Param({"0", "100000", "1000000"})
    private int prefixes;

    private final Policies policies = new Policies(Policy.byDefault(new Limit(1000, 10)), () -> {});
    private final String[] agents = new String[AGENTS];
    private final Policy[] last = new Policy[AGENTS];
    private int next;

    @Setup
    public void fill() {
        for (int i = 0; i < prefixes; i++) {
            policies.apply(
                    0,
                    i,
                    0,
                    ("agent-" + i + "*").getBytes(StandardCharsets.UTF_8),
                    "{\"capacity\":1000,\"refill_rate\":10}".getBytes(StandardCharsets.UTF_8));
        }
        for (int i = 0; i < AGENTS; i++) {
            agents[i] = "agent-" + i;
            last[i] = policies.of(agents[i]);
        }
    }

    @Benchmark
    public Policy policy() {
        next = (next + 7919) % AGENTS;
        last[next] = policies.of(agents[next], last[next], policies.version());
        return last[next];
    }
}
