package io.tollgate.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StreamsPropertiesTest {
    @Test
    void ourSettingsAreTheDefault() throws SettingsException {
        var producer = producer(Map.of());

        assertThat(producer)
                .containsEntry(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, StreamsProperties.LARGEST_RECORD_BYTES)
                .containsEntry(ProducerConfig.LINGER_MS_CONFIG, 10)
                .containsEntry(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    }

    @ParameterizedTest
    @ValueSource(strings = {"KAFKA_COMPRESSION_TYPE", "KAFKA_PRODUCER_COMPRESSION_TYPE"})
    void userMayChangeTheCompression(String variable) throws SettingsException {
        assertThat(producer(Map.of(variable, "none"))).containsEntry(ProducerConfig.COMPRESSION_TYPE_CONFIG, "none");
    }

    @Test
    void usersSettingForAllClientsWins() throws SettingsException {
        var producer = producer(Map.of(
                "KAFKA_MAX_REQUEST_SIZE", "1000000", "KAFKA_LINGER_MS", "3", "KAFKA_PRODUCER_BATCH_SIZE", "1000"));

        assertThat(producer)
                .containsEntry(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, "1000000")
                .containsEntry(ProducerConfig.LINGER_MS_CONFIG, "3")
                .containsEntry(ProducerConfig.BATCH_SIZE_CONFIG, "1000");
    }

    @ParameterizedTest
    @ValueSource(strings = {"at_least_once", "exactly_once_v2"})
    void everyConsumerReadsCommitted(String guarantee) throws SettingsException {
        var settings = Settings.from(Map.of("TOLLGATE_PROCESSING_GUARANTEE", guarantee), Settings.Use.PIPELINE);
        var streams = new StreamsConfig(StreamsProperties.of(settings));

        var consumers = List.of(
                streams.getMainConsumerConfigs("group", "main", 0),
                streams.getRestoreConsumerConfigs("restore"),
                streams.getGlobalConsumerConfigs("global"));

        assertThat(consumers)
                .allSatisfy(each ->
                        assertThat(each).containsEntry(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed"));
    }

    /** A thread that stood still for longer has lost its partitions: it must measure by the timeout that counts. */
    @ParameterizedTest
    @CsvSource({
        "KAFKA_CLIENT_ID, 10000",
        "KAFKA_SESSION_TIMEOUT_MS, 7000",
        "KAFKA_CONSUMER_SESSION_TIMEOUT_MS, 7000",
        "KAFKA_MAIN_CONSUMER_SESSION_TIMEOUT_MS, 7000",
        "KAFKA_RESTORE_CONSUMER_SESSION_TIMEOUT_MS, 10000"
    })
    void sessionTimeoutIsThatOfTheMainConsumer(String variable, int millis) throws SettingsException {
        var properties = StreamsProperties.of(Settings.from(Map.of(variable, "7000"), Settings.Use.PIPELINE));

        assertThat(StreamsProperties.sessionTimeout(properties)).hasMillis(millis);
        assertThat(new StreamsConfig(properties)
                        .getMainConsumerConfigs("group", "main", 0)
                        .get(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG))
                .hasToString("" + millis);
    }

    private static Map<String, Object> producer(Map<String, String> environment) throws SettingsException {
        var settings = Settings.from(environment, Settings.Use.PIPELINE);
        return new StreamsConfig(StreamsProperties.of(settings)).getProducerConfigs("test");
    }
}
