package io.tollgate.schemas;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SchemasTest {
    private static final String SUFFIX = ".schema.json";
    private static final SchemaRegistry REGISTRY =
            SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);

    static Stream<Arguments> schemas() {
        return SchemaFiles.list("", SUFFIX).stream().map(SchemasTest::named);
    }

    static Stream<Arguments> validExamples() {
        return SchemaFiles.list("examples/valid", ".json").stream().map(SchemasTest::named);
    }

    static Stream<Arguments> invalidExamples() {
        return SchemaFiles.list("examples/invalid", ".json").stream().map(SchemasTest::named);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("schemas")
    void schemaIsValid(String name, Path file) {
        var metaSchema = REGISTRY.getSchema(SchemaLocation.of(SpecificationVersion.DRAFT_2020_12.getDialectId()));

        assertThat(metaSchema.validate(SchemaFiles.read(file), InputFormat.JSON))
                .isEmpty();
        assertThat(schemaOf(name).getId()).isEqualTo("urn:tollgate:schema:" + name.replace(SUFFIX, ""));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("validExamples")
    void validExampleIsAccepted(String name, Path file) {
        assertThat(schemaOf(name).validate(SchemaFiles.read(file), InputFormat.JSON))
                .isEmpty();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("invalidExamples")
    void invalidExampleIsRefused(String name, Path file) {
        assertThat(schemaOf(name).validate(SchemaFiles.read(file), InputFormat.JSON))
                .isNotEmpty();
    }

    @Test
    void everySchemaHasBothKinds() {
        Set<String> schemas =
                schemas().map(arguments -> prefix((String) arguments.get()[0])).collect(Collectors.toSet());

        assertThat(schemas)
                .containsExactlyInAnyOrder(
                        "agent-request",
                        "rejected-request",
                        "agent-quota",
                        "quota-event",
                        "usage-report",
                        "settled-request");
        assertThat(validExamples().map(arguments -> prefix((String) arguments.get()[0])))
                .containsAll(schemas);
        assertThat(invalidExamples().map(arguments -> prefix((String) arguments.get()[0])))
                .containsAll(schemas);
    }

    private static Arguments named(Path file) {
        return Arguments.of(file.getFileName().toString(), file);
    }

    private static Schema schemaOf(String fileName) {
        Path file = SchemaFiles.folder().resolve(prefix(fileName) + SUFFIX);
        return REGISTRY.getSchema(SchemaFiles.read(file), InputFormat.JSON);
    }

    private static String prefix(String fileName) {
        return fileName.substring(0, fileName.indexOf('.'));
    }
}
