package io.tollgate.pipeline;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.config.Settings;
import io.tollgate.config.Topics;
import io.tollgate.events.DetectEvents;
import io.tollgate.ingest.Branches;
import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.ParsePublished;
import io.tollgate.ingest.ParseRekeyed;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.RequestTimestamp;
import io.tollgate.ingest.Stray;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.InvalidRule;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.preflight.PipelineTopics;
import io.tollgate.preflight.Preflight;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.DecideRequests;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskOutput;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.quota.TaskOutput.Settlement;
import io.tollgate.quota.TaskTime;
import io.tollgate.route.RouteApproved;
import io.tollgate.route.RouteInvalid;
import io.tollgate.route.RouteRejected;
import io.tollgate.route.RouteSettled;
import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.state.StoreBuilder;
import org.jspecify.annotations.Nullable;

/**
 * The way of a record: one sub-topology, and no hop for requests on their agent's home partition.
 *
 * <p>Where a record may go several ways, the deciding operator names the next one. A filter for each way would cost
 * every record a hop each.
 */
public final class RequestTopology {
    private static final Serde<byte[]> BYTES = Serdes.ByteArray();

    private static final String REKEYED_TOPIC = "rekeyed";
    private static final String REKEYED_USAGE_TOPIC = "rekeyed-usage";

    private static final Branches PARSED = new Branches("readable", "stray-bytes", "unreadable");
    private static final DecideRequests.DecisionBranches DECIDED =
            new DecideRequests.DecisionBranches("route-approved", "route-rejected", "route-settled", "detect-events");
    /**
     * Records that came home join the reports first, then both join the requests at home. Most records are of the last
     * kind, and so have one hop less.
     */
    private static final Branches REKEYED = new Branches("rekeyed-or-report", PARSED.stray(), PARSED.unreadable());

    private static final Branches REPORTS = new Branches("report", "stray-report-bytes", "invalid-report");

    private final Topics topics;
    private final String applicationId;
    private final RunningTasks tasks;
    private final QuotaContext shared;
    private final IntSupplier reportLimit;
    private final StoreBuilder<?> buckets = new BucketStore.TaskStoreBuilder();

    /** Accepts reports as large as requests. */
    public RequestTopology(Topics topics, String applicationId, RunningTasks tasks) {
        this(topics, applicationId, tasks, tasks.shared().recordLimit());
    }

    /**
     * @param reportLimit returns the size of the largest usage report, with key and headers, in bytes; read for
     *     each report
     */
    public RequestTopology(Topics topics, String applicationId, RunningTasks tasks, IntSupplier reportLimit) {
        this.reportLimit = reportLimit;
        this.topics = topics;
        this.applicationId = applicationId;
        this.tasks = tasks;
        this.shared = tasks.shared();
    }

    /** Returns the preflight check of everything this topology stands on. */
    public static Preflight preflight(Settings settings) {
        return new Preflight(settings, () -> topics(settings));
    }

    /** Returns the topics this topology uses. Builds a topology for that, and discards it. */
    public static PipelineTopics topics(Settings settings) {
        var nothing = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                1,
                () -> Integer.MAX_VALUE,
                settings.streams().exactlyOnce(),
                Optional.empty(),
                new BucketClock(),
                new Policies(Policy.byDefault(settings.defaultLimit()), () -> {}),
                (topic, partition) -> 1,
                new CommittedOffsets(),
                new PipelineMetrics(new SimpleMeterRegistry()),
                new StreamThreadWatch(Duration.ZERO),
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        var properties = StreamsProperties.of(settings);
        var topology =
                new RequestTopology(settings.topics(), settings.streams().applicationId(), nothing).build(properties);
        return PipelineTopics.of(topology, properties, settings);
    }

    /** Returns the topics that each task reads, with the names that Streams gives the internal ones. */
    static TaskTopics taskTopics(Topics topics, String applicationId) {
        return new TaskTopics(
                topics.requests(),
                applicationId + "-" + REKEYED_TOPIC + "-repartition",
                topics.usage(),
                applicationId + "-" + REKEYED_USAGE_TOPIC + "-repartition");
    }

    public Topology build(Properties properties) {
        // With the configuration: otherwise the builder warns about defaults that we do not use.
        var builder = new StreamsBuilder(new TopologyConfig(new StreamsConfig(properties)));
        var parsed = parse(readRequests(builder)); // ingest
        var rekeyed = sendStraysHome(parsed); // ingest
        var reports = parseReports(readReports(builder)); // ingest
        var rekeyedReports = sendStrayReportsHome(reports); // ingest
        routeUnreadable(parsed.merge(rekeyed, Named.as(PARSED.unreadable()))); // route
        routeInvalidReports(reports.merge(rekeyedReports, Named.as(REPORTS.unreadable()))); // route
        var readableReports = reports.merge(rekeyedReports, Named.as(REPORTS.readable()));
        var others = rekeyed.merge(readableReports, Named.as(REKEYED.readable()));
        var decided = decide(parsed.merge(others, Named.as(PARSED.readable()))); // quota
        routeRejected(decided); // route
        routeApproved(decided); // route
        routeSettled(decided); // route
        tellEvents(decided); // events
        return builder.build(properties);
    }

    private KStream<byte[], byte[]> readRequests(StreamsBuilder builder) {
        return builder.stream(topics.requests(), consumed("read-requests"));
    }

    private KStream<byte[], byte[]> readReports(StreamsBuilder builder) {
        return builder.stream(topics.usage(), consumed("read-reports"));
    }

    private static Consumed<byte[], byte[]> consumed(String name) {
        return Consumed.with(BYTES, BYTES)
                .withTimestampExtractor(new RequestTimestamp())
                .withName(name);
    }

    private KStream<byte[], Incoming> parse(KStream<byte[], byte[]> requests) {
        return parsePublished(requests, "parse-requests", this::requestClassifier, PARSED, shared.metrics()::invalid);
    }

    private KStream<byte[], Incoming> sendStraysHome(KStream<byte[], Incoming> parsed) {
        return parseRekeyed(
                throughTopic(parsed, PARSED.stray(), REKEYED_TOPIC),
                "parse-rekeyed",
                this::requestClassifier,
                REKEYED,
                shared.metrics()::invalid);
    }

    private KStream<byte[], Incoming> parseReports(KStream<byte[], byte[]> reports) {
        return parsePublished(reports, "parse-reports", this::reportClassifier, REPORTS, this::invalidReport);
    }

    private KStream<byte[], Incoming> sendStrayReportsHome(KStream<byte[], Incoming> parsed) {
        return parseRekeyed(
                throughTopic(parsed, REPORTS.stray(), REKEYED_USAGE_TOPIC),
                "parse-rekeyed-reports",
                this::reportClassifier,
                REPORTS,
                this::invalidReport);
    }

    private RecordClassifier requestClassifier() {
        return RecordClassifier.ofRequests(shared.partitions(), shared.recordLimit());
    }

    private RecordClassifier reportClassifier() {
        return RecordClassifier.ofReports(shared.partitions(), reportLimit);
    }

    private void invalidReport(InvalidRule rule) {
        shared.metrics().invalidReport();
    }

    private KStream<byte[], Incoming> parsePublished(
            KStream<byte[], byte[]> published,
            String name,
            Supplier<RecordClassifier> classifiers,
            Branches branches,
            Consumer<InvalidRule> onInvalid) {
        return published.process(
                withStore(buckets, () -> new ParsePublished(classifiers.get(), branches, onInvalid, shared.metrics())),
                Named.as(name));
    }

    private KStream<byte[], Incoming> parseRekeyed(
            KStream<byte[], byte[]> rekeyed,
            String name,
            Supplier<RecordClassifier> classifiers,
            Branches branches,
            Consumer<InvalidRule> onInvalid) {
        return rekeyed.process(
                withStore(buckets, () -> new ParseRekeyed(classifiers.get(), branches, onInvalid)), Named.as(name));
    }

    private static KStream<byte[], byte[]> throughTopic(KStream<byte[], Incoming> strays, String named, String topic) {
        return strays.mapValues(stray -> ((Stray) stray).bytes(), Named.as(named))
                .repartition(Repartitioned.with(BYTES, BYTES)
                        .withStreamPartitioner(RequestTopology::partitionOf)
                        .withName(topic));
    }

    private KStream<byte[], TaskOutput> decide(KStream<byte[], Incoming> requests) {
        return requests.process(
                withStores(
                        Set.of(buckets, OpenHolds.storeBuilder()),
                        () -> new DecideRequests(tasks, taskTopics(topics, applicationId), DECIDED)),
                Named.as("decide"));
    }

    private void routeApproved(KStream<byte[], TaskOutput> decided) {
        decisions(decided)
                .process(RouteApproved::new, Named.as(DECIDED.approved()))
                .to(topics.approved(), produced("write-approved"));
    }

    private void routeRejected(KStream<byte[], TaskOutput> decided) {
        decisions(decided)
                .process(() -> new RouteRejected(shared.recordLimit().getAsInt()), Named.as(DECIDED.rejected()))
                .to(topics.rejected(), produced("write-rejected"));
    }

    @SuppressWarnings("unchecked")
    private void routeSettled(KStream<byte[], ? extends TaskOutput> decided) {
        ((KStream<byte[], Settlement>) decided)
                .process(RouteSettled::new, Named.as(DECIDED.settled()))
                .to(topics.settled(), produced("write-settled"));
    }

    private void routeInvalidReports(KStream<byte[], Incoming> invalid) {
        invalid.process(() -> RouteInvalid.report(reportLimit.getAsInt()), Named.as("route-invalid-report"))
                .to(topics.settled(), produced("write-invalid-report"));
    }

    /** Records go to these operators by name, and are decided. */
    @SuppressWarnings("unchecked")
    private static KStream<byte[], DecidedRequest> decisions(KStream<byte[], ? extends TaskOutput> decided) {
        return (KStream<byte[], DecidedRequest>) decided;
    }

    private void routeUnreadable(KStream<byte[], Incoming> unreadable) {
        unreadable
                .process(() -> RouteInvalid.request(shared.recordLimit().getAsInt()), Named.as("route-unreadable"))
                .to(topics.rejected(), produced("write-unreadable"));
    }

    private void tellEvents(KStream<byte[], TaskOutput> decided) {
        decided.process(withStore(DetectEvents.storeBuilder(), DetectEvents::new), Named.as(DECIDED.all()))
                .to(topics.events(), produced("write-events"));
    }

    /**
     * Connects processors to their task's store. One builder makes one store, however many processors are connected.
     */
    private static <I, O> ProcessorSupplier<byte[], I, byte[], O> withStore(
            StoreBuilder<?> store, Supplier<Processor<byte[], I, byte[], O>> processors) {
        return withStores(Set.of(store), processors);
    }

    private static <I, O> ProcessorSupplier<byte[], I, byte[], O> withStores(
            Set<StoreBuilder<?>> stores, Supplier<Processor<byte[], I, byte[], O>> processors) {
        return new ProcessorSupplier<>() {
            @Override
            public Processor<byte[], I, byte[], O> get() {
                return processors.get();
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return stores;
            }
        };
    }

    private static Produced<byte[], byte[]> produced(String name) {
        return Produced.with(BYTES, BYTES, RequestTopology::partitionOf).withName(name);
    }

    /** Names the partition of each key, whatever the producer's own partitioner would do; empty without a key. */
    private static Optional<Set<Integer>> partitionOf(
            String topic, byte @Nullable [] key, byte @Nullable [] value, int partitions) {
        return key == null ? Optional.empty() : Optional.of(Set.of(RecordClassifier.partitionOf(key, partitions)));
    }
}
