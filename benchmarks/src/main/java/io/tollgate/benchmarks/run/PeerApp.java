package io.tollgate.benchmarks.run;

import com.sun.net.httpserver.HttpServer;
import io.lettuce.core.RedisClient;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.config.Settings;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.Source;
import io.tollgate.pipeline.StreamsProperties;
import io.tollgate.policy.Policy;
import io.tollgate.quota.RemainingQuota;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.route.Decimal;
import io.tollgate.route.QuotaHeaders;
import io.tollgate.route.Rejection;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;

/** A peer of Tollgate in a process of its own, with Tollgate's environment and Streams settings. */
public final class PeerApp {
    private static final Serde<byte[]> BYTES = Serdes.ByteArray();

    // The headers of decided records, so that all contestants write as many bytes.
    private static final Header APPROVED = new RecordHeader("quota-decision", utf8("approved"));
    private static final Header REJECTED = new RecordHeader("quota-decision", utf8("rejected"));
    private static final List<Header> OF_EVERY_DECISION = List.of(
            new RecordHeader("quota-remaining", utf8("999.1234567")),
            new RecordHeader("quota-decided-by", utf8("redis")),
            new RecordHeader("quota-policy", utf8("default")));

    /** The variable that names the file of the verdicts that are given. */
    static final String VERDICTS = "BENCHMARK_VERDICTS";

    /** Decides one request, waiting for Redis. Made for each task. */
    @FunctionalInterface
    interface Decider {
        boolean approves(String agentId, double costTokens);
    }

    private record Verdict(byte[] value, boolean approved) {}

    private PeerApp() {}

    /** @param args the contestant's name; what follows is ignored, see {@link Contestant} */
    public static void main(String[] args) throws Exception {
        var settings = Settings.from(System.getenv(), Settings.Use.PIPELINE);
        var topology = switch (args[0]) {
            case "copy" -> copy(settings);
            case "pass-through" -> deciding(settings, () -> (agentId, cost) -> true);
            case "verdicts-given" -> writing(settings, GivenVerdicts.read(Path.of(System.getenv(VERDICTS))));
            case "naive" -> deciding(settings, limiter(settings, Limiters::floor));
            case "bucket4j" -> deciding(settings, limiter(settings, Limiters.Bucket4jRedis::new));
            default -> throw new IllegalArgumentException("no peer is called " + args[0]);
        };
        var streams = new KafkaStreams(topology, StreamsProperties.of(settings));
        serveHealth(streams);
        streams.start();
    }

    private static Topology copy(Settings settings) {
        var builder = new StreamsBuilder();
        builder.stream(settings.topics().requests(), Consumed.with(BYTES, BYTES).withName("read"))
                .to(settings.topics().approved(), Produced.with(BYTES, BYTES).withName("write"));
        return builder.build();
    }

    private static Topology deciding(Settings settings, Supplier<Decider> deciders) {
        var builder = new StreamsBuilder();
        var branches = builder.stream(
                        settings.topics().requests(),
                        Consumed.with(BYTES, BYTES).withName("read"))
                .processValues(() -> new Decide(deciders.get()), Named.as("decide"))
                .split(Named.as("is-"))
                .branch((key, verdict) -> verdict.approved(), Branched.as("approved"))
                .defaultBranch(Branched.as("rejected"));
        Objects.requireNonNull(branches.get("is-approved"))
                .mapValues(Verdict::value, Named.as("approved-value"))
                .to(settings.topics().approved(), Produced.with(BYTES, BYTES).withName("write-approved"));
        Objects.requireNonNull(branches.get("is-rejected"))
                .mapValues(Verdict::value, Named.as("rejected-value"))
                .to(settings.topics().rejected(), Produced.with(BYTES, BYTES).withName("write-rejected"));
        return builder.build();
    }

    private static final class Decide extends ContextualFixedKeyProcessor<byte[], byte[], Verdict> {
        private final Decider decider;
        private final RecordClassifier parse = RecordClassifier.ofRequests(1, () -> Integer.MAX_VALUE);

        private Decide(Decider decider) {
            this.decider = decider;
        }

        @Override
        public void process(FixedKeyRecord<byte[], byte[]> record) {
            var request = (Request) parse.rekeyed(record.key(), record.value(), record.headers());
            boolean approved = decider.approves(request.agentId(), request.costTokens());
            var position = context().recordMetadata().orElseThrow();
            var source = position.topic() + "/" + position.partition() + "/" + position.offset();
            record.headers().add("quota-source", utf8(source)).add(approved ? APPROVED : REJECTED);
            for (var header : OF_EVERY_DECISION) record.headers().add(header);
            record.headers().add("quota-decided-at", utf8(Long.toString(System.currentTimeMillis() * 1000)));
            context().forward(record.withValue(new Verdict(record.value(), approved)));
        }
    }

    /** Writes what Tollgate has written, record for record, in the fewest steps that Kafka Streams allows. */
    private static Topology writing(Settings settings, GivenVerdicts verdicts) {
        var toBytes = Serdes.ByteArray().serializer();
        var fromBytes = Serdes.ByteArray().deserializer();
        return new Topology()
                .addSource("read", fromBytes, fromBytes, settings.topics().requests())
                .addProcessor("route", () -> new Route(settings.defaultLimit(), verdicts), "read")
                .addSink(Route.APPROVED, settings.topics().approved(), toBytes, toBytes, "route")
                .addSink(Route.REJECTED, settings.topics().rejected(), toBytes, toBytes, "route");
    }

    private static final class Route extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
        private static final String APPROVED = "write-approved";
        private static final String REJECTED = "write-rejected";

        private final Policy policy;
        private final GivenVerdicts verdicts;
        private final RecordClassifier parse = RecordClassifier.ofRequests(1, () -> Integer.MAX_VALUE);
        private final QuotaHeaders quotaHeaders = new QuotaHeaders();

        private Route(Limit limit, GivenVerdicts verdicts) {
            policy = Policy.byDefault(limit);
            this.verdicts = verdicts;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            var request = (Request) parse.rekeyed(record.key(), record.value(), record.headers());
            var position = context().recordMetadata().orElseThrow();
            var source = new Source(position.topic(), position.partition(), position.offset());
            boolean approved = verdicts.approves(position.partition(), position.offset());
            var decision = decision(approved, position.offset());
            var decided = new DecidedRequest(request, policy, decision, RemainingQuota.of(decision, null));
            record.headers().add("quota-source", utf8(source.text()));
            var remaining = Decimal.text(decision.remainingTokens());
            var headers = quotaHeaders.with(record.headers(), decided, remaining);
            var value = approved
                    ? record.value()
                    : Rejection.of(decided, remaining, source, record.timestamp(), Integer.MAX_VALUE);
            context()
                    .forward(
                            new Record<>(request.key(), value, record.timestamp(), headers),
                            approved ? APPROVED : REJECTED);
        }

        /** With as many digits as Tollgate's. */
        private Decision decision(boolean approved, long offset) {
            double fraction = offset * 0.6180339887 % 1;
            long now = System.currentTimeMillis() * 1000;
            if (approved) return new Decision.Approved(500 + fraction, now, DecidedBy.REDIS, policy.terms());
            var wait = Optional.of(Duration.ofMillis((long) (100 * (1 - fraction))));
            return new Decision.QuotaExceeded(fraction, wait, now, DecidedBy.REDIS, policy.terms(), 0);
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Supplier<Decider> limiter(
            Settings settings, BiFunction<RedisClient, Limit, Limiters.Limiter> limiters) {
        var client = RedisClient.create(settings.redis().uri().orElseThrow());
        var limiter = limiters.apply(client, settings.defaultLimit());
        return () -> limiter::spendNow;
    }

    private static void serveHealth(KafkaStreams streams) throws IOException {
        int port = Integer.parseInt(System.getenv("TOLLGATE_HTTP_PORT"));
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.createContext("/health/ready", exchange -> {
            exchange.sendResponseHeaders(streams.state() == KafkaStreams.State.RUNNING ? 200 : 503, -1);
            exchange.close();
        });
        server.start();
    }
}
