package io.tollgate.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.LettuceVersion;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Limit;
import io.tollgate.client.ResourceQuotaManager;
import io.tollgate.failover.SharingStatus;
import io.tollgate.sandbox.process.RedisServer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The library as a bean of an application, with the versions that Spring Boot manages. */
@Timeout(60)
class SpringBootIT {
    @Configuration
    static class Application {
        @Bean
        ResourceQuotaManager quota(@Value("${redis.url}") String url) {
            return ResourceQuotaManager.builder()
                    .redis(url)
                    .limit(new Limit(10, 0))
                    .build();
        }
    }

    @Test
    void decisionsAreShared() {
        assertThat(LettuceVersion.getVersion()).startsWith(System.getProperty("lettuce.version"));
        try (var server = RedisServer.start();
                var context = SpringApplication.run(Application.class, "--spring.main.web-application-type=none", "--redis.url=" + server.uri());
                var other = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(new Limit(10, 0))
                        .build()) {
            var quota = context.getBean(ResourceQuotaManager.class);

            assertThat(quota.status()).isInstanceOf(SharingStatus.Shared.class);
            assertThat(quota.checkAndConsume("a", 4).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(other.availableTokens("a")).isEqualTo(6);
            assertThat(quota.checkAndConsumeAsync("a", 7)
                            .toCompletableFuture()
                            .join()
                            .isApproved())
                    .isFalse();

            server.kill();
            await().until(() -> quota.checkAndConsume("a", 0).decidedBy() == DecidedBy.LOCAL
                    && quota.status() instanceof SharingStatus.Local);
            server.restart();
            await().until(() -> quota.status() instanceof SharingStatus.Shared);
            assertThat(quota.availableTokens("a")).isEqualTo(6);
        }
    }

    @Test
    void invalidAddressEndsTheStart() {
        var failure = catchThrowable(() -> SpringApplication.run(Application.class, "--spring.main.web-application-type=none", "--redis.url=redis://my redis")
                .close());

        assertThat(failure).hasStackTraceContaining("the address of Redis must be");
    }
}
