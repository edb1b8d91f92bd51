package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.failover.SharingStatus;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;

@Isolated // it measures time
@Timeout(60)
class AsynchronousAnswersIT {
    private static final Limit LIMIT = new Limit(1e6, 0);

    @Test
    void blockingCallInACallbackIsFast() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(LIMIT)
                        .timeout(Duration.ofSeconds(1))
                        .build()) {
            warmUp(quota);
            var answers = new ArrayList<CompletionStage<Long>>();
            for (int i = 0; i < 50; i++) {
                answers.add(quota.checkAndConsumeAsync("a", 1).thenApply(outer -> {
                    long start = System.nanoTime();
                    var inner = quota.checkAndConsume("b", 1);
                    assertThat(inner.decidedBy()).isEqualTo(DecidedBy.REDIS);
                    return System.nanoTime() - start;
                }));
            }
            for (var answer : answers) {
                assertThat(Duration.ofNanos(answer.toCompletableFuture().join()))
                        .isLessThan(Duration.ofMillis(500));
            }
            assertThat(quota.status()).isInstanceOf(SharingStatus.Shared.class);
        }
    }

    @Test
    void asyncCallAwaitedInACallbackReturns() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(LIMIT)
                        .build()) {
            warmUp(quota);
            var answers = new ArrayList<CompletionStage<Decision>>();
            for (int i = 0; i < 100; i++) {
                answers.add(quota.checkAndConsumeAsync("a", 1)
                        .thenApply(outer -> quota.checkAndConsumeAsync("b", 1)
                                .toCompletableFuture()
                                .join()));
            }
            for (var answer : answers) {
                assertThat(answer.toCompletableFuture()
                                .orTimeout(10, TimeUnit.SECONDS)
                                .join()
                                .isApproved())
                        .isTrue();
            }
        }
    }

    @Test
    void callbacksLeaveTheClientsThreads() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(LIMIT)
                        .build()) {
            warmUp(quota);
            var threads = new ConcurrentLinkedQueue<String>();
            for (int i = 0; i < 200; i++) note(quota, threads);
            server.freeze();
            for (int i = 0; i < 20; i++) note(quota, threads);
            await().until(() -> threads.size() == 220);
            server.thaw();

            var caller = Thread.currentThread().getName();
            assertThat(threads).allMatch(name -> name.startsWith("quota-answers-") || name.equals(caller));
            assertThat(threads).anyMatch(name -> name.startsWith("quota-answers-"));
        }
    }

    private static void note(ResourceQuotaManager quota, ConcurrentLinkedQueue<String> threads) {
        quota.checkAndConsumeAsync("a", 1)
                .thenAccept(decision -> threads.add(Thread.currentThread().getName()));
    }

    @Test
    void callersExecutorIsUsedAndLeftOpen() {
        var executor = Executors.newSingleThreadExecutor(task -> new Thread(task, "mine"));
        try {
            try (var server = RedisServer.start();
                    var quota = ResourceQuotaManager.builder()
                            .redis(server.uri())
                            .limit(LIMIT)
                            .executor(executor)
                            .build()) {
                warmUp(quota);
                var held = new CountDownLatch(1);
                executor.execute(() -> waitFor(held));
                server.freeze(); // or the answer might be there before anybody asks for the thread
                var name = quota.checkAndConsumeAsync("a", 1)
                        .thenApply(decision -> Thread.currentThread().getName())
                        .toCompletableFuture();
                server.thaw();
                assertThat(quota.checkAndConsume("a", 1).isApproved())
                        .as("who waits needs no executor")
                        .isTrue();
                held.countDown();

                assertThat(name.join()).isEqualTo("mine");
            }
            assertThat(executor.isShutdown()).isFalse();
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void refusingExecutorLosesNoAnswer() {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(LIMIT)
                        .executor(task -> {
                            throw new java.util.concurrent.RejectedExecutionException("full");
                        })
                        .build()) {
            assertThat(quota.checkAndConsumeAsync("a", 1)
                            .toCompletableFuture()
                            .orTimeout(5, TimeUnit.SECONDS)
                            .join()
                            .isApproved())
                    .isTrue();
        }
    }

    @Test
    void slowCallbacksDelayNoOtherTimeout() throws Exception {
        try (var server = RedisServer.start();
                var quota = ResourceQuotaManager.builder()
                        .redis(server.uri())
                        .limit(LIMIT)
                        .build()) {
            warmUp(quota);
            server.freeze();
            var slept = new AtomicInteger();
            for (int i = 0; i < 30; i++) {
                quota.checkAndConsumeAsync("a", 1).thenAccept(decision -> {
                    sleep(300); // what answers depend on takes its time
                    slept.incrementAndGet();
                });
            }
            long latest = 0;
            for (int i = 0; i < 10; i++) {
                long start = System.nanoTime();
                var unrelated = new CompletableFuture<Void>().orTimeout(50, TimeUnit.MILLISECONDS);
                await().pollInterval(Duration.ofMillis(5)).until(unrelated::isDone);
                latest = Math.max(latest, System.nanoTime() - start);
            }
            server.thaw();

            assertThat(Duration.ofNanos(latest)).isLessThan(Duration.ofMillis(250));
            await().until(() -> slept.get() == 30);
        }
    }

    @Test
    void listenerHearsRedisGoAndComeBack() {
        try (var server = RedisServer.start()) {
            var heard = new CopyOnWriteArrayList<SharingStatus>();
            var decided = new AtomicInteger();
            var threw = new AtomicBoolean();
            var listener = new QuotaListener() {
                @Override
                public void statusChanged(SharingStatus status) {
                    heard.add(status);
                    if (threw.compareAndSet(false, true)) throw new AssertionError("theirs");
                }

                @Override
                public void decided(String agentId, double tokens, Decision decision) {
                    decided.incrementAndGet();
                }
            };
            try (var quota = ResourceQuotaManager.builder()
                    .redis(server.uri())
                    .limit(LIMIT)
                    .listener(listener)
                    .build()) {
                warmUp(quota);
                server.kill();
                await().until(() ->
                        quota.checkAndConsume("a", 1) != null && quota.status() instanceof SharingStatus.Local);
                var away = (SharingStatus.Local) quota.status();
                assertThat(away.reason()).isNotBlank();
                await().until(() -> heard.stream().anyMatch(status -> status instanceof SharingStatus.Local));

                server.restart();
                await().until(() -> heard.get(heard.size() - 1) instanceof SharingStatus.Shared);
                assertThat(heard.get(0)).isInstanceOf(SharingStatus.Shared.class);
                await().until(() -> decided.get() >= 2);
            }
        }
    }

    /** Until Redis answers, decisions are made at once, in this process: nothing of them is asynchronous. */
    private static void warmUp(ResourceQuotaManager quota) {
        await().until(() -> quota.checkAndConsume("warm", 1).decidedBy() == DecidedBy.REDIS);
        for (int i = 0; i < 200; i++) quota.tryAcquire("warm", 1);
    }

    private static void waitFor(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void sleep(long millis) {
        try {
            TimeUnit.MILLISECONDS.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
