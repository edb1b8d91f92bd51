package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Buckets;
import io.tollgate.bucket.BucketsContract;
import io.tollgate.bucket.Limit;
import org.junit.jupiter.api.Test;

/** The additional contract of buckets in Redis. */
public abstract class SharedBucketsContract extends BucketsContract {
    private static final Limit NEVER_REFILLS = new Limit(100, 0);

    @Test
    void redisKeepsWhatWasSpent() {
        spend("kept", NEVER_REFILLS, 80);
        buckets.close();

        buckets = open();

        assertThat(look("kept")).isEqualTo(20);
    }

    @Test
    void instancesShareOneQuota() {
        try (Buckets other = open()) {
            int admitted = 0;
            for (int i = 0; i < 150; i++) {
                var from = i % 2 == 0 ? buckets : other;
                var decision = from.spend("shared", NEVER_REFILLS, 1)
                        .toCompletableFuture()
                        .join();
                if (decision.isApproved()) admitted++;
            }
            assertThat(admitted).isEqualTo(100);
            assertThat(other.look("shared", NEVER_REFILLS)
                            .toCompletableFuture()
                            .join()
                            .tokens())
                    .isZero();
        }
    }
}
