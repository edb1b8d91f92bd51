package io.tollgate.schemas;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AsyncApiTest {
    private static final JsonNode DOCUMENT = document();

    static Stream<String> references() {
        return DOCUMENT.findValuesAsText("$ref").stream().distinct();
    }

    @Test
    void topicsAreThoseOfTheContract() {
        List<String> topics = new ArrayList<>();
        DOCUMENT.path("channels")
                .forEach(channel -> topics.add(channel.path("address").asText()));

        assertThat(DOCUMENT.path("asyncapi").asText()).isEqualTo("3.0.0");
        assertThat(topics)
                .containsExactly(
                        "agent-requests",
                        "approved-requests",
                        "rejected-requests",
                        "agent-quotas",
                        "quota-events",
                        "agent-usage",
                        "settled-requests");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("references")
    void everyReferenceIsFound(String reference) {
        if (reference.startsWith("#/")) {
            assertThat(DOCUMENT.at(reference.substring(1)).isMissingNode()).isFalse();
        } else {
            assertThat(Files.isRegularFile(SchemaFiles.folder().resolve(reference)))
                    .isTrue();
        }
    }

    @Test
    void everySchemaIsReferenced() {
        assertThat(references())
                .containsAll(SchemaFiles.list("", ".schema.json").stream()
                        .map(file -> "./" + file.getFileName())
                        .toList());
    }

    private static JsonNode document() {
        try {
            return new YAMLMapper()
                    .readTree(SchemaFiles.read(SchemaFiles.folder().resolve("asyncapi.yaml")));
        } catch (JsonProcessingException notYaml) {
            throw new IllegalStateException(notYaml);
        }
    }
}
