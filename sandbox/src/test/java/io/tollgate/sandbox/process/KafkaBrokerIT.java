package io.tollgate.sandbox.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaBrokerIT {
    private static final TopicPartition PARTITION = new TopicPartition("letters", 0);

    @TempDir
    private Path dir;

    /** One test of a broker's whole life, because each start takes seconds. */
    @Test
    void crashesKeepAcknowledgedRecords() throws Exception {
        KafkaBroker.BrokerOptions options =
                KafkaBroker.BrokerOptions.defaults().asShortLived().withDir(dir);
        try (KafkaBroker broker = KafkaBroker.start(options)) {
            createTopic(broker);
            try (var producer = producer(broker)) {
                producer.send(new ProducerRecord<>(PARTITION.topic(), "before")).get();

                broker.freeze();
                Future<RecordMetadata> sent = producer.send(new ProducerRecord<>(PARTITION.topic(), "frozen"));
                await().during(Duration.ofMillis(300)).until(() -> !sent.isDone());
                broker.thaw();
                await().atMost(Duration.ofSeconds(10)).until(sent::isDone);
            }

            long pid = broker.pid();
            broker.kill();
            assertThat(broker.isAlive()).isFalse();
            broker.restart();

            assertThat(broker.pid()).isNotEqualTo(pid);
            assertThat(read(broker)).containsExactly("before", "frozen");
        }
        try (KafkaBroker second = KafkaBroker.start(options)) {
            assertThat(read(second)).containsExactly("before", "frozen");
        }
    }

    @Test
    void takenPortIsNamed() throws IOException {
        try (var taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            KafkaBroker.BrokerOptions options =
                    KafkaBroker.BrokerOptions.defaults().withPort(taken.getLocalPort());

            assertThatThrownBy(() -> KafkaBroker.start(options))
                    .hasMessage("Kafka cannot listen on 127.0.0.1:" + taken.getLocalPort() + ": the port is in use");
        }
    }

    @Test
    void refusedPropertyShowsTheLog() {
        KafkaBroker.BrokerOptions options = KafkaBroker.BrokerOptions.defaults().withProperty("num.io.threads", "many");

        assertThatThrownBy(() -> KafkaBroker.start(options))
                .hasMessageContaining("ended with exit code 1")
                .hasMessageContaining("num.io.threads");
    }

    private static void createTopic(KafkaBroker broker) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
            admin.createTopics(List.of(new NewTopic(PARTITION.topic(), Optional.of(1), Optional.empty())))
                    .all()
                    .get();
        }
    }

    private static KafkaProducer<String, String> producer(KafkaBroker broker) {
        return new KafkaProducer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()), new StringSerializer(), new StringSerializer());
    }

    private static List<String> read(KafkaBroker broker) {
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()),
                new StringDeserializer(),
                new StringDeserializer())) {
            consumer.assign(List.of(PARTITION));
            consumer.seekToBeginning(List.of(PARTITION));
            long end = consumer.endOffsets(List.of(PARTITION)).get(PARTITION);
            var values = new ArrayList<String>();
            await().until(() -> {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
                return consumer.position(PARTITION) >= end;
            });
            return values;
        }
    }
}
