package io.tollgate;

import io.tollgate.config.Settings;
import io.tollgate.config.Topics;
import io.tollgate.events.DetectEvents;
import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.ParseRekeyed;
import io.tollgate.ingest.ParseRequests;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.RequestTimestamp;
import io.tollgate.ingest.Stray;
import io.tollgate.ingest.Unreadable;
import io.tollgate.preflight.Preflight;
import io.tollgate.quota.DecideRequests;
import io.tollgate.quota.Decided;
import io.tollgate.quota.Shared;
import io.tollgate.route.RouteApproved;
import io.tollgate.route.RouteRejected;
import io.tollgate.route.RouteUnreadable;
import java.util.Properties;
import java.util.Set;
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

/** The way of a record: one sub-topology, and no hop for requests that stand where their agent's requests belong. */
final class RequestTopology {
    private static final Serde<byte[]> BYTES = Serdes.ByteArray();

    private final Topics topics;
    private final String applicationId;
    private final Shared shared;

    RequestTopology(Topics topics, String applicationId, Shared shared) {
        this.topics = topics;
        this.applicationId = applicationId;
        this.shared = shared;
    }

    /** Returns who looks at everything that this topology stands on. */
    static Preflight preflight(Settings settings) {
        var id = settings.streams().applicationId();
        return new Preflight(settings, rekeyedTopic(id), id + "-local-buckets-changelog");
    }

    /** Returns the name that Streams gives the internal topic through which strays come home. */
    static String rekeyedTopic(String applicationId) {
        return applicationId + "-rekeyed-repartition";
    }

    Topology build(Properties properties) {
        // With the configuration: a builder without warns of defaults that ours are not.
        var builder = new StreamsBuilder(new TopologyConfig(new StreamsConfig(properties)));
        var parsed = parse(readRequests(builder)); // ingest
        var home = sendStraysHome(parsed); // ingest
        routeUnreadable(unreadable(home)); // route
        var decided = decide(readable(home)); // quota
        routeRejected(rejected(decided)); // route
        routeApproved(approved(decided)); // route
        tellEvents(decided); // events
        return builder.build(properties);
    }

    private KStream<byte[], byte[]> readRequests(StreamsBuilder builder) {
        return builder.stream(
                topics.requests(),
                Consumed.with(BYTES, BYTES)
                        .withTimestampExtractor(new RequestTimestamp())
                        .withName("read-requests"));
    }

    private KStream<byte[], Incoming> parse(KStream<byte[], byte[]> requests) {
        return requests.process(
                () -> new ParseRequests(shared.partitions(), shared.maxRecordBytes(), shared.metrics()),
                Named.as("parse-requests"));
    }

    private KStream<byte[], Incoming> sendStraysHome(KStream<byte[], Incoming> parsed) {
        var rekeyed = parsed.filter((key, incoming) -> incoming instanceof Stray, Named.as("stray"))
                .mapValues(stray -> ((Stray) stray).request().bytes(), Named.as("stray-bytes"))
                .repartition(Repartitioned.with(BYTES, BYTES).withName("rekeyed"))
                .process(ParseRekeyed::new, Named.as("parse-rekeyed"));
        return parsed.filterNot((key, incoming) -> incoming instanceof Stray, Named.as("home"))
                .merge(rekeyed, Named.as("merge-rekeyed"));
    }

    private static KStream<byte[], Unreadable> unreadable(KStream<byte[], Incoming> home) {
        return home.filter((key, incoming) -> incoming instanceof Unreadable, Named.as("unreadable"))
                .mapValues(incoming -> (Unreadable) incoming, Named.as("as-unreadable"));
    }

    private static KStream<byte[], Incoming> readable(KStream<byte[], Incoming> home) {
        return home.filter((key, incoming) -> incoming instanceof Request, Named.as("readable"));
    }

    private KStream<byte[], Decided> decide(KStream<byte[], Incoming> requests) {
        return requests.process(
                new ProcessorSupplier<byte[], Incoming, byte[], Decided>() {
                    @Override
                    public Processor<byte[], Incoming, byte[], Decided> get() {
                        return new DecideRequests(shared, rekeyedTopic(applicationId));
                    }

                    @Override
                    public Set<StoreBuilder<?>> stores() {
                        return Set.of(DecideRequests.storeBuilder());
                    }
                },
                Named.as("decide"));
    }

    private static KStream<byte[], Decided> approved(KStream<byte[], Decided> decided) {
        return decided.filter((key, answer) -> answer.isApproved(), Named.as("approved"));
    }

    private static KStream<byte[], Decided> rejected(KStream<byte[], Decided> decided) {
        return decided.filterNot((key, answer) -> answer.isApproved(), Named.as("rejected"));
    }

    private void routeApproved(KStream<byte[], Decided> approved) {
        approved.processValues(RouteApproved::new, Named.as("route-approved"))
                .to(topics.approved(), produced("write-approved"));
    }

    private void routeRejected(KStream<byte[], Decided> rejected) {
        rejected.processValues(RouteRejected::new, Named.as("route-rejected"))
                .to(topics.rejected(), produced("write-rejected"));
    }

    private void routeUnreadable(KStream<byte[], Unreadable> unreadable) {
        unreadable
                .processValues(RouteUnreadable::new, Named.as("route-unreadable"))
                .to(topics.rejected(), produced("write-unreadable"));
    }

    private void tellEvents(KStream<byte[], Decided> decided) {
        decided.process(
                        new ProcessorSupplier<byte[], Decided, byte[], byte[]>() {
                            @Override
                            public Processor<byte[], Decided, byte[], byte[]> get() {
                                return new DetectEvents();
                            }

                            @Override
                            public Set<StoreBuilder<?>> stores() {
                                return Set.of(DetectEvents.storeBuilder());
                            }
                        },
                        Named.as("detect-events"))
                .to(topics.events(), produced("write-events"));
    }

    private static Produced<byte[], byte[]> produced(String name) {
        return Produced.with(BYTES, BYTES).withName(name);
    }
}
