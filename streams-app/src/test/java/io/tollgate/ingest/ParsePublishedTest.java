package io.tollgate.ingest;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

class ParsePublishedTest {
    private static final TaskSources SOURCES = new TaskSources(
            List.of(new TopicPartition("agent-requests", 0), new TopicPartition("rekeyed", 0)), List.of(17L, 18L));

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final List<Record<byte[], Incoming>> forwarded = new ArrayList<>();
    private final PipelineMetrics metrics = new PipelineMetrics(registry);

    @TempDir
    private static Path dir;

    private TaskOffsets offsets;
    private TopologyTestDriver driver = driver(1);

    @AfterEach
    void close() {
        driver.close();
    }

    @Test
    void forgedHeadersAreRemoved() {
        var headers = new RecordHeaders()
                .add("trace", utf8("1"))
                .add("quota-decision", utf8("approved"))
                .add("quota-source", utf8("elsewhere/0/0"))
                .add("quota-source", utf8("elsewhere/0/1"))
                .add("quota-", utf8("x"))
                .add("Quota-Decision", utf8("another name"))
                .add("trace", utf8("2"))
                .add("nothing", null);

        pipe("a", "{\"agent_id\":\"a\"}", headers);

        assertThat(texts(one().headers()))
                .containsExactly(
                        "trace=1",
                        "Quota-Decision=another name",
                        "trace=2",
                        "nothing=null",
                        "quota-source=agent-requests/0/0");
    }

    @Test
    void thousandHeadersKeepTheirOrder() {
        var headers = new RecordHeaders();
        for (int i = 0; i < 1000; i++) headers.add("h" + i % 7, utf8("" + i));

        pipe("a", "{\"agent_id\":\"a\"}", headers);

        var carried = texts(one().headers());
        assertThat(carried).hasSize(1001);
        for (int i = 0; i < 1000; i++) assertThat(carried.get(i)).isEqualTo("h" + i % 7 + "=" + i);
    }

    @Test
    void recordsSayWhereTheyStood() {
        for (int i = 0; i < 3; i++) pipe("a", i == 1 ? "broken" : "{\"agent_id\":\"a\"}", new RecordHeaders());

        assertThat(forwarded)
                .extracting(record -> text(record.headers().lastHeader("quota-source")))
                .containsExactly("agent-requests/0/0", "agent-requests/0/1", "agent-requests/0/2");
    }

    @Test
    void agentsOwnKeyIsHome() {
        pipe("a", "{\"agent_id\":\"a\"}", new RecordHeaders());

        assertThat(one().key()).isEqualTo(utf8("a"));
        assertThat(one().value()).isInstanceOf(Request.class);
        assertThat(registry.counter("tollgate.strays").count()).isZero();
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"", "b", "A"})
    void otherKeyOnTheRightPartitionIsHome(String key) {
        pipe(key, "{\"agent_id\":\"a\"}", new RecordHeaders());

        assertThat(one().key()).isEqualTo(utf8("a"));
        assertThat(one().value()).isInstanceOf(Request.class);
    }

    @Test
    void wrongPartitionIsAStray() {
        driver.close();
        driver = driver(64); // the driver puts everything on partition 0

        for (int i = 0; i < 64; i++) pipe("agent-" + i, "{\"agent_id\":\"agent-" + i + "\"}", new RecordHeaders());

        for (var record : forwarded) {
            boolean home = RecordClassifier.partitionOf(record.key(), 64) == 0;
            assertThat(record.value()).isInstanceOf(home ? Request.class : Stray.class);
        }
        long strays = forwarded.stream()
                .filter(record -> record.value() instanceof Stray)
                .count();
        assertThat(forwarded).hasSize(64);
        assertThat(strays).isPositive().isEqualTo((long)
                registry.counter("tollgate.strays").count());
    }

    @Test
    void unreadableRecordIsKeptAndCounted() {
        pipe("its-own", "{broken", new RecordHeaders());
        pipe(null, null, new RecordHeaders());

        assertThat(forwarded).hasSize(2);
        assertThat(forwarded.get(0).key()).isEqualTo(utf8("its-own"));
        assertThat(((InvalidRecord) forwarded.get(0).value()).bytes()).isEqualTo(utf8("{broken"));
        assertThat(forwarded.get(1).key()).isNull();
        assertThat(((InvalidRecord) forwarded.get(1).value()).bytes()).isEmpty();
        assertThat(registry.counter("tollgate.invalid.requests", "rule", "json").count())
                .isEqualTo(1);
        assertThat(registry.counter("tollgate.invalid.requests", "rule", "empty")
                        .count())
                .isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "agent-7", "ключ", "🦊", "0123456789abcdef0123456789abcdef"})
    void keysArePlacedAsKafkaDoes(String key) {
        int kafkas = org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey(utf8(key), 8);

        assertThat(RecordClassifier.partitionOf(utf8(key), 8)).isEqualTo(kafkas);
    }

    @Test
    void processedRecordsAreLeftOut() {
        offsets.take(new Position("agent-requests", 0, 2));
        pipe("a", "{\"agent_id\":\"a\"}", new RecordHeaders());
        pipe("a", "no request", new RecordHeaders());
        pipe("a", null, new RecordHeaders());
        pipe("b", "{\"agent_id\":\"b\"}", new RecordHeaders());

        assertThat(texts(one().headers())).contains("quota-source=agent-requests/0/3");
        assertThat(registry.get("tollgate.invalid.requests").counters()).allMatch(rule -> rule.count() == 0);
    }

    private TopologyTestDriver driver(int partitions) {
        var topology = new Topology()
                .addSource("read", new ByteArrayDeserializer(), new ByteArrayDeserializer(), "agent-requests")
                .addProcessor(
                        "parse",
                        () -> new ParsePublished(
                                RecordClassifier.ofRequests(partitions, () -> 1_000_000),
                                new Branches("keep", "keep", "keep"),
                                metrics::invalid,
                                metrics),
                        "read")
                .addStateStore(new BucketStore.TaskStoreBuilder(), "parse")
                .addProcessor("keep", () -> (Processor<byte[], Incoming, Void, Void>) forwarded::add, "parse");
        var properties = new Properties();
        properties.putAll(
                Map.of("application.id", "parse", "bootstrap.servers", "unused:1", "state.dir", dir.toString()));
        var made = new TopologyTestDriver(topology, properties);
        var store = (BucketStore) made.getStateStore(BucketStore.NAME);
        offsets = new TaskOffsets(SOURCES, (topic, partition) -> 17, new CommittedOffsets(), store.wrapped(), metrics);
        store.serve(() -> {}, offsets);
        return made;
    }

    private record Position(String topic, int partition, long offset) implements RecordMetadata {}

    private void pipe(String key, String value, Headers headers) {
        driver.createInputTopic("agent-requests", new ByteArraySerializer(), new ByteArraySerializer())
                .pipeInput(new TestRecord<>(
                        key == null ? null : utf8(key), value == null ? null : utf8(value), headers, 5L));
    }

    private Record<byte[], Incoming> one() {
        assertThat(forwarded).hasSize(1);
        return forwarded.get(0);
    }

    private static List<String> texts(Headers headers) {
        return Stream.of(headers.toArray())
                .map(header -> header.key() + "=" + text(header))
                .toList();
    }

    private static String text(Header header) {
        return header.value() == null ? "null" : new String(header.value(), UTF_8);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }
}
