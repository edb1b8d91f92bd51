package io.tollgate.connectors;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.ConnectWorker;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.OwnThread;
import io.tollgate.sandbox.process.PostgresServer;
import io.tollgate.sandbox.process.QuotaDatabase;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Everything between an agent and an auditor, started as users start it. */
final class World implements AutoCloseable {
    final KafkaBroker broker;
    final PostgresServer postgres;
    final QuotaDatabase database;
    final ConnectWorker worker;
    final ApplicationProcess application;
    private final KafkaProducer<byte[], byte[]> producer;
    private final Deque<AutoCloseable> starting = new ConcurrentLinkedDeque<>();

    World(Map<String, String> settings) throws Exception {
        // Kept after the test, to explain a failure.
        var logs = Path.of("target", "logs").toAbsolutePath();
        try {
            var kafka = inBackground(KafkaBroker::start);
            postgres = started(PostgresServer.start(
                    PostgresServer.PostgresOptions.defaults().withLog(logs.resolve("postgres.log"))));
            database = QuotaDatabase.prepare(postgres);
            broker = kafka.join();
            var environment = new HashMap<>(database.environment());
            environment.put("TZ", "Asia/Kolkata"); // times in the audit must not depend on where the worker stands
            var connect = inBackground(
                    () -> ConnectWorker.start(ConnectWorker.WorkerOptions.of(broker.bootstrapServers(), environment)
                            .withLog(logs.resolve("connect.log"))));
            application = started(startPipeline(settings));
            worker = connect.join();
            application.awaitReady(Duration.ofSeconds(90));
            producer = started(new KafkaProducer<>(
                    Map.of("bootstrap.servers", broker.bootstrapServers()),
                    new ByteArraySerializer(),
                    new ByteArraySerializer()));
        } catch (Exception e) {
            close();
            throw e;
        }
    }

    private ApplicationProcess startPipeline(Map<String, String> settings) throws IOException {
        Path stateDir = Files.createTempDirectory(Path.of("target").toAbsolutePath(), "state-");
        var options = ApplicationProcess.AppOptions.defaults()
                .withEnvironment("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrapServers())
                // Not the user's own folder: this run would take over the buckets of another one.
                .withEnvironment("TOLLGATE_STATE_DIR", stateDir.toString());
        try (var topics = ApplicationProcess.start(options.withArguments("topics", "create"))) {
            if (topics.awaitExit(Duration.ofSeconds(60)).orElse(-1) != 0) {
                throw new IllegalStateException(topics.output());
            }
        }
        for (var setting : settings.entrySet()) {
            options = options.withEnvironment(setting.getKey(), setting.getValue());
        }
        return ApplicationProcess.start(options);
    }

    private <T extends AutoCloseable> CompletableFuture<T> inBackground(Supplier<T> start) {
        return OwnThread.supply(() -> started(start.get()));
    }

    private <T extends AutoCloseable> T started(T one) {
        starting.push(one);
        return one;
    }

    /** Publishes and waits until Kafka has it. */
    void publish(String topic, String key, byte[] value, Map<String, String> headers) throws Exception {
        var toSend = new ProducerRecord<>(topic, key.getBytes(StandardCharsets.UTF_8), value);
        headers.forEach((name, text) -> toSend.headers().add(name, text.getBytes(StandardCharsets.UTF_8)));
        try {
            producer.send(toSend).get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    void request(String agent, String json) throws Exception {
        publish("agent-requests", agent, json.getBytes(StandardCharsets.UTF_8), Map.of());
    }

    /** Returns the committed records of a topic, oldest first within each partition; none if there is no such topic. */
    List<ConsumerRecord<byte[], byte[]>> read(String topic) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
            if (!admin.listTopics().names().get().contains(topic)) return List.of();
        }
        var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers(), "isolation.level", "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(partition -> new TopicPartition(topic, partition.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
        }
        return records;
    }

    /** Returns the first column of the first row, as an auditor sees it. */
    Optional<Object> asAuditor(String query) throws Exception {
        return ask("auditor", query);
    }

    Optional<Object> ask(String role, String query) throws Exception {
        try (var connection = database.connect(role);
                var statement = connection.createStatement();
                var rows = statement.executeQuery(query)) {
            return rows.next() ? Optional.ofNullable(rows.getObject(1)) : Optional.empty();
        }
    }

    long count(String query) throws Exception {
        return ((Number) asAuditor(query).orElseThrow()).longValue();
    }

    void asOperator(String sql) throws Exception {
        try (var connection = database.connect("operator");
                var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** Ends everything, the last one that was started first. */
    @Override
    public void close() {
        while (!starting.isEmpty()) {
            try {
                starting.pop().close();
            } catch (Exception e) {
                throw new IllegalStateException("a part did not end", e);
            }
        }
    }
}
