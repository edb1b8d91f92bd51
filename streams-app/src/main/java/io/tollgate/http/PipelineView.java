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
 * The running pipeline as this package sees it.
 *
 * @param breaker empty: local buckets only
 * @param waitsFor the reason why not every assigned task runs yet; empty if all run
 * @param clusterId of Kafka, once it is known
 * @param lag the number of records that wait for the application, by partition
 */
public record PipelineView(
        Settings settings,
        String version,
        KafkaStreams streams,
        AgentInspector agents,
        Optional<RedisBreaker> breaker,
        Supplier<Optional<String>> waitsFor,
        LagCollector lag,
        MeterRegistry registry,
        Supplier<Optional<String>> clusterId) {}
