package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.lettuce.core.RedisURI;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.Limit;
import io.tollgate.failover.SharingStatus;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResourceQuotaBuilderTest {
    @Test
    void longestPrefixCounts() {
        try (var quota = ResourceQuotaManager.builder()
                .limit(new Limit(1, 0))
                .limit("api:", new Limit(2, 0))
                .limit("api:gold:", new Limit(3, 0))
                .build()) {
            assertThat(quota.availableTokens("other")).isEqualTo(1);
            assertThat(quota.availableTokens("api:x")).isEqualTo(2);
            assertThat(quota.availableTokens("api:gold:x")).isEqualTo(3);
            assertThat(quota.availableTokens("api:gold")).isEqualTo(2);
        }
    }

    @Test
    void agentWithoutALimitIsAnError() {
        try (var quota =
                ResourceQuotaManager.builder().limit("api:", new Limit(2, 0)).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> quota.tryAcquire("net:x", 1))
                    .withMessageContaining("net:x");
            assertThatIllegalArgumentException().isThrownBy(() -> quota.tryAcquire("", 1));
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.builder().build());
    }

    @ParameterizedTest
    @ValueSource(strings = {"my redis", "http://:s3cret@h", "redis://h?ssl=true", "redis://:s3cret@"})
    void illegalAddressIsRefusedAtOnce(String url) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.builder().redis(url))
                .withMessageStartingWith("the address of Redis")
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("s3cret"));
    }

    @Test
    void addressWithoutAHostIsRefused() {
        var nowhere = new RedisURI();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.shared(nowhere, new Limit(1, 0)))
                .withMessageContaining("host");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 10_001})
    void illegalTimeoutIsRefusedAtOnce(long millis) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ResourceQuotaManager.builder().timeout(Duration.ofMillis(millis)));
    }

    @Test
    void statusSaysThereIsNoRedis() {
        try (var quota = ResourceQuotaManager.from(Map.of())) {
            assertThat(quota.status())
                    .isInstanceOfSatisfying(
                            SharingStatus.Local.class,
                            local -> assertThat(local.reason()).contains("no Redis is configured"));
        }
    }

    @Test
    void closedManagerRefusesCalls() {
        var quota = ResourceQuotaManager.local(new Limit(1, 0));
        quota.close();

        assertThatIllegalStateException().isThrownBy(() -> quota.tryAcquire("a", 1));
        assertThatIllegalStateException().isThrownBy(() -> quota.checkAndConsumeAsync("a", 1));
        assertThatIllegalStateException().isThrownBy(() -> quota.availableTokens("a"));
        assertThatIllegalStateException().isThrownBy(() -> quota.reset("a"));
    }

    @Test
    void metersCountDecisionsUntilClosed() {
        var registry = new SimpleMeterRegistry();
        try (var quota = ResourceQuotaManager.builder()
                .limit(new Limit(2, 0))
                .meters(registry, "quota", "api")
                .build()) {
            quota.tryAcquire("a", 1);
            quota.checkAndConsumeAsync("a", 1);
            quota.tryAcquire("a", 1);
            quota.tryAcquire("a", 3);

            assertThat(decisions(registry, "approved")).isEqualTo(2);
            assertThat(decisions(registry, "quota_exceeded")).isEqualTo(1);
            assertThat(decisions(registry, "cost_exceeds_capacity")).isEqualTo(1);
            assertThat(registry.get("tollgate.quota.shared").gauge().value()).isZero();
        }
        assertThat(registry.getMeters()).isEmpty();
    }

    private static double decisions(SimpleMeterRegistry registry, String verdict) {
        return registry.get("tollgate.quota.decisions")
                .tags("verdict", verdict, "decided_by", "local", "quota", "api")
                .functionCounter()
                .count();
    }
}
