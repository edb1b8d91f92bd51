package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ResourceQuotaManagerTest {
    @Test
    void everyAgentHasItsOwnLimit() {
        try (var quota = ResourceQuotaManager.local(new Limit(10, 0))) {
            assertThat(quota.tryAcquire("a", 7)).isTrue();
            assertThat(quota.tryAcquire("a", 4)).isFalse();
            assertThat(quota.availableTokens("a")).isEqualTo(3);
            assertThat(quota.tryAcquire("b", 10)).isTrue();
            assertThat(quota.checkAndConsume("b", 11)).isInstanceOf(Decision.CostExceedsCapacity.class);
        }
    }

    @Test
    void resetFillsTheBucket() {
        try (var quota = ResourceQuotaManager.local(new Limit(10, 0))) {
            quota.tryAcquire("a", 10);

            quota.reset("a");

            assertThat(quota.availableTokens("a")).isEqualTo(10);
        }
    }

    @Test
    void illegalCostOrAgentIsAnError() {
        try (var quota = ResourceQuotaManager.local(new Limit(10, 0))) {
            assertThatIllegalArgumentException().isThrownBy(() -> quota.tryAcquire("a", -1));
            assertThatIllegalArgumentException().isThrownBy(() -> quota.tryAcquire("a", Double.NaN));
            assertThatIllegalArgumentException().isThrownBy(() -> quota.tryAcquire("", 1));
            assertThatIllegalArgumentException().isThrownBy(() -> quota.availableTokens("a\nb"));
            assertThatIllegalArgumentException().isThrownBy(() -> quota.reset(""));
        }
    }

    @Test
    void defaultsNeedNoVariables() {
        try (var quota = ResourceQuotaManager.from(Map.of())) {
            assertThat(quota.availableTokens("a")).isEqualTo(1000);
            assertThat(quota.tryAcquire("a", 1000)).isTrue();
            assertThat(quota.tryAcquire("a", 500)).isFalse();
        }
    }

    @Test
    void variablesSetTheLimit() {
        var env = Map.of("TOKEN_BUCKET_SIZE", "5.5", "TOKEN_REFILL_RATE", "0", "REDIS_URL", " ");
        try (var quota = ResourceQuotaManager.from(env)) {
            assertThat(quota.availableTokens("a")).isEqualTo(5.5);
            assertThat(quota.checkAndConsume("a", 5.5).isApproved()).isTrue();
            assertThat(quota.checkAndConsume("a", 1))
                    .isInstanceOfSatisfying(
                            Decision.QuotaExceeded.class,
                            refused -> assertThat(refused.retryAfter()).isEmpty());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "TOKEN_BUCKET_SIZE, abc", "TOKEN_BUCKET_SIZE, 0", "TOKEN_BUCKET_SIZE, -5", "TOKEN_BUCKET_SIZE, NaN",
        "TOKEN_BUCKET_SIZE, Infinity", "TOKEN_BUCKET_SIZE, 1e13", "TOKEN_BUCKET_SIZE, 0x1p3", "TOKEN_BUCKET_SIZE, 10d",
        "TOKEN_REFILL_RATE, ten", "TOKEN_REFILL_RATE, -1", "TOKEN_REFILL_RATE, NaN", "TOKEN_REFILL_RATE, 1e13"
    })
    void illegalNumberNamesVariableAndRule(String name, String value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.from(Map.of(name, value)))
                .withMessageStartingWith(name + " must be ")
                .withMessageEndingWith("but is \"" + value + "\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "localhost",
                "http://:s3cret@localhost",
                "redis://:s3cret@",
                "redis://:s3cret@host:99999999",
                "redis://:s3cret@ho st",
                "redis-sentinel://:s3cret@host",
                "://s3cret",
                "redis:s3cret"
            })
    void illegalUrlHidesThePassword(String url) {
        var error = catchThrowable(
                () -> ResourceQuotaManager.from(Map.of("REDIS_URL", url)).close());

        assertThat(error).isInstanceOf(IllegalArgumentException.class).hasMessageStartingWith("REDIS_URL must be ");
        for (var cause = error; cause != null; cause = cause.getCause()) {
            assertThat(cause.getMessage()).doesNotContain("s3cret");
        }
    }

    @Test
    void variableAndFileAreAMistake(@TempDir Path dir) throws IOException {
        var file = Files.writeString(dir.resolve("url"), "redis://:s3cret@localhost");
        var env = Map.of("REDIS_URL", "redis://:s3cret@localhost", "REDIS_URL_FILE", file.toString());

        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.from(env))
                .withMessage("REDIS_URL and REDIS_URL_FILE are both set: set one of them");
    }

    @ParameterizedTest
    @ValueSource(strings = {"missing", "empty", ".", "bad\u0000name"})
    void secretFileWithoutASecretIsNamed(String name, @TempDir Path dir) throws IOException {
        Files.writeString(dir.resolve("empty"), "\n");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.from(Map.of("REDIS_PASSWORD_FILE", dir + "/" + name)))
                .withMessageStartingWith("REDIS_PASSWORD_FILE must name a file");
    }

    @Test
    void userWithoutAPasswordIsAMistake() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.from(Map.of("REDIS_USERNAME", "me")))
                .withMessageStartingWith("REDIS_USERNAME is set, but REDIS_PASSWORD is not");
    }
}
