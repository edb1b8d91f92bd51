package io.tollgate.pipeline;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.quota.RunningTasks;
import java.util.Locale;

/** Figures that are computed when they are read: processing a record does no work for them. */
final class PipelineGauges {
    private PipelineGauges() {}

    static void bind(MeterRegistry registry, RunningTasks tasks) {
        Gauge.builder("tollgate.mirror.age", tasks, RunningTasks::mirrorAgeSeconds)
                .description("Age of the oldest answer of Redis that the state store does not hold")
                .baseUnit("seconds")
                .register(registry);
        Gauge.builder("tollgate.mirror.agents", tasks, RunningTasks::mirrorAgents)
                .description("Agents whose buckets are in memory")
                .register(registry);
        Gauge.builder("tollgate.holds.open", tasks, RunningTasks::openHolds)
                .description("Holds that are open")
                .register(registry);
        tasks.shared().redis().ifPresent(redis -> bind(registry, redis.breaker()));
    }

    private static void bind(MeterRegistry registry, RedisBreaker breaker) {
        Gauge.builder("tollgate.redis.in.use", breaker, used -> used.isClosed() ? 1 : 0)
                .description("1 while the breaker of every node is closed and decisions use Redis, else 0")
                .register(registry);
        for (RedisBreaker.Status status : RedisBreaker.Status.values()) {
            var text = status.name().toLowerCase(Locale.ROOT);
            Gauge.builder("tollgate.redis.breaker.state", breaker, asked -> asked.count(status))
                    .description("Nodes of Redis whose breaker is in the state; one node unless Redis is a cluster")
                    .tag("state", text)
                    .register(registry);
            FunctionCounter.builder("tollgate.redis.breaker.transitions", breaker, asked -> asked.transitionsTo(status))
                    .description("Changes of the breaker to a state")
                    .tag("to", text)
                    .register(registry);
        }
    }
}
