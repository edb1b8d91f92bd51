package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.tollgate.bucket.Limit;
import java.util.ArrayList;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReservationTest {
    private final ResourceQuotaManager quota = ResourceQuotaManager.local(new Limit(100, 0));

    @AfterEach
    void close() {
        quota.close();
    }

    @Test
    void settlingGivesBackTheRest() {
        var reservation = quota.reserve("a", 80);
        assertThat(quota.availableTokens("a")).isEqualTo(20);

        assertThat(reservation.settle(30)).isTrue();

        assertThat(quota.availableTokens("a")).isEqualTo(70);
    }

    @Test
    void onlyTheFirstEndCounts() {
        var reservation = quota.reserve("a", 80);
        reservation.settle(30);

        assertThat(reservation.settle(0)).isFalse();
        assertThat(reservation.cancel()).isFalse();
        reservation.close();

        assertThat(quota.availableTokens("a")).isEqualTo(70);
    }

    @Test
    void overrunIsChargedToo() {
        quota.reserve("a", 80).settle(130);

        assertThat(quota.availableTokens("a")).isEqualTo(-30);
        assertThat(quota.tryAcquire("a", 1)).isFalse();
    }

    @Test
    void cancelGivesEverythingBack() {
        assertThat(quota.reserve("a", 80).cancel()).isTrue();

        assertThat(quota.availableTokens("a")).isEqualTo(100);
    }

    @Test
    void closedUnsettledStaysCharged() {
        var reservation = quota.reserve("a", 80);
        reservation.close();

        assertThat(reservation.settle(0)).isFalse();
        assertThat(quota.availableTokens("a")).isEqualTo(20);
    }

    @Test
    void refusedReservationDoesNothing() {
        try (var refused = quota.reserve("a", 101)) {
            assertThat(refused.isApproved()).isFalse();
            assertThat(refused.settle(1)).isFalse();
            assertThat(refused.cancel()).isFalse();
        }

        assertThat(quota.availableTokens("a")).isEqualTo(100);
    }

    @Test
    void illegalUseLeavesItOpen() {
        var reservation = quota.reserve("a", 80);

        assertThatIllegalArgumentException().isThrownBy(() -> reservation.settle(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> reservation.settle(Double.NaN));

        assertThat(reservation.settle(10)).isTrue();
    }

    @Test
    void closedManagerSettlesNothing() {
        var reservation = quota.reserve("a", 80);
        quota.close();

        assertThatIllegalStateException().isThrownBy(() -> reservation.settle(1));
    }

    @Test
    void threadsSettleItOnce() throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        try {
            for (int i = 0; i < 100; i++) {
                var reservation = quota.reserve("a", 80);
                var settles = new ArrayList<Callable<Boolean>>();
                for (int t = 0; t < 8; t++) settles.add(() -> reservation.settle(0));
                int settled = 0;
                for (var one : pool.invokeAll(settles)) if (one.get()) settled++;

                assertThat(settled).isEqualTo(1);
                assertThat(quota.availableTokens("a")).isEqualTo(100);
            }
        } finally {
            pool.shutdownNow();
        }
    }
}
