package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class LocalBucketsTest {
    private static final Limit LIMIT = new Limit(100, 10);

    private final AtomicLong now = new AtomicLong(1_760_000_000_000_000L);
    private final LocalBuckets buckets = new LocalBuckets(now::get);

    @Test
    void fullBucketsAreForgotten() {
        for (int i = 0; i < 100_000; i++) {
            buckets.spendNow("agent-" + i, LIMIT, 10); // full again after a second
            now.addAndGet(1000);
        }

        assertThat(buckets.size()).isLessThan(20_000);
        assertThat(buckets.find("agent-99999")).isPresent();
        assertThat(buckets.find("agent-0")).isEmpty();
    }

    @Test
    void debtsAreNotForgotten() {
        for (int i = 0; i < 35_000; i++) buckets.spendNow("agent-" + i, LIMIT, 100);

        for (int i = 0; i < 35_000; i++) {
            assertThat(buckets.spendNow("agent-" + i, LIMIT, 1).isApproved()).isFalse();
        }
    }

    @Test
    void forgottenBucketIsFull() {
        for (int i = 0; i < 25_000; i++) {
            buckets.spendNow("agent-" + i, LIMIT, 10);
            now.addAndGet(1000);
        }

        assertThat(buckets.spendNow("agent-0", LIMIT, 100).isApproved()).isTrue();
        assertThat(buckets.spendNow("agent-0", LIMIT, 1).isApproved()).isFalse();
    }

    @Test
    void threadsAndAgentsSpendWhatFits() throws Exception {
        var pool = Executors.newFixedThreadPool(8);
        try {
            var tasks = new ArrayList<Callable<Integer>>();
            for (int t = 0; t < 8; t++) {
                tasks.add(() -> {
                    int admitted = 0;
                    for (int i = 0; i < 5000; i++) {
                        if (buckets.spendNow("agent-" + i % 10, LIMIT, 1).isApproved()) admitted++;
                    }
                    return admitted;
                });
            }
            int admitted = 0;
            for (var result : pool.invokeAll(tasks)) admitted += result.get();

            assertThat(admitted).isEqualTo(10 * 100);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void forgettingLosesNoCharge() throws Exception {
        var once = new Limit(1, 0);
        int agents = 50_000;
        int together = 64; // few at a time, so that a sweep is short and comes often
        var pool = Executors.newFixedThreadPool(2);
        try {
            var barrier = new CyclicBarrier(2, buckets::close);
            var spenders = new ArrayList<Future<Integer>>();
            for (int t = 0; t < 2; t++) {
                spenders.add(pool.submit(() -> {
                    int admitted = 0;
                    for (int i = 0; i < agents; i++) {
                        if (i % together == 0) barrier.await(1, TimeUnit.MINUTES);
                        buckets.spendNow("agent-" + i, once, 0); // there, and full
                        if (buckets.spendNow("agent-" + i, once, 1).isApproved()) admitted++;
                    }
                    return admitted;
                }));
            }
            while (!spenders.stream().allMatch(Future::isDone)) buckets.forgetFull();

            int admitted = 0;
            for (var spender : spenders) admitted += spender.get();
            assertThat(admitted).isEqualTo(agents);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void illegalAgentIsNotKept() {
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.spendNow("", LIMIT, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> buckets.spendNow("a\n", LIMIT, 1));
        assertThat(buckets.size()).isZero();
    }

    @Test
    void lookAtUnknownAgentKeepsNothing() {
        assertThat(buckets.look("new", LIMIT).toCompletableFuture().join().tokens())
                .isEqualTo(100);
        assertThat(buckets.size()).isZero();
    }

    @Test
    void acceptedCopyIsTheBucket() {
        buckets.accept("a", new Bucket(3, TokenBucket.seconds(now.get())), LIMIT);

        assertThat(buckets.spendNow("a", LIMIT, 4).isApproved()).isFalse();
        assertThat(buckets.spendNow("a", LIMIT, 3).isApproved()).isTrue();
    }

    @Test
    void clockStepBackMintsNothing() {
        buckets.spendNow("a", LIMIT, 100);
        now.addAndGet(-3_600_000_000L);
        assertThat(buckets.spendNow("a", LIMIT, 1).isApproved()).isFalse();
        now.addAndGet(3_600_000_000L);
        assertThat(buckets.spendNow("a", LIMIT, 1).isApproved()).isFalse();
    }
}
