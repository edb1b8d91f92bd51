package io.tollgate.verify;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.verify.Reading.Doubtful;
import io.tollgate.verify.Reading.Invalid;
import io.tollgate.verify.Reading.UsageReading;
import io.tollgate.verify.Reading.Valid;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RequestReaderTest {
    @Test
    void fullRequestHasIdsAndCost() {
        assertThat(read("{\"request_id\":\"r\",\"agent_id\":\"a\",\"tokens\":2.5,\"payload\":{\"agent_id\":5}}"))
                .isEqualTo(new Valid("a", 2.5, "r", false));
        assertThat(read(" {\"agent\\u005fid\":\"ü\"}\n")).isEqualTo(new Valid("ü", 1, null, false));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"*\"}",
                "{\"agent_id\":\"a}{b ../x ${jndi:x} __proto__\"}",
                "{\"agent_id\":\"\\ud83e\\udd8a\"}",
                "{\"agent_id\":\"a\",\"tokens\":1e12}",
                "{\"agent_id\":\"a\",\"tokens\":0}",
                "{\"agent_id\":\"a\",\"payload\":{\"x\":1,\"x\":\"\\ud800\"}}",
            })
    void oddButLegalIsValid(String json) {
        assertThat(read(json)).isInstanceOf(Valid.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "null",
                "5",
                "[]",
                "{",
                "{}",
                "{\"agent_id\":\"a\"",
                "{\"agent_id\":\"a\"} x",
                "{\"agent_id\":\"a\"}{}",
                "\uFEFF{\"agent_id\":\"a\"}",
                "{\"agent_id\":null}",
                "{\"agent_id\":\"\"}",
                "{\"agent_id\":7}",
                "{\"agent_id\":{}}",
                "{\"agent_id\":\"a\\n\"}",
                "{\"agent_id\":\"a\\u007f\"}",
                "{\"agent_id\":\"\\ud800\"}",
                "{\"agent_id\":\"a\",\"agent_id\":\"a\"}",
                "{\"agent_id\":\"a\",\"tokens\":1,\"tokens\":1}",
                "{\"agent_id\":\"a\",\"tokens\":-1}",
                "{\"agent_id\":\"a\",\"tokens\":NaN}",
                "{\"agent_id\":\"a\",\"tokens\":Infinity}",
                "{\"agent_id\":\"a\",\"tokens\":1e999999999}",
                "{\"agent_id\":\"a\",\"tokens\":1000000000001}",
                "{\"agent_id\":\"a\",\"tokens\":\"10\"}",
                "{\"agent_id\":\"a\",\"tokens\":true}",
                "{\"agent_id\":\"a\",\"tokens\":null}",
                "{\"agent_id\":\"a\",\"tokens\":[1]}",
                "{\"agent_id\":\"a\",\"request_id\":\"\"}",
                "{\"agent_id\":\"a\",\"request_id\":null}",
                "{\"agent_id\":\"a\",\"hold\":null}",
                "{\"agent_id\":\"a\",\"hold\":\"true\"}",
                "{\"agent_id\":\"a\",\"hold\":1}",
            })
    void brokenRuleIsInvalid(String json) {
        assertThat(read(json)).isInstanceOf(Invalid.class);
    }

    @Test
    void beyondABoundIsInvalid() {
        assertThat(RequestReader.read(null)).isInstanceOf(Invalid.class);
        assertThat(RequestReader.read("{\"agent_id\":\"ü\"}".getBytes(ISO_8859_1)))
                .isInstanceOf(Invalid.class);
        assertThat(RequestReader.read("{\"agent_id\":\"a\"}".getBytes(UTF_16))).isInstanceOf(Invalid.class);
        assertThat(read("{\"agent_id\":\"" + "ü".repeat(128) + "\"}")).isInstanceOf(Valid.class);
        assertThat(read("{\"agent_id\":\"" + "ü".repeat(129) + "\"}")).isInstanceOf(Invalid.class);
        assertThat(read("{\"agent_id\":\"a\",\"request_id\":\"" + "r".repeat(257) + "\"}"))
                .isInstanceOf(Invalid.class);
        assertThat(read("{\"agent_id\":\"a\",\"tokens\":" + "1".repeat(1_000_000) + "}"))
                .isInstanceOf(Invalid.class);
        assertThat(read("{\"agent_id\":\"a\",\"payload\":" + "[".repeat(1002) + "]".repeat(1002) + "}"))
                .isInstanceOf(Invalid.class);
    }

    @Test
    void openEdgesAreDoubtful() {
        assertThat(read("{\"agent_id\":\"a\",\"request_id\":\"r\",\"request_id\":\"r\"}"))
                .isInstanceOf(Doubtful.class);
        assertThat(read("{\"agent_id\":\"a\\u0085\"}")).isInstanceOf(Doubtful.class);
        assertThat(read("{\"agent_id\":\"a\",\"tokens\":-0}")).isInstanceOf(Doubtful.class);
        assertThat(read("{\"agent_id\":\"a\",\"payload\":" + "[".repeat(999) + "]".repeat(999) + "}"))
                .isInstanceOf(Doubtful.class);
    }

    @Test
    void onlyTrueAsksForAHold() {
        assertThat(read("{\"agent_id\":\"a\",\"hold\":true}")).isEqualTo(new Valid("a", 1, null, true));
        assertThat(read("{\"agent_id\":\"a\",\"hold\":false}")).isEqualTo(new Valid("a", 1, null, false));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"agent_id\":\"a\",\"hold\":\"h\"}",
                "{\"agent_id\":\"a\",\"tokens\":1}",
                "{\"hold\":\"h\",\"tokens\":1}",
                "{\"agent_id\":\"a\",\"hold\":\"\",\"tokens\":1}",
                "{\"agent_id\":\"a\",\"hold\":true,\"tokens\":1}",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"hold\":\"h\",\"tokens\":1}",
                "{\"agent_id\":\"a\",\"hold\":\"h\",\"tokens\":\"1\"}",
                "[]",
            })
    void brokenReportIsInvalid(String json) {
        assertThat(RequestReader.readUsage(json.getBytes(UTF_8))).isInstanceOf(Invalid.class);
    }

    @Test
    void reportHasHoldAndTokens() {
        var report = "{\"agent_id\":\"a\",\"hold\":\"agent-requests/0/1\",\"tokens\":2.5,\"request_id\":7}";

        assertThat(RequestReader.readUsage(report.getBytes(UTF_8)))
                .isEqualTo(new UsageReading("a", "agent-requests/0/1", 2.5, false));
    }

    private static Reading read(String json) {
        return RequestReader.read(json.getBytes(UTF_8));
    }
}
