package io.tollgate.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyDocument;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyFileTest {
    private static final Path EXAMPLE = Path.of("..", "schemas", "examples", "policies.yaml");

    private static final Map<String, PolicyDocument> TWO = Map.of(
            "*", enforce(NamedLimit.only(new Limit(1000, 10))),
            "agent-7", enforce(NamedLimit.only(new Limit(20, 0.5))));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'*': {capacity: 1000, refill_rate: 10}\nagent-7:\n  capacity: 20\n  refill_rate: 0.5\n",
                "{\"*\":{\"capacity\":1000,\"refill_rate\":10},\n\t\"agent-7\":{\"capacity\":2e1,\"refill_rate\":0.5}}",
                "\uFEFF# a comment\n\"*\": {capacity: 1_000, refill_rate: 10, mode: enforce}\n"
                        + "'agent-7': {refill_rate: 5e-1, capacity: 20.0}"
            })
    void givenYamlOrJson_whenRead_thenThePoliciesAreTheSame(String text) {
        assertThat(PolicyFile.parse(text.getBytes(UTF_8))).isEqualTo(TWO);
    }

    @Test
    void givenTheExample_whenRead_thenItHoldsWhatItsCommentsSay() throws IOException {
        var policies = PolicyFile.parse(Files.readAllBytes(EXAMPLE));

        assertThat(policies)
                .containsExactly(
                        Map.entry("*", enforce(NamedLimit.only(new Limit(1000, 10)))),
                        Map.entry("acme/*", enforce(NamedLimit.only(new Limit(2000, 20)))),
                        Map.entry(
                                "agent-7",
                                new PolicyDocument(
                                        Mode.ENFORCE,
                                        List.of(NamedLimit.only(new Limit(5000, 50))),
                                        Optional.of("pays for more"))),
                        Map.entry(
                                "nightly-report",
                                enforce(
                                        new NamedLimit("burst", new Limit(100, 10)),
                                        new NamedLimit("day", new Limit(50_000, 0.58)))),
                        Map.entry(
                                "new-agent",
                                new PolicyDocument(
                                        Mode.SHADOW, List.of(NamedLimit.only(new Limit(200, 2))), Optional.empty())),
                        Map.entry(
                                "42",
                                new PolicyDocument(
                                        Mode.OFF, List.of(NamedLimit.only(new Limit(1, 0))), Optional.empty())));
    }

    @Test
    void givenManyMistakes_whenRead_thenEachIsSaidWithItsLine() {
        var text = "\"*\": {capacity: -1, refill_rate: 10}\n" // 1
                + "agent-7:\n" // 2
                + "  capacity: \"20\"\n"
                + "  refill_rate: 1\n"
                + "twice: {capacity: 20, refill_rate: 1}\n"
                + "twice: {capacity: 20, refill_rate: 1}\n" // 6
                + "field: {capacity: 20, capacity: 20, refill_rate: 1}\n" // 7
                + "empty:\n" // 8
                + "list: [{capacity: 20, refill_rate: 1}]\n" // 9
                + "'': {capacity: 20, refill_rate: 1}\n" // 10
                + "good: {capacity: 20, refill_rate: 1}\n"
                + "\"a\\tb\": {capacity: 20, refill_rate: 1}\n" // 12
                + "huge: {capacity: 1e999999999, refill_rate: 1}\n" // 13
                + "none: {capacity: .nan, refill_rate: 1}\n" // 14
                + "hex: {capacity: 0x10, refill_rate: 1}\n"; // 15

        assertThatThrownBy(() -> PolicyFile.parse(text.getBytes(UTF_8)))
                .isInstanceOf(CommandFailure.class)
                .satisfies(failure -> assertThat(failure.getMessage().lines())
                        .satisfiesExactly(
                                line -> assertThat(line).startsWith("line 1: *: capacity must be above 0"),
                                line -> assertThat(line).startsWith("line 2: agent-7: capacity must be a number"),
                                line -> assertThat(line).startsWith("line 6: twice must not appear twice"),
                                line -> assertThat(line).startsWith("line 7: field: capacity must not appear twice"),
                                line -> assertThat(line).startsWith("line 8: empty: value must be a JSON object"),
                                line -> assertThat(line).startsWith("line 9: list: value must be a JSON object"),
                                line -> assertThat(line).startsWith("line 10: : an agent's id must not be empty"),
                                line -> assertThat(line).startsWith("line 12: a?b: an agent's id must not contain"),
                                line -> assertThat(line)
                                        .startsWith("line 13: huge: capacity must be above 0 and at most 1e12"),
                                line -> assertThat(line).startsWith("line 14: none: capacity must be a number"),
                                line -> assertThat(line).startsWith("line 15: hex: capacity must be a number")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''                                 | line 1: the file must hold a map",
                "- a                                | line 1: the file must hold a map",
                "*: {capacity: 1, refill_rate: 1}   | (in YAML, \"*\" needs quotes)",
                "a: {capacity: 1                    | line 1",
                "{\"a\":{\"capacity\":1             | line 1: ",
                "{\"a\":{\"capacity\":1,\"refill_rate\":1}} {} | line 1: the file must end after the map",
                "{\"a\":{\"capacity\":01}}          | line 1: ",
            })
    void givenNoMap_whenRead_thenOneLineSaysWhere(String text, String said) {
        assertThatThrownBy(() -> PolicyFile.parse(text.getBytes(UTF_8)))
                .isInstanceOf(CommandFailure.class)
                .satisfies(failure ->
                        assertThat(failure.getMessage()).contains(said).hasLineCount(1));
    }

    @Test
    void givenBytesThatAreNoText_whenRead_thenThatIsSaid() {
        assertThatThrownBy(() -> PolicyFile.parse(new byte[] {(byte) 0xff, (byte) 0xfe, 'a'}))
                .hasMessage("the file is not UTF-8");
    }

    private static PolicyDocument enforce(NamedLimit... limits) {
        return new PolicyDocument(Mode.ENFORCE, List.of(limits), Optional.empty());
    }
}
