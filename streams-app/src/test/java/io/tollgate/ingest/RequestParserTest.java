package io.tollgate.ingest;

import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

public class RequestParserTest {
    private static final Path EXAMPLES = Path.of("..", "schemas", "examples");

    private final RequestParser parser = new RequestParser();

    @Test
    void everyFieldIsRead() throws Exception {
        byte[] bytes = utf8(
                "{\"request_id\":\"r-1\",\"agent_id\":\"agent-7\",\"tokens\":10,\"payload\":{\"agent_id\":[1,{}]}}");

        var request = parser.parse(bytes);

        assertThat(request.requestId()).hasValue("r-1");
        assertThat(request.agentId()).isEqualTo("agent-7");
        assertThat(request.costTokens()).isEqualTo(10);
        assertThat(request.bytes()).isSameAs(bytes);
    }

    @Test
    void costIsOneTokenByDefault() throws Exception {
        var request = parser.parse(utf8("{\"agent_id\":\"a\"}"));

        assertThat(request.requestId()).isEmpty();
        assertThat(request.costTokens()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"*", "a}{b", "../x", "quota:other:tokens", "${jndi:x}", "__proto__", "{}", " ", "ключ", "🦊"})
    void oddAgentIsPlainData(String agentId) throws Exception {
        assertThat(parser.parse(utf8("{\"agent_id\":\"" + agentId + "\"}")).agentId())
                .isEqualTo(agentId);
    }

    @Test
    void escapesMeanWhatJsonSays() throws Exception {
        var request = parser.parse(utf8("{\"agent\\u005fid\":\"\\ud83e\\udd8a\",\"t\\u006fkens\":2}"));

        assertThat(request.agentId()).isEqualTo("🦊");
        assertThat(request.costTokens()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0",
                "-0",
                "-0.0",
                "0e999999999",
                "0.25",
                "1e12",
                "1000000000000",
                "1E+3",
                "4.9e-324",
                "1e-999999999"
            })
    void costIsTheNearestDouble(String tokens) throws Exception {
        double cost = parser.parse(withTokens(tokens)).costTokens();

        assertThat(cost).isEqualTo(Double.parseDouble(tokens) + 0.0);
        assertThat(1 / cost).as("never -0").isPositive();
    }

    @Test
    void longestNamesAreLegal() throws Exception {
        var request = parser.parse(
                utf8("{\"agent_id\":\"" + "é".repeat(128) + "\",\"request_id\":\"" + "r".repeat(256) + "\"}"));

        assertThat(request.key()).hasSize(256);
        assertThat(request.requestId()).hasValue("r".repeat(256));
    }

    public static Stream<Arguments> illegal() {
        return Stream.of(
                arguments("null value", null, "value must be a JSON object, but is null"),
                arguments("empty value", utf8(""), "value must be a JSON object, but is empty"),
                arguments("only blanks", utf8(" \n"), "value must be a JSON object"),
                arguments("not JSON", utf8("hello"), "value must be JSON: broken at byte"),
                arguments("truncated in a name", utf8("{\"agent_id"), "value must be JSON: broken at byte"),
                arguments("truncated in a value", utf8("{\"agent_id\":\"a"), "value must be JSON: broken at byte"),
                arguments("truncated after a value", utf8("{\"agent_id\":\"a\""), "value must be JSON: broken at byte"),
                arguments("truncated in a payload", utf8("{\"agent_id\":\"a\",\"p\":[{"), "value must be JSON: broken"),
                arguments("trailing garbage", utf8("{\"agent_id\":\"a\"}x"), "value must be JSON: broken at byte"),
                arguments("a second object", utf8("{\"agent_id\":\"a\"}{}"), "value must end after the JSON object"),
                arguments("a comment", utf8("{\"agent_id\":\"a\"/**/}"), "value must be JSON: broken at byte"),
                arguments("single quotes", utf8("{'agent_id':'a'}"), "value must be JSON: broken at byte"),
                arguments("trailing comma", utf8("{\"agent_id\":\"a\",}"), "value must be JSON: broken at byte"),
                arguments("an array", utf8("[{\"agent_id\":\"a\"}]"), "value must be a JSON object"),
                arguments("a string", utf8("\"agent_id\""), "value must be a JSON object"),
                arguments("a number", utf8("7"), "value must be a JSON object"),
                arguments("null", utf8("null"), "value must be a JSON object"),
                arguments("invalid UTF-8 in the agent", broken("{\"agent_id\":\"~\"}"), "value must be UTF-8"),
                arguments(
                        "invalid UTF-8 in a payload",
                        broken("{\"agent_id\":\"a\",\"p\":\"~\"}"),
                        "value must be UTF-8"),
                arguments("invalid UTF-8 in a name", broken("{\"agent_id\":\"a\",\"~\":1}"), "value must be UTF-8"),
                arguments("UTF-16 with its mark", "{\"agent_id\":\"a\"}".getBytes(UTF_16), "value must be UTF-8"),
                arguments(
                        "UTF-16",
                        "{\"agent_id\":\"a\"}".getBytes(java.nio.charset.StandardCharsets.UTF_16LE),
                        "value must be UTF-8"),
                arguments(
                        "UTF-32",
                        "{\"agent_id\":\"a\"}".getBytes(java.nio.charset.Charset.forName("UTF-32")),
                        "value must be UTF-8"),
                arguments(
                        "byte order mark",
                        utf8("\uFEFF{\"agent_id\":\"a\"}"),
                        "value must not begin with a byte order mark"),
                arguments("agent_id missing", utf8("{\"tokens\":1}"), "agent_id is missing"),
                arguments("agent_id deeper", utf8("{\"p\":{\"agent_id\":\"a\"}}"), "agent_id is missing"),
                arguments("agent_id null", withAgent("null"), "agent_id must be a string"),
                arguments("agent_id empty", withAgent("\"\""), "agent_id must not be empty"),
                arguments("agent_id a number", withAgent("7"), "agent_id must be a string"),
                arguments("agent_id an object", withAgent("{\"agent_id\":\"a\"}"), "agent_id must be a string"),
                arguments("agent_id an array", withAgent("[\"a\"]"), "agent_id must be a string"),
                arguments(
                        "agent_id of 257 bytes",
                        withAgent("\"" + "x".repeat(257) + "\""),
                        "agent_id must be at most 256 bytes of UTF-8"),
                arguments(
                        "agent_id of 129 times 2 bytes",
                        withAgent("\"" + "é".repeat(129) + "\""),
                        "agent_id must be at most 256 bytes of UTF-8"),
                arguments(
                        "agent_id with a line break",
                        withAgent("\"a\\n\""),
                        "agent_id must not contain control characters"),
                arguments(
                        "agent_id with a zero",
                        withAgent("\"\\u0000\""),
                        "agent_id must not contain control characters"),
                arguments(
                        "agent_id with DEL", withAgent("\"\\u007f\""), "agent_id must not contain control characters"),
                arguments("agent_id with NEL", withAgent("\"\u0085\""), "agent_id must not contain control characters"),
                arguments(
                        "agent_id with a high surrogate",
                        withAgent("\"a\\ud83e\""),
                        "agent_id must not contain a lone surrogate"),
                arguments(
                        "agent_id with a low surrogate",
                        withAgent("\"\\udd8aa\""),
                        "agent_id must not contain a lone surrogate"),
                arguments(
                        "agent_id twice",
                        utf8("{\"agent_id\":\"a\",\"agent_id\":\"b\"}"),
                        "agent_id must not appear twice"),
                arguments(
                        "agent_id twice, once escaped",
                        utf8("{\"agent_id\":\"a\",\"agent\\u005fid\":\"b\"}"),
                        "agent_id must not appear twice"),
                arguments(
                        "request_id null",
                        utf8("{\"agent_id\":\"a\",\"request_id\":null}"),
                        "request_id must be a string"),
                arguments(
                        "request_id a number",
                        utf8("{\"agent_id\":\"a\",\"request_id\":1}"),
                        "request_id must be a string"),
                arguments(
                        "request_id empty",
                        utf8("{\"agent_id\":\"a\",\"request_id\":\"\"}"),
                        "request_id must not be empty"),
                arguments(
                        "request_id of 257 bytes",
                        utf8("{\"agent_id\":\"a\",\"request_id\":\"" + "x".repeat(257) + "\"}"),
                        "request_id must be at most 256 bytes of UTF-8"),
                arguments(
                        "request_id with a lone surrogate",
                        utf8("{\"agent_id\":\"a\",\"request_id\":\"\\ud83e\"}"),
                        "request_id must not contain a lone surrogate"),
                arguments(
                        "request_id twice",
                        utf8("{\"agent_id\":\"a\",\"request_id\":\"r\",\"request_id\":\"r\"}"),
                        "request_id must not appear twice"),
                arguments("tokens negative", withTokens("-1"), "tokens must be a finite number from 0 to 1e12"),
                arguments(
                        "tokens just below 0",
                        withTokens("-4.9e-324"),
                        "tokens must be a finite number from 0 to 1e12"),
                arguments("tokens NaN", withTokens("NaN"), "value must be JSON: broken at byte"),
                arguments("tokens Infinity", withTokens("Infinity"), "value must be JSON: broken at byte"),
                arguments("tokens hexadecimal", withTokens("0x10"), "value must be JSON: broken at byte"),
                arguments(
                        "tokens 1e999999999",
                        withTokens("1e999999999"),
                        "tokens must be a finite number from 0 to 1e12"),
                arguments(
                        "tokens over 1e12",
                        withTokens("1000000000000.1"),
                        "tokens must be a finite number from 0 to 1e12"),
                arguments(
                        "tokens of a million digits",
                        withTokens("1".repeat(1_000_000)),
                        "tokens must have at most 1000 digits"),
                arguments("tokens a string", withTokens("\"10\""), "tokens must be a number"),
                arguments("tokens a boolean", withTokens("true"), "tokens must be a number"),
                arguments("tokens null", withTokens("null"), "tokens must be a number"),
                arguments("tokens an array", withTokens("[1]"), "tokens must be a number"),
                arguments("tokens an object", withTokens("{}"), "tokens must be a number"),
                arguments(
                        "tokens twice",
                        utf8("{\"agent_id\":\"a\",\"tokens\":1,\"tokens\":1}"),
                        "tokens must not appear twice"),
                arguments(
                        "tokens twice, first 0",
                        utf8("{\"agent_id\":\"a\",\"tokens\":0,\"tokens\":0}"),
                        "tokens must not appear twice"),
                arguments(
                        "a name of 50001 characters",
                        utf8("{\"agent_id\":\"a\",\"" + "n".repeat(50_001) + "\":1}"),
                        "value must not nest deeper than 1000 levels, nor hold names above 50000 characters"),
                arguments("nesting of 1001", nested(1001), "value must not nest deeper than 1000 levels"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("illegal")
    void detailNamesFieldAndRule(String what, byte[] bytes, String detail) {
        assertThatThrownBy(() -> assertTimeoutPreemptively(Duration.ofSeconds(5), () -> parser.parse(bytes)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith(detail)
                .satisfies(thrown -> assertThat(thrown.getMessage()).hasSizeLessThanOrEqualTo(200));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"a\",\"#\":#}",
                "{\"agent_id\":7,\"#\":\"#\"}",
                "{\"agent_id\":#}",
                "{\"agent_id\":{\"#\":\"#\"}}",
                "{\"agent_id\":\"a\",\"tokens\":\"#\"}",
                "{\"agent_id\":\"#\"}",
                "{\"agent_id\":\"a\",\"request_id\":\"#\"}",
                "{\"agent_id\":\"a\"}#",
                "#",
                "{\"#\":1}"
            })
    void detailHidesSecrets(String template) {
        byte[] bytes = utf8(template.replace("#", "hunter2".repeat(60)));

        assertThatThrownBy(() -> parser.parse(bytes))
                .isInstanceOf(InvalidRequestException.class)
                .satisfies(thrown -> assertThat(thrown.getMessage())
                        .doesNotContain("hunter2")
                        .hasSizeLessThanOrEqualTo(200));
    }

    @Test
    void deepNestingIsLegal() throws Exception {
        assertThat(parser.parse(nested(1000)).agentId()).isEqualTo("a");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"a\",\"p\":\"#\"}",
                "{\"agent_id\":\"a\",\"p\":[0,{\"q\":\"#\"}]}",
                "{\"p\":\"#\",\"agent_id\":\"a\"}",
                "{\"agent_id\":\"#\"}",
                "{\"agent_id\":\"a\",\"#\":1}",
                "{\"agent_id\":\"a\",\"p\":{\"#\":1}}"
            })
    void hugeStringNeedsLittleMemory(String template) {
        byte[] bytes = utf8(template.replace("#", "x".repeat(20_000_000)));

        long allocated = allocatedBy(() -> assertThatThrownBy(() -> parser.parse(bytes))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("strings above 16777216 bytes"));

        assertThat(allocated).as("bytes allocated").isLessThan(200_000_000);
    }

    @Test
    void longUnusedNumberIsCarried() throws Exception {
        var request = parser.parse(utf8("{\"n\":" + "1".repeat(100_000) + ",\"e\":1e999999999,\"agent_id\":\"a\"}"));

        assertThat(request.agentId()).isEqualTo("a");
    }

    @Test
    void longUnusedNameIsCarried() throws Exception {
        var request = parser.parse(utf8("{\"" + "n".repeat(50_000) + "\":1,\"agent_id\":\"a\"}"));

        assertThat(request.agentId()).isEqualTo("a");
    }

    @Test
    void hugeNumberIsReadFast() {
        var bytes = new byte[][] {
            withTokens("1e999999999"), withTokens("9".repeat(1_000_000)), withTokens("0." + "1".repeat(1_000_000))
        };

        assertTimeoutPreemptively(Duration.ofSeconds(5), () -> {
            for (int round = 0; round < 20; round++) {
                for (byte[] value : bytes) {
                    assertThatThrownBy(() -> parser.parse(value)).isInstanceOf(InvalidRequestException.class);
                }
            }
        });
    }

    /** Jackson keeps a table of names, and may throw when it thinks that somebody attacks it. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void manyNamesNeedLittleMemory(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        for (int record = 0; record < 5; record++) {
            var json = new StringBuilder("{\"agent_id\":\"a\"");
            for (int i = 0; i < 60_000; i++) {
                json.append(",\"").append(Long.toString(random.nextLong(), 36)).append("\":0");
            }
            byte[] bytes = utf8(json.append('}').toString());

            assertThat(parser.parse(bytes).agentId()).isEqualTo("a");
        }
    }

    /** Whatever the bytes are, the outcome is a request or a reason: any other exception would end the thread. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {11, 12, 13, 14})
    void damageThrowsNothingElse(long seed) {
        var random = new SplittableRandom(seed);
        byte[] sound = utf8(
                "{\"request_id\":\"r-1\",\"agent_id\":\"agent-é\",\"tokens\":12.5e1,\"p\":{\"q\":[1,null,\"\\u00e9\"]}}");
        var details = new HashSet<String>();
        for (int i = 0; i < 20_000; i++) {
            byte[] damaged = damage(sound, random);
            try {
                assertThat(parser.parse(damaged).bytes()).isSameAs(damaged);
            } catch (InvalidRequestException e) {
                details.add(e.getMessage());
            }
        }
        assertThat(details)
                .hasSizeGreaterThan(5)
                .allSatisfy(detail -> assertThat(detail).matches("\\p{ASCII}{1,200}"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("examples")
    void examplesAreWhatTheirFolderSays(String name, Path file, boolean valid) throws IOException {
        byte[] bytes = Files.readAllBytes(file);

        if (valid) assertThat(parse(bytes)).isPresent();
        else assertThat(parse(bytes)).isEmpty();
    }

    static Stream<Arguments> examples() throws IOException {
        var found = new ArrayList<Arguments>();
        for (boolean valid : new boolean[] {true, false}) {
            try (var files = Files.list(EXAMPLES.resolve(valid ? "valid" : "invalid"))) {
                files.filter(file -> file.getFileName().toString().startsWith("agent-request."))
                        .sorted()
                        .forEach(file -> found.add(arguments(file.getFileName().toString(), file, valid)));
            }
        }
        return found.stream();
    }

    private Optional<Request> parse(byte[] bytes) {
        try {
            return Optional.of(parser.parse(bytes));
        } catch (InvalidRequestException e) {
            return Optional.empty();
        }
    }

    private static byte[] damage(byte[] sound, SplittableRandom random) {
        byte[] damaged = java.util.Arrays.copyOf(
                sound, random.nextInt(4) == 0 ? random.nextInt(sound.length + 1) : sound.length);
        for (int times = random.nextInt(3); times >= 0 && damaged.length > 0; times--) {
            int at = random.nextInt(damaged.length);
            damaged[at] = random.nextBoolean() ? (byte) random.nextInt(256) : sound[random.nextInt(sound.length)];
        }
        return damaged;
    }

    private static long allocatedBy(Runnable work) {
        var threads = (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        work.run();
        return threads.getCurrentThreadAllocatedBytes() - before;
    }

    private static byte[] nested(int levels) {
        int arrays = levels - 1; // the object itself is the first level
        return utf8("{\"agent_id\":\"a\",\"p\":" + "[".repeat(arrays) + "]".repeat(arrays) + "}");
    }

    private static byte[] withTokens(String tokens) {
        return utf8("{\"agent_id\":\"a\",\"tokens\":" + tokens + "}");
    }

    private static byte[] withAgent(String agentId) {
        return utf8("{\"agent_id\":" + agentId + "}");
    }

    /** Returns the text with a byte for each {@code ~} that UTF-8 does not know. */
    private static byte[] broken(String text) {
        byte[] bytes = utf8(text);
        for (int i = 0; i < bytes.length; i++) if (bytes[i] == '~') bytes[i] = (byte) 0xC0;
        return bytes;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(UTF_8);
    }
}
