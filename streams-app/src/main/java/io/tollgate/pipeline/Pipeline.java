package io.tollgate.pipeline;

import io.lettuce.core.metrics.MicrometerCommandLatencyRecorder;
import io.lettuce.core.metrics.MicrometerOptions;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.cli.CommandFailure;
import io.tollgate.config.Settings;
import io.tollgate.http.PipelineView;
import io.tollgate.kafka.ClockRollbackGuard;
import io.tollgate.kafka.ClusterSourceIds;
import io.tollgate.kafka.CommitTrackingClients;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.KafkaErrors;
import io.tollgate.kafka.LagCollector;
import io.tollgate.kafka.MonotonicTime;
import io.tollgate.kafka.StaleTransactions;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.kafka.TopicWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyReader;
import io.tollgate.policy.PolicyTopic;
import io.tollgate.preflight.PipelineTopics;
import io.tollgate.preflight.RecordLimits;
import io.tollgate.quota.AgentInspector;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RedisGateway;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskTime;
import io.tollgate.redis.RedisBuckets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running pipeline: Kafka Streams and the connection to Redis. Thread-safe. */
final class Pipeline implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Pipeline.class);
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(15);
    /** Within this time all threads notice that the topics' limits were lowered. */
    private static final Duration LOWERED_FOR = Duration.ofMinutes(1);

    private static final Duration SLICE = Duration.ofMillis(250);
    private static final Duration SAY_EVERY = Duration.ofSeconds(10);

    private final KafkaStreams streams;
    private final Optional<RedisGateway> shared;
    private final Policies policies;
    private final PolicyReader policyReader;
    private final AgentInspector agents;
    private final Optional<StaleTransactions> staleTransactions;
    private final ClockRollbackGuard clockRollback;
    private final LagCollector lag;
    private final CompletableFuture<String> clusterId;
    private final PipelineTopics topics;
    private final TopicWatch topicWatch;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Supplier<Optional<String>> wrongOnTheBrokers;
    private final Supplier<RecordLimits> limitsNow;
    private volatile RecordLimits limits;
    private volatile long loweredNanos = System.nanoTime() - LOWERED_FOR.toNanos();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /**
     * @param partitions the number of partitions of the requests topic
     * @param limits of records that can be decided, until the brokers report others
     * @param admin is not closed
     * @param httpAddress host and port under which other instances reach this one's HTTP server
     */
    Pipeline(
            Settings settings,
            int partitions,
            RecordLimits limits,
            Admin admin,
            MeterRegistry registry,
            String httpAddress) {
        this.limits = limits;
        limitsNow = () -> RequestTopology.preflight(settings).recordLimits(admin);
        wrongOnTheBrokers = () -> RequestTopology.preflight(settings).wrong(admin);
        var metrics = new PipelineMetrics(registry);
        var clock = new BucketClock();
        policies = new Policies(
                Policy.byDefault(settings.defaultLimit()),
                metrics::policyRefused,
                () -> System.currentTimeMillis() / 1000.0);
        policyReader = new PolicyReader(settings, policies, admin);
        Gauge.builder("tollgate.policies", policies, Policies::size)
                .description("Policies known, besides the default")
                .register(registry);
        var committed = new CommittedOffsets();
        var redis = settings.redis();
        var latencies = new MicrometerCommandLatencyRecorder(registry, MicrometerOptions.create());
        shared = redis.uri().map(uri -> RedisGateway.start(new RedisBuckets(uri, latencies), redis.timeout(), metrics));
        var properties = StreamsProperties.of(settings);
        var watch = new StreamThreadWatch(StreamsProperties.sessionTimeout(properties));
        var tasks = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                partitions,
                () -> this.limits.requestBytes(),
                settings.streams().exactlyOnce(),
                shared,
                clock,
                policies,
                new ClusterSourceIds(admin, watch),
                committed,
                metrics,
                watch,
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        agents = new AgentInspector(tasks);
        PipelineGauges.bind(registry, tasks);
        properties.put(StreamsConfig.APPLICATION_SERVER_CONFIG, httpAddress);
        StreamsProperties.prefetch(properties, tasks);
        var topology = new RequestTopology(
                        settings.topics(), settings.streams().applicationId(), tasks, () -> this.limits.reportBytes())
                .build(properties);
        topics = PipelineTopics.of(topology, properties, settings);
        clusterId = admin.describeCluster().clusterId().toCompletionStage().toCompletableFuture();
        lag = new LagCollector(admin, settings.streams().applicationId(), topics.consumed());
        topicWatch = new TopicWatch(admin, topics.all(), new TopicChanges());
        var time = new MonotonicTime();
        boolean early = settings.streams().exactlyOnce()
                && !settings.kafka().properties().containsKey(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG);
        var clients =
                new CommitTrackingClients(committed, watch, tasks::wakeAsked, early ? tasks::requestCommit : null);
        streams = new KafkaStreams(topology, properties, clients, time);
        clockRollback = new ClockRollbackGuard(streams, time, this::end);
        streams.setUncaughtExceptionHandler(this::onUncaught);
        staleTransactions = settings.streams().exactlyOnce()
                ? Optional.of(new StaleTransactions(
                        admin,
                        settings.streams().applicationId(),
                        "streams".equals(properties.get(StreamsConfig.GROUP_PROTOCOL_CONFIG)),
                        this::ownConsumers))
                : Optional.empty();
        streams.setStateListener((now, before) -> {
            staleTransactions.ifPresent(StaleTransactions::partitionsMove);
            if (now == KafkaStreams.State.RUNNING) log.info("deciding requests");
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) ended.countDown();
        });
    }

    /**
     * Waits for the policies first, however long that takes: no restart may decide by the default while they are being
     * read.
     */
    void start() throws InterruptedException {
        lag.start();
        topicWatch.start();
        policyReader.start();
        long saidNanos = System.nanoTime();
        while (!policyReader.awaitCaughtUp(SLICE)) {
            if (hasEnded()) return;
            if (System.nanoTime() - saidNanos < SAY_EVERY.toNanos()) continue;
            saidNanos = System.nanoTime();
            log.info("nothing is decided before the policies are read: {}", policyReader.progress());
        }
        if (hasEnded()) return;
        staleTransactions.ifPresent(StaleTransactions::start);
        clockRollback.start();
        streams.start();
    }

    private boolean hasEnded() {
        return ended.getCount() == 0;
    }

    /** Reacts to changes of a topic that decisions depend on. */
    private final class TopicChanges implements TopicWatch.Listener {
        @Override
        public void repartitioned(String topic, int before, int now) {
            if (topics.sinks().contains(topic)) {
                log.warn(
                        "topic {} has {} partitions now, {} before: from now on, agents' decisions go to other partitions",
                        topic,
                        now,
                        before);
                return;
            }
            end(
                    new CommandFailure(
                            topic.equals(topics.policies())
                                    ? PolicyTopic.notOnePartition(topic, now)
                                    : "topic " + topic + " has " + now + " partitions now, but " + before
                                            + " when it was last looked at: they decide which partition an agent belongs to; move to new topics as docs/topics.md describes"));
        }

        @Override
        public void createdAnew(String topic) {
            if (topic.equals(topics.policies())) {
                log.warn("topic {} was deleted and created again: its policies replace the earlier ones", topic);
                policyReader.topicWasCreatedAnew();
            } else if (topics.changelogs().contains(topic)) {
                log.error(
                        "topic {} was deleted and created again: its part of the state is lost to any instance that restores"
                                + " from it; see docs/troubleshooting.md",
                        topic);
            } else {
                log.warn("topic {} was deleted and created again: its records are gone", topic);
            }
        }

        @Override
        public void missing(String topic) {
            if (topic.equals(topics.policies())) {
                log.error(
                        "topic {} does not exist any more: the known policies stay in force until it is created again with"
                                + " `tollgate topics create`",
                        topic);
            } else {
                log.error("topic {} does not exist any more: create it again with `tollgate topics create`", topic);
            }
        }
    }

    private List<String> ownConsumers() {
        return streams.metadataForLocalThreads().stream()
                .map(ThreadMetadata::consumerClientId)
                .toList();
    }

    /**
     * Replaces a thread that got no answer from the brokers in time, such as one that had to write during a long
     * absence of theirs. Any other failure ends the whole process: a missing thread would leave its partitions
     * undecided unnoticed.
     */
    private StreamThreadExceptionResponse onUncaught(Throwable thrown) {
        if (isTooLarge(thrown) && isLowered()) {
            log.warn(
                    "topics accept smaller records than before: requests above {} bytes and reports above {} bytes are invalid"
                            + " (too_large) from now on",
                    limits.requestBytes(),
                    limits.reportBytes());
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        }
        if (!KafkaErrors.isTransient(thrown)) {
            end(thrown);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        }
        var wrong = wrongOnTheBrokers.get();
        if (wrong.isPresent()) {
            end(new CommandFailure(wrong.get()));
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        }
        log.warn(
                "Kafka did not answer a stream thread in time; another one goes on in its place: {}",
                thrown.toString());
        return StreamThreadExceptionResponse.REPLACE_THREAD;
    }

    private static boolean isTooLarge(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof RecordTooLargeException) return true;
        }
        return false;
    }

    /** Asks for the topics' limits again. If they were lowered, the same record is invalid when it is read again. */
    private boolean isLowered() {
        try {
            var now = limitsNow.get();
            synchronized (this) {
                if (now.isBelow(limits)) loweredNanos = System.nanoTime();
                limits = now;
            }
        } catch (RetriableException away) {
            return true; // the next thread asks again
        }
        // Several threads may notice at the same time.
        return System.nanoTime() - loweredNanos < LOWERED_FOR.toNanos();
    }

    private void end(Throwable thrown) {
        failure.compareAndSet(null, thrown);
        ended.countDown();
    }

    /** Waits until the pipeline has ended. Returns the failure, if that ended it. */
    Optional<Throwable> awaitEnd() throws InterruptedException {
        ended.await();
        return Optional.ofNullable(failure.get());
    }

    /** Returns whether every assigned task runs, with all policies that existed at the start. */
    boolean isReady() {
        return waitsFor().isEmpty();
    }

    /** Returns what must happen before this is ready; empty if it is ready. */
    Optional<String> waitsFor() {
        if (!policyReader.isCaughtUp()) return Optional.of("policies: " + policyReader.progress());
        for (var topic : topicWatch.missing()) {
            if (topics.consumed().contains(topic)) return Optional.of("topic " + topic + ", which does not exist");
        }
        var state = streams.state();
        return state == KafkaStreams.State.RUNNING
                ? Optional.empty()
                : Optional.of("tasks: Kafka Streams is in state " + state);
    }

    Policies policies() {
        return policies;
    }

    /** Returns the view that the HTTP server shows. */
    PipelineView observed(Settings settings, String version, MeterRegistry registry) {
        return new PipelineView(
                settings,
                version,
                streams,
                agents,
                shared.map(RedisGateway::breaker),
                this::waitsFor,
                lag,
                registry,
                this::clusterId);
    }

    private Optional<String> clusterId() {
        return clusterId.isDone() && !clusterId.isCompletedExceptionally()
                ? Optional.ofNullable(clusterId.getNow(null))
                : Optional.empty();
    }

    LagCollector lag() {
        return lag;
    }

    KafkaStreams streams() {
        return streams;
    }

    @Override
    public void close() {
        ended.countDown(); // a start that still waits gives up
        topicWatch.close();
        staleTransactions.ifPresent(StaleTransactions::close);
        clockRollback.close();
        lag.close();
        if (!streams.close(CloseOptions.timeout(CLOSE_TIMEOUT)
                .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP))) {
            log.warn(
                    "the pipeline did not end within {} s; uncommitted requests will be decided again",
                    CLOSE_TIMEOUT.toSeconds());
        }
        policyReader.close();
        shared.ifPresent(RedisGateway::close);
    }
}
