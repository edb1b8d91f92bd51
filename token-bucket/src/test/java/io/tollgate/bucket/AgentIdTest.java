package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AgentIdTest {
    @ParameterizedTest
    @ValueSource(
            strings = {"a", "agent-7", "a}{b", "*", "quota:other:tokens", " ", "\u00a0", "Ünï", "模型", "😀", "\ufffd"})
    void anyPlainTextIsLegal(String agentId) {
        assertThat(AgentId.brokenRule(agentId)).isEmpty();
        assertThat(AgentId.require(agentId)).isEqualTo(agentId);
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "é", "模", "😀"})
    void lengthIsCountedInUtf8Bytes(String letter) {
        int bytes = letter.getBytes(StandardCharsets.UTF_8).length;
        int fitting = AgentId.MAX_BYTES / bytes;

        assertThat(AgentId.brokenRule(letter.repeat(fitting))).isEmpty();
        assertThat(AgentId.brokenRule(letter.repeat(fitting + 1))).hasValue("must be at most 256 bytes of UTF-8");
    }

    @Test
    void exactly256BytesAreLegal() {
        assertThat(AgentId.brokenRule("😀".repeat(63) + "模a")).isEmpty();
        assertThat(AgentId.brokenRule("😀".repeat(63) + "模ab")).isPresent();
    }

    @Test
    void emptyIdIsRefused() {
        assertThat(AgentId.brokenRule("")).hasValue("must not be empty");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 9, 10, 13, 31, 127, 0x80, 0x9f})
    void controlCharactersAreRefused(int control) {
        assertThat(AgentId.brokenRule("a" + (char) control)).hasValue("must not contain control characters");
    }

    @ParameterizedTest
    @ValueSource(ints = {0xd83d, 0xde00, 0xd800, 0xdfff})
    void loneSurrogateIsRefused(int surrogate) {
        char lone = (char) surrogate;
        assertThat(AgentId.brokenRule(lone + "a")).hasValue("must not contain a lone surrogate");
        assertThat(AgentId.brokenRule("a" + lone)).hasValue("must not contain a lone surrogate");
    }

    @Test
    void swappedSurrogatesAreRefused() {
        assertThat(AgentId.brokenRule("\ude00\ud83d")).hasValue("must not contain a lone surrogate");
    }

    @Test
    void messageNamesTheRule() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentId.require(""))
                .withMessage("agent id must not be empty");
    }
}
