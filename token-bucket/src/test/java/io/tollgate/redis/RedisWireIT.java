package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Limit;
import io.tollgate.client.ResourceQuotaManager;
import io.tollgate.failover.SharingStatus;
import io.tollgate.sandbox.process.FaultProxy;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.Security;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One side speaks TLS, the other does not. */
@Timeout(60)
class RedisWireIT {
    private static final Duration SOON = Duration.ofSeconds(5);

    @TempDir
    private Path dir;

    @Test
    void plainClientOnATlsPortIsNamed() {
        try (var server = tls()) {
            assertThat(reason("redis://127.0.0.1:" + server.port()))
                    .endsWith("speaks TLS: start REDIS_URL with rediss://");
        }
    }

    @Test
    void tlsClientOnAPlainPortIsNamed() {
        try (var server = RedisServer.start()) {
            assertThat(reason("rediss://127.0.0.1:" + server.port()))
                    .endsWith("does not speak TLS on this port: start REDIS_URL with redis://, or use the TLS port");
        }
    }

    @Test
    void matchOrSilenceIsNoFinding() {
        try (var plain = RedisServer.start();
                var tls = tls();
                var silent = FaultProxy.to(plain.port())) {
            assertThat(RedisWire.mismatch(RedisURI.create(plain.uri()), SOON)).isEmpty();
            assertThat(RedisWire.mismatch(RedisURI.create("rediss://127.0.0.1:" + tls.port()), SOON))
                    .isEmpty();
            plain.freeze();
            assertThat(RedisWire.mismatch(
                            RedisURI.create("redis://127.0.0.1:" + silent.port()), Duration.ofMillis(100)))
                    .isEmpty();
            plain.thaw();
        }
    }

    private RedisServer tls() {
        return RedisServer.start(RedisServer.RedisOptions.defaults().withSecurity(Security.create(dir)));
    }

    private static String reason(String url) {
        try (var quota = ResourceQuotaManager.shared(RedisURI.create(url), new Limit(1, 1))) {
            await().atMost(SOON).until(() -> reason(quota).contains("REDIS_URL"));
            return reason(quota);
        }
    }

    private static String reason(ResourceQuotaManager quota) {
        return quota.status() instanceof SharingStatus.Local local ? local.reason() : "";
    }
}
