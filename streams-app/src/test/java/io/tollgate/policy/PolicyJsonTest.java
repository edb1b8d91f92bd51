package io.tollgate.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.schemas.SchemaFiles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyJsonTest {
    static Stream<Path> validExamples() {
        return examples("valid");
    }

    static Stream<Path> invalidExamples() {
        return examples("invalid");
    }

    private static Stream<Path> examples(String folder) {
        return SchemaFiles.list("examples/" + folder, ".json").stream()
                .filter(file -> file.getFileName().toString().startsWith("agent-quota."));
    }

    @ParameterizedTest
    @MethodSource("validExamples")
    void validExampleSurvivesARoundTrip(Path file) throws InvalidPolicyException {
        var policy = PolicyJson.parse(utf8(SchemaFiles.read(file)));

        assertThat(PolicyJson.parse(PolicyJson.write(policy))).isEqualTo(policy);
    }

    @ParameterizedTest
    @MethodSource("invalidExamples")
    void invalidExampleIsRefused(Path file) {
        assertThat(refusal(SchemaFiles.read(file))).doesNotStartWith("accepted");
    }

    @Test
    void limitsKeepTheirOrder() throws InvalidPolicyException {
        var policy = PolicyJson.parse(utf8("""
                {"mode":"shadow","note":"try","limits":[
                  {"name":"burst","capacity":50,"refill_rate":20},{"name":"day","refill_rate":1.5,"capacity":1e5}]}"""));

        assertThat(policy)
                .isEqualTo(new PolicyDocument(
                        Mode.SHADOW,
                        List.of(
                                new NamedLimit("burst", new Limit(50, 20)),
                                new NamedLimit("day", new Limit(100_000, 1.5))),
                        Optional.of("try")));
        assertThat(new String(PolicyJson.write(policy), StandardCharsets.UTF_8))
                .isEqualTo(
                        "{\"limits\":[{\"name\":\"burst\",\"capacity\":50,\"refill_rate\":20},"
                                + "{\"name\":\"day\",\"capacity\":100000,\"refill_rate\":1.5}],\"mode\":\"shadow\",\"note\":\"try\"}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                                                        | value must be a JSON object, but is empty",
                "[]                                                        | value must be a JSON object",
                "{\"capacity\":1,\"refill_rate\":1} x                      | value must be JSON: broken at character 31",
                "{\"capacity\":1,\"refill_rate\":1}{}                      | value must end after the JSON object",
                "{\"capacity\":1,\"refill_rate\":1                         | value must be JSON: broken at character 29",
                "{\"capacity\":1,\"capacity\":1,\"refill_rate\":1}         | capacity must not appear twice",
                "{\"mode\":\"off\",\"mode\":\"off\"}                       | mode must not appear twice",
                "{\"capacity\":NaN,\"refill_rate\":1}                      | value must be JSON: broken at character 15",
                "{\"capacity\":1e999999999,\"refill_rate\":1}              | capacity must be above 0 and at most 1e12",
                "{\"capacity\":1,\"refill_rate\":-1}                       | refill_rate must be from 0 to 1e12",
                "{\"capacity\":true,\"refill_rate\":1}                     | capacity must be a number",
                "{\"capacity\":1,\"refill_rate\":1,\"rate\":2}             | rate is not a field of a policy; there are capacity, refill_rate, period, zone, mode, limits, holds, note",
                "{\"limits\":[{\"name\":\"a\",\"capacity\":1}]}            | limits[0].refill_rate is missing, or period",
                "{\"capacity\":1,\"refill_rate\":1,\"period\":\"day\"}        | refill_rate cannot be combined with period: a limit has one of them",
                "{\"capacity\":1,\"refill_rate\":1,\"zone\":\"UTC\"}          | zone needs period",
                "{\"capacity\":1,\"period\":\"monthly\"}                     | period must be minute, hour, day, week or month, but is \"monthly\"",
                "{\"capacity\":1,\"period\":7}                             | period must be a string",
                "{\"capacity\":1,\"perod\":\"day\"}                          | perod is not a field of a policy; there are capacity, refill_rate, period, zone, mode, limits, holds, note",
                "{\"capacity\":1,\"period\":\"day\",\"zone\":\"GMT+2\"}         | zone must be the name of a time zone, such as Europe/Berlin or UTC, but is \"GMT+2\"",
                "{\"capacity\":1,\"period\":\"day\",\"zone\":\" Europe/Berlin\"} | zone must be the name of a time zone, such as Europe/Berlin or UTC, but is \" Europe/Berlin\"; did you mean Europe/Berlin?",
                "{\"capacity\":1,\"period\":\"day\",\"zone\":\"berlin\"}        | zone must be the name of a time zone, such as Europe/Berlin or UTC, but is \"berlin\"; did you mean Europe/Berlin?",
                "{\"capacity\":1,\"period\":\"day\",\"zone\":\"+01:00\"}        | zone must be the name of a time zone, such as Europe/Berlin or UTC, but is \"+01:00\"",
                "{\"limits\":[{\"name\":\"a\",\"capacity\":1,\"zone\":\"UTC\"}]} | limits[0].zone needs period",
                "{\"limits\":[{\"name\":\"A\",\"capacity\":1}]}            | limits[0].name must be 1 to 64 lower case letters, digits, - and _, and begin with a letter or digit",
                "{\"limits\":[1]}                                          | limits[0] must be an object",
                "{\"note\":\"\\ud800\"}                                    | note must not contain a lone surrogate",
                "{\"note\":[[[[[[[[[[[]]]]]]]]]]]}                         | note must be a string",
                "{\"holds\":true}                                          | holds must be an object",
                "{\"holds\":{\"within_s\":0}}                              | holds.within_s must be a whole number from 1 to 604800",
                "{\"holds\":{\"within_s\":1.5}}                            | holds.within_s must be a whole number from 1 to 604800",
                "{\"holds\":{\"within_s\":\"9\"}}                          | holds.within_s must be a number",
                "{\"holds\":{\"max_open\":100001}}                         | holds.max_open must be a whole number from 1 to 100000",
                "{\"holds\":{\"unsettled\":\"lost\"}}                      | holds.unsettled must be charged or returned",
                "{\"holds\":{\"max\":1}}                                   | holds.max is not a field of a policy; there are within_s, unsettled, max_open",
                "{\"holds\":{\"max_open\":1,\"max_open\":1}}                | holds.max_open must not appear twice",
                "{\"x\":1}                                                 | x is not a field of a policy; there are capacity, refill_rate, period, zone, mode, limits, holds, note",
            })
    void mistakeNamesFieldAndRule(String json, String message) {
        assertThat(refusal(json)).isEqualTo(message);
    }

    @Test
    void repeatedLimitNameIsRefused() {
        assertThat(refusal("{\"limits\":[{\"name\":\"a\",\"capacity\":1,\"refill_rate\":1},"
                        + "{\"name\":\"a\",\"capacity\":2,\"refill_rate\":1}]}"))
                .isEqualTo("limits[1].name must not appear twice: a");
    }

    @ParameterizedTest
    @ValueSource(ints = {11, 10_000})
    void deepNestingIsRefused(int depth) {
        assertThat(refusal("[".repeat(depth))).startsWith("value must");
        assertThat(refusal("{\"limits\":" + "[".repeat(depth))).startsWith("limits[0] must be an object");
    }

    @Test
    void hostileTextIsOneShortLine() {
        var long1 = refusal("{\"" + "x\\n".repeat(5_000) + "\":1}");
        assertThat(long1).hasSizeLessThan(200).doesNotContain("\n");
        assertThat(refusal("\"" + "x".repeat(70_000) + "\""))
                .isEqualTo("value must have at most 65536 bytes, but has 70002");
        assertThat(refusal("{\"note\":\"" + "x".repeat(1001) + "\"}"))
                .isEqualTo("note must have at most 1000 characters");
        assertThat(refusal("{\"capacity\":" + "1".repeat(5_000) + "}"))
                .isEqualTo("capacity must have at most 1000 digits");
    }

    @Test
    void invalidUtf8IsRefused() {
        assertThatExceptionOfType(InvalidPolicyException.class)
                .isThrownBy(() -> PolicyJson.parse(new byte[] {'{', (byte) 0xff, '}'}))
                .withMessage("value must be UTF-8");
        assertThat(refusal("\uFEFF{}")).isEqualTo("value must not begin with a byte order mark");
    }

    private static String refusal(String json) {
        try {
            return "accepted as " + PolicyJson.parse(utf8(json == null ? "" : json));
        } catch (InvalidPolicyException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
