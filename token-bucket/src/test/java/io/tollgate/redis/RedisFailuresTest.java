package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class RedisFailuresTest {
    @Test
    void sameRefusalElsewhereInTheScript_sameWords() {
        var one = new RedisCommandExecutionException("READONLY no writes. script: 5f, on @user_script:12.");
        var other = new CompletionException(
                new RedisCommandExecutionException("READONLY no writes. script: 5f, on @user_script:345."));

        assertThat(RedisFailures.inWords(one)).isEqualTo("READONLY no writes.");
        assertThat(RedisFailures.inWords(other)).isEqualTo("READONLY no writes.");
    }

    @Test
    void notConnected_addressAndReason() {
        var refused = new RedisConnectionException("Unable to connect to h:6379", new java.io.IOException("refused"));

        assertThat(RedisFailures.inWords(refused)).isEqualTo("Unable to connect to h:6379: refused");
    }

    @Test
    void nothingInTime_isATimeout() {
        assertThat(RedisFailures.isTimeout(new CompletionException(new TimeoutException())))
                .isTrue();
        assertThat(RedisFailures.isTimeout(new CancellationException())).isTrue();
        assertThat(RedisFailures.isTimeout(new RedisConnectionException("lost")))
                .isFalse();
        assertThat(RedisFailures.inWords(new TimeoutException())).isEqualTo("no answer in time");
        assertThat(RedisFailures.inWords(new CancellationException())).isEqualTo("no answer in time");
    }

    @Test
    void missingClass_isNamed() {
        assertThat(RedisFailures.inWords(new NoClassDefFoundError("io/lettuce/core/X")))
                .isEqualTo("NoClassDefFoundError: io/lettuce/core/X");
    }
}
