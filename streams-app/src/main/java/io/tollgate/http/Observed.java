package io.tollgate.http;

import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.config.Settings;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.kafka.LagCollector;
import io.tollgate.quota.AgentInspector;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.kafka.streams.KafkaStreams;

/**
 * The running pipeline, as this package looks at it.
 *
 * @param breaker empty: local buckets only
 * @param waitsFor what it waits for before every assigned task runs; empty if they do
 * @param lag how many records wait for the application, on all partitions
 */
public record Observed(
        Settings settings,
        String version,
        KafkaStreams streams,
        AgentInspector agents,
        Optional<RedisBreaker> breaker,
        Supplier<Optional<String>> waitsFor,
        LagCollector lag,
        MeterRegistry registry) {
    boolean isReady() {
        return waitsFor.get().isEmpty();
    }
}
