package io.tollgate.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyDocument;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
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
                "a: &x {capacity: 1, refill_rate: 1}\nb: *x\n",
                "a: {limits: [&x {name: l, capacity: 1, refill_rate: 1}]}\nb: {limits: [*x]}\n",
                "a: {capacity: &x 1, refill_rate: 1}\nb: {capacity: *x, refill_rate: 1}\n"
            })
    void yamlAliasIsRefusedByName(String text) {
        assertThatThrownBy(() -> PolicyFile.parse(text.getBytes(UTF_8)))
                .isInstanceOf(CommandFailure.class)
                .hasMessage("line 2: the alias *x is not followed: write out what it stands for");
    }

    @Test
    void endlessFileIsRefused() {
        assertThatThrownBy(() -> PolicyCommand.bytes("/dev/zero"))
                .isInstanceOf(CommandFailure.class)
                .hasMessageMatching(
                        "cannot read /dev/zero: it has more than \\d+ MB, the most that this command takes with a heap of \\d+ MB");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'*': {capacity: 1000, refill_rate: 10}\nagent-7:\n  capacity: 20\n  refill_rate: 0.5\n",
                "{\"*\":{\"capacity\":1000,\"refill_rate\":10},\n\t\"agent-7\":{\"capacity\":2e1,\"refill_rate\":0.5}}",
                "\uFEFF# a comment\n\"*\": {capacity: 1_000, refill_rate: 10, mode: enforce}\n"
                        + "'agent-7': {refill_rate: 5e-1, capacity: 20.0}"
            })
    void yamlAndJsonAreReadAlike(String text) {
        assertThat(PolicyFile.parse(text.getBytes(UTF_8))).isEqualTo(TWO);
    }

    @Test
    void exampleHoldsWhatItSays() throws IOException {
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
                                "monthly",
                                enforce(NamedLimit.only(Limit.each(Period.MONTH, "Europe/Berlin", 5_000_000)))),
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
    void everyMistakeHasItsLine() {
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
    void fileMustBeAMap(String text, String said) {
        assertThatThrownBy(() -> PolicyFile.parse(text.getBytes(UTF_8)))
                .isInstanceOf(CommandFailure.class)
                .satisfies(failure ->
                        assertThat(failure.getMessage()).contains(said).hasLineCount(1));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void writtenFilesAreReadBack(long seed) {
        var random = new Random(seed);
        var policies = new TreeMap<String, PolicyDocument>();
        for (String id : List.of(
                "*", "acme/*", "42", "null", "no", "y", "1e3", "@ops", "-x", " a ", "a: b", "#", "'", "\"", "{", "~"))
            policies.put(id, enforce(NamedLimit.only(new Limit(1, 0))));
        while (policies.size() < 300) {
            var id = text(random, 1 + random.nextInt(80));
            if (AgentId.brokenRule(id).isPresent()) continue;
            var limits = random.nextBoolean()
                    ? List.of(NamedLimit.only(new Limit(random.nextDouble() * 1e12, random.nextInt(10))))
                    : List.of(new NamedLimit("a", new Limit(1e-9, 1)), new NamedLimit("b", new Limit(1, 1e12)));
            var note = random.nextBoolean() ? Optional.of(text(random, random.nextInt(200))) : Optional.<String>empty();
            policies.put(id, new PolicyDocument(Mode.values()[random.nextInt(3)], limits, note));
        }

        var written = PolicyFile.write(policies);

        assertThat(PolicyFile.parse(written.getBytes(UTF_8))).isEqualTo(policies);
        assertThat(PolicyFile.write(PolicyFile.parse(written.getBytes(UTF_8)))).isEqualTo(written);
    }

    /** All of Unicode, and often what YAML or a terminal might take for something else. */
    private static String text(Random random, int length) {
        var special = " \t\n\r:#-?*&!|>'\"%@`{}[],\\\u0085\u00a0\u2028\u2029\ufeff\ufffe\u007f\u0000";
        var text = new StringBuilder();
        while (text.codePointCount(0, text.length()) < length) {
            int c = random.nextInt(3) == 0
                    ? special.charAt(random.nextInt(special.length()))
                    : random.nextInt(2) == 0 ? 'a' + random.nextInt(26) : random.nextInt(0x110000);
            if (c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE) text.appendCodePoint(c);
        }
        return text.toString();
    }

    @Test
    void listOutputIsReadBack() {
        var list = "[ {\"agent_id\": \"a\", \"policy\": \"a@0/0\", \"source\": \"own\", \"capacity\": 20,"
                + " \"refill_rate\": 0.5, \"mode\": \"enforce\", \"limits\": [{\"capacity\": 20, \"refill_rate\": 0.5}],"
                + " \"note\": null},\n{\"agent_id\": \"b\", \"ignored\": {\"policy\": \"b@0/1\", \"mistake\": \"x\"}},\n"
                + "{\"agent_id\": \"c\", \"capacity\": 0, \"refill_rate\": 1},\n{\"agent_id\": \"\", \"capacity\": 1}]";

        assertThatThrownBy(() -> PolicyFile.parse(list.getBytes(UTF_8)))
                .hasMessage("line 3: c: capacity must be above 0 and at most 1e12" + System.lineSeparator()
                        + "line 4: : an agent's id must not be empty");
        assertThat(PolicyFile.parse(list.substring(0, list.indexOf(",\n{\"agent_id\": \"c\""))
                        .concat("]")
                        .getBytes(UTF_8)))
                .isEqualTo(Map.of("a", enforce(NamedLimit.only(new Limit(20, 0.5)))));
    }

    @Test
    void binaryFileIsRefused() {
        assertThatThrownBy(() -> PolicyFile.parse(new byte[] {(byte) 0xff, (byte) 0xfe, 'a'}))
                .hasMessage("the file is not UTF-8");
    }

    private static PolicyDocument enforce(NamedLimit... limits) {
        return new PolicyDocument(Mode.ENFORCE, List.of(limits), Optional.empty());
    }
}
