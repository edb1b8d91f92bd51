package io.tollgate.pipeline;

import io.tollgate.config.Settings;
import io.tollgate.kafka.RocksDbMemory;
import io.tollgate.quota.Prefetch;
import io.tollgate.quota.RunningTasks;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.streams.StreamsConfig;

/** Properties of Kafka Streams: ours with the reason next to each, overridden by the user's KAFKA_ variables. */
public final class StreamsProperties {
    static final int LARGEST_RECORD_BYTES = 64 * 1024 * 1024;

    private static final List<String> OUR_SCOPES = List.of(
            StreamsConfig.producerPrefix(""),
            StreamsConfig.mainConsumerPrefix(""),
            StreamsConfig.restoreConsumerPrefix(""));

    private StreamsProperties() {}

    /** Returns the properties of Kafka Streams, without the prefetch. */
    public static Properties of(Settings settings) {
        var properties = new Properties();
        properties.putAll(ours(settings));
        // A user's setting for all clients overrides ours for a single client.
        for (var name : settings.kafka().properties().keySet()) {
            for (var scope : OUR_SCOPES) properties.remove(scope + name);
        }
        properties.putAll(settings.kafka().properties());
        if (!"streams".equals(properties.get(StreamsConfig.GROUP_PROTOCOL_CONFIG))) {
            // After this time, instead of 45 s, a killed instance's partitions go to others. Members hear of a join or
            // a leave with their next heartbeat, by default every 3 s; a join takes two of these. With the streams
            // protocol, brokers set both.
            properties.putIfAbsent(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10_000);
            properties.putIfAbsent(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 300);
        }
        var streams = settings.streams();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.kafka().bootstrapServers());
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, streams.applicationId());
        properties.put(StreamsConfig.STATE_DIR_CONFIG, streams.stateDir().toString());
        return properties;
    }

    /** Returns the time after which brokers give a silent instance's partitions to others. */
    static Duration sessionTimeout(Properties properties) {
        for (var scope : List.of(StreamsConfig.mainConsumerPrefix(""), StreamsConfig.consumerPrefix(""), "")) {
            var set = properties.get(scope + ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG);
            if (set != null) return Duration.ofMillis(Long.parseLong(set.toString()));
        }
        return Duration.ofSeconds(45);
    }

    /** Adds the prefetch to the main consumer. */
    static void prefetch(Properties properties, RunningTasks tasks) {
        properties.put(
                StreamsConfig.mainConsumerPrefix(ConsumerConfig.INTERCEPTOR_CLASSES_CONFIG), Prefetch.class.getName());
        properties.put(StreamsConfig.mainConsumerPrefix(Prefetch.TASKS_CONFIG), tasks);
    }

    private static Map<String, Object> ours(Settings settings) {
        var streams = settings.streams();
        return Map.ofEntries(
                Map.entry(
                        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
                        streams.exactlyOnce() ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE),
                Map.entry(StreamsConfig.NUM_STREAM_THREADS_CONFIG, streams.threads()),
                // Workers see a decision when its transaction commits.
                Map.entry(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100),
                // An agent's requests of one poll are one entry of a call to Redis, in which a second request costs a
                // quarter of the first. A poll takes the fetched records of one partition, then of the next. Both sizes
                // together halve Redis' time for a decision. With little traffic, polls are small anyway.
                Map.entry(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000),
                Map.entry(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 * 1024 * 1024),
                // With Kafka's 16 KB, brokers took twice the CPU for each record, and throughput was a quarter lower.
                // With little traffic, larger batches are seldom full, and wait for linger.ms: in Streams 100 ms.
                Map.entry(ProducerConfig.BATCH_SIZE_CONFIG, 128 * 1024),
                Map.entry(ProducerConfig.LINGER_MS_CONFIG, 10),
                // Makes rejections an eighth as large, and saves a fifth of the brokers' CPU under a flood of them.
                // docs/sizing.md has the figures, and the clients that need a package to read it.
                Map.entry(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4"),
                // Never waits for the other topic of a task: requests and strays of one partition need no common order.
                Map.entry(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, -1L),
                Map.entry(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksDbMemory.class),
                // A joining instance gets its share of the tasks at once if restoring them takes less than a second.
                // With the default of 10,000 records, a minute of traffic would lead to the slow way: copies warm up
                // beside their owners, two tasks at a time, checked every ten minutes. Here all tasks do, checked every
                // minute, the least allowed.
                Map.entry(StreamsConfig.ACCEPTABLE_RECOVERY_LAG_CONFIG, 100_000L),
                Map.entry(StreamsConfig.PROBING_REBALANCE_INTERVAL_MS_CONFIG, 60_000L),
                Map.entry(StreamsConfig.MAX_WARMUP_REPLICAS_CONFIG, 64),
                // Uses the broker's own setting: 3 on a cluster, 1 on a laptop.
                Map.entry(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1),
                Map.entry(StreamsConfig.ENSURE_EXPLICIT_INTERNAL_RESOURCE_NAMING_CONFIG, true),
                // Without it, version 4.3 warns that the default will change; the constant is deprecated already.
                Map.entry("processing.exception.handler.global.enabled", true),
                // A task to be restored waits for the fetch under way. That fetch waits this long for records of tasks
                // that are already restored: by default 500 ms for each task.
                Map.entry(StreamsConfig.restoreConsumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 50),
                // A request at its topic's own size limit must pass; the brokers' limits stay in force.
                Map.entry(StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG), LARGEST_RECORD_BYTES),
                Map.entry(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 2L * LARGEST_RECORD_BYTES),
                Map.entry(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest"),
                // Streams sets this under exactly-once only, but aborted requests must not be decided in any mode.
                Map.entry(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed"),
                // Strays keep the timestamps of their agents, however odd.
                Map.entry(
                        StreamsConfig.topicPrefix(TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG),
                        Long.toString(Long.MAX_VALUE)),
                Map.entry(
                        StreamsConfig.topicPrefix(TopicConfig.MAX_MESSAGE_BYTES_CONFIG),
                        Integer.toString(LARGEST_RECORD_BYTES)));
    }
}
