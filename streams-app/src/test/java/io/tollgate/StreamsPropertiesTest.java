package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.junit.jupiter.api.Test;

class StreamsPropertiesTest {
    @Test
    void givenNothing_whenStarted_thenOurSettingsHold() throws SettingsException {
        var producer = producer(Map.of());

        assertThat(producer)
                .containsEntry(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, StreamsProperties.LARGEST_RECORD_BYTES)
                .containsEntry(ProducerConfig.LINGER_MS_CONFIG, 10);
    }

    @Test
    void givenWhatWeSetForProducers_whenTheUserSetsItForAllClients_thenTheUsersHolds() throws SettingsException {
        var producer = producer(Map.of(
                "KAFKA_MAX_REQUEST_SIZE", "1000000", "KAFKA_LINGER_MS", "3", "KAFKA_PRODUCER_BATCH_SIZE", "1000"));

        assertThat(producer)
                .containsEntry(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, "1000000")
                .containsEntry(ProducerConfig.LINGER_MS_CONFIG, "3")
                .containsEntry(ProducerConfig.BATCH_SIZE_CONFIG, "1000");
    }

    private static Map<String, Object> producer(Map<String, String> environment) throws SettingsException {
        var settings = Settings.from(environment, Settings.Use.PIPELINE);
        return new StreamsConfig(StreamsProperties.of(settings)).getProducerConfigs("test");
    }
}
