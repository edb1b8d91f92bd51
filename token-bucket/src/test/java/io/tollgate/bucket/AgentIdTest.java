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
    void givenPlainData_whenChecked_thenItIsLegal(String agentId) {
        assertThat(AgentId.brokenRule(agentId)).isEmpty();
        assertThat(AgentId.require(agentId)).isEqualTo(agentId);
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "é", "模", "😀"})
    void givenLongIds_whenChecked_thenBytesOfUtf8Count(String letter) {
        int bytes = letter.getBytes(StandardCharsets.UTF_8).length;
        int fitting = AgentId.MAX_BYTES / bytes;

        assertThat(AgentId.brokenRule(letter.repeat(fitting))).isEmpty();
        assertThat(AgentId.brokenRule(letter.repeat(fitting + 1))).hasValue("must be at most 256 bytes of UTF-8");
    }

    @Test
    void givenExactly256Bytes_whenChecked_thenItIsLegal() {
        assertThat(AgentId.brokenRule("😀".repeat(63) + "模a")).isEmpty();
        assertThat(AgentId.brokenRule("😀".repeat(63) + "模ab")).isPresent();
    }

    @Test
    void givenNothing_whenChecked_thenItMustNotBeEmpty() {
        assertThat(AgentId.brokenRule("")).hasValue("must not be empty");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 9, 10, 13, 31, 127, 0x80, 0x9f})
    void givenControlCharacter_whenChecked_thenItIsRefused(int control) {
        assertThat(AgentId.brokenRule("a" + (char) control)).hasValue("must not contain control characters");
    }

    @ParameterizedTest
    @ValueSource(ints = {0xd83d, 0xde00, 0xd800, 0xdfff})
    void givenLoneSurrogate_whenChecked_thenItIsRefusedWhereverItStands(int surrogate) {
        char lone = (char) surrogate;
        assertThat(AgentId.brokenRule(lone + "a")).hasValue("must not contain a lone surrogate");
        assertThat(AgentId.brokenRule("a" + lone)).hasValue("must not contain a lone surrogate");
    }

    @Test
    void givenSurrogatesInTheWrongOrder_whenChecked_thenTheyAreRefused() {
        assertThat(AgentId.brokenRule("\ude00\ud83d")).hasValue("must not contain a lone surrogate");
    }

    @Test
    void givenBrokenRule_whenRequired_thenTheMessageSaysWhich() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentId.require(""))
                .withMessage("agent id must not be empty");
    }
}
