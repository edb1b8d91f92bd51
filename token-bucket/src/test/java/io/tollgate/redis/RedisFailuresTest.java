package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionException;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RedisFailuresTest {
    @Test
    void lineOfTheScriptIsLeftOut() {
        var one = new RedisCommandExecutionException("READONLY no writes. script: 5f, on @user_script:12.");
        var other = new CompletionException(
                new RedisCommandExecutionException("READONLY no writes. script: 5f, on @user_script:345."));

        assertThat(RedisFailures.inWords(one)).isEqualTo("READONLY no writes.");
        assertThat(RedisFailures.inWords(other)).isEqualTo("READONLY no writes.");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    ERR unknown command 'EVALSHA', with args beginning with: '5f' | ERR unknown command 'EVALSHA'
                    MOVED 3999 127.0.0.1:6381 | MOVED 127.0.0.1:6381
                    ASK 16 127.0.0.1:6381 | ASK 127.0.0.1:6381
                    Invalid first byte: 72 (H) at buffer index 254 decoding using RESP3 | Invalid first byte: 72 (H)
                    """)
    void varyingPartsAreLeftOut(String said, String words) {
        assertThat(RedisFailures.inWords(new RedisCommandExecutionException(said)))
                .isEqualTo(words);
    }

    @Test
    void foreignAnswerIsCalledForeign() {
        var lettuces =
                new CompletionException(new UnsupportedOperationException("ValueOutput does not support set(long)"));

        assertThat(RedisFailures.inWords(lettuces)).isEqualTo(SpendScript.FOREIGN_ANSWER);
        assertThatThrownBy(() -> SpendScript.answers(null, List.of())).hasMessage(SpendScript.FOREIGN_ANSWER);
        assertThatThrownBy(() -> SpendScript.answers(new byte[3], List.of())).hasMessage(SpendScript.FOREIGN_ANSWER);
    }

    @Test
    void failedConnectionHasAddressAndReason() {
        var refused = new RedisConnectionException("Unable to connect to h:6379", new java.io.IOException("refused"));

        assertThat(RedisFailures.inWords(refused)).isEqualTo("Unable to connect to h:6379: refused");
    }

    @Test
    void noAnswerIsATimeout() {
        assertThat(RedisFailures.isTimeout(new CompletionException(new TimeoutException())))
                .isTrue();
        assertThat(RedisFailures.isTimeout(new CancellationException())).isTrue();
        assertThat(RedisFailures.isTimeout(new RedisConnectionException("lost")))
                .isFalse();
        assertThat(RedisFailures.inWords(new TimeoutException())).isEqualTo("no answer in time");
        assertThat(RedisFailures.inWords(new CancellationException())).isEqualTo("no answer in time");
    }

    @Test
    void missingClassIsNamed() {
        assertThat(RedisFailures.inWords(new NoClassDefFoundError("io/lettuce/core/X")))
                .isEqualTo("NoClassDefFoundError: io/lettuce/core/X");
    }
}
