package io.tollgate;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.config.Settings;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policy;
import io.tollgate.quota.CommitNotingClients;
import io.tollgate.quota.CommittedOffsets;
import io.tollgate.quota.Shared;
import io.tollgate.quota.SharedBuckets;
import io.tollgate.quota.TopicSources;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running pipeline: Kafka Streams and the connection to Redis. Thread-safe. */
final class Pipeline implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Pipeline.class);
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(15);

    private final KafkaStreams streams;
    private final Optional<SharedBuckets> shared;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /**
     * @param partitions how many partitions the topic of requests has
     * @param admin is not closed
     */
    Pipeline(Settings settings, int partitions, Admin admin, MeterRegistry registry) {
        var metrics = new PipelineMetrics(registry);
        var clock = new BucketClock();
        var committed = new CommittedOffsets();
        var redis = settings.redis();
        shared = redis.uri().map(uri -> SharedBuckets.start(new RedisBuckets(uri), redis.timeout(), clock, metrics));
        shared.ifPresent(buckets -> Gauge.builder(
                        "tollgate.redis.in.use", buckets, used -> used.breaker().isClosed() ? 1 : 0)
                .description("1 while the breaker is closed and decisions use Redis, else 0")
                .register(registry));
        var deciding = Shared.of(
                settings.topics().requests(),
                partitions,
                RequestTopology.preflight(settings).largestRecordBytes(admin, StreamsProperties.LARGEST_RECORD_BYTES),
                settings.streams().exactlyOnce(),
                shared,
                clock,
                Policy.byDefault(settings.defaultLimit()),
                new TopicSources(admin),
                committed,
                metrics);
        var properties = StreamsProperties.of(settings);
        StreamsProperties.prefetch(properties, deciding);
        var topology =
                new RequestTopology(settings.topics(), settings.streams().applicationId(), deciding).build(properties);
        streams = new KafkaStreams(topology, properties, new CommitNotingClients(committed));
        streams.setUncaughtExceptionHandler(this::onUncaught);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) log.info("deciding requests");
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) ended.countDown();
        });
    }

    void start() {
        streams.start();
    }

    /** Ends the whole process: a thread that is gone would leave its partitions undecided, and nobody would see it. */
    private StreamThreadExceptionResponse onUncaught(Throwable thrown) {
        failure.compareAndSet(null, thrown);
        ended.countDown();
        return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    }

    /** Waits until the pipeline has ended; returns why, if it was a failure. */
    Optional<Throwable> awaitEnd() throws InterruptedException {
        ended.await();
        return Optional.ofNullable(failure.get());
    }

    /** Returns whether every assigned task runs. */
    boolean isReady() {
        return streams.state() == KafkaStreams.State.RUNNING;
    }

    KafkaStreams streams() {
        return streams;
    }

    @Override
    public void close() {
        if (!streams.close(CloseOptions.timeout(CLOSE_TIMEOUT)
                .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP))) {
            log.warn(
                    "the pipeline did not end within {} s; what is not committed will be decided again",
                    CLOSE_TIMEOUT.toSeconds());
        }
        shared.ifPresent(SharedBuckets::close);
    }
}
