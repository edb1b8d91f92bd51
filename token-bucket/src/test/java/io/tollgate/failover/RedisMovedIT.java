package io.tollgate.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.redis.RedisBuckets;
import io.tollgate.sandbox.process.FaultProxy;
import io.tollgate.sandbox.process.RedisServer;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;
import org.slf4j.LoggerFactory;

/** The address of Redis leads to the promoted node; the old primary lives on as its replica, and keeps the connections it has. */
@Isolated // others log as well
@Timeout(60)
class RedisMovedIT {
    private static final Limit LIMIT = new Limit(1000, 0);
    private static final Duration TIMEOUT = Duration.ofMillis(100);
    /** Where the answer matters, not when it comes: a busy machine may take its time. */
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    private final Logger logger = (Logger) LoggerFactory.getLogger(RedisBreaker.class);
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    @BeforeEach
    void listen() {
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.INFO);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setLevel(null);
    }

    @Test
    void demotedPrimaryIsLeftWithinSeconds() {
        try (var old = RedisServer.start();
                var promoted = RedisServer.start();
                var proxy = FaultProxy.to(old.port())) {
            promoted.text("REPLICAOF 127.0.0.1 " + old.port());
            await().until(() -> promoted.text("INFO replication").contains("master_link_status:up"));
            var redis = new RedisBuckets(RedisURI.create("127.0.0.1", proxy.port()));
            var breaker = RedisBreaker.start(redis, PATIENCE);
            try (var buckets = new FailoverBuckets(redis, breaker)) {
                assertThat(spend(buckets, 100).decidedBy()).isEqualTo(DecidedBy.REDIS);
                await().until(() -> promoted.text("HGET quota:a:tokens tokens").contains("900"));

                promoted.text("REPLICAOF NO ONE");
                old.text("REPLICAOF 127.0.0.1 " + promoted.port());
                proxy.move(promoted.port());
                await().atMost(Duration.ofSeconds(1)).until(() -> {
                    spend(buckets, 1);
                    return !breaker.isClosed();
                });
                assertThat(breaker.sharing())
                        .isInstanceOfSatisfying(
                                SharingStatus.Local.class,
                                local -> assertThat(local.reason()).startsWith("READONLY"));

                await().atMost(Duration.ofSeconds(5)).until(breaker::isClosed);
                assertThat(breaker.sharing()).isInstanceOf(SharingStatus.Shared.class);
                double left = 900 - count(buckets);
                assertThat(left).isLessThan(900);
                var decision = spend(buckets, 10);
                assertThat(decision.decidedBy()).isEqualTo(DecidedBy.REDIS);
                assertThat(promoted.text("HGET quota:a:tokens tokens")).contains(String.valueOf((int) left - 10));

                assertThat(said(Level.WARN))
                        .doesNotHaveDuplicates()
                        .filteredOn(line -> line.contains("READONLY"))
                        .hasSize(1);
                assertThat(said(Level.INFO))
                        .filteredOn(line -> line.contains("answers"))
                        .hasSize(2);
            }
        }
    }

    @Test
    void everyNewReasonIsLoggedOnce() {
        try (var server = RedisServer.start();
                var proxy = FaultProxy.to(server.port())) {
            var redis = new RedisBuckets(RedisURI.create("127.0.0.1", proxy.port()));
            var breaker = RedisBreaker.start(redis, TIMEOUT);
            try (var buckets = new FailoverBuckets(redis, breaker)) {
                server.text("REPLICAOF 127.0.0.1 1");
                await().until(() -> {
                    spend(buckets, 1);
                    return !breaker.isClosed();
                });
                proxy.refuse();
                await().until(() -> breaker.sharing() instanceof SharingStatus.Local local
                        && local.reason().contains("refused"));
                var since = breaker.sharing().since();
                server.text("REPLICAOF NO ONE");
                proxy.pass();
                await().until(breaker::isClosed);

                assertThat(said(Level.WARN))
                        .doesNotHaveDuplicates()
                        .anyMatch(line -> line.contains("READONLY"))
                        .anyMatch(line -> line.contains("refused"));
                assertThat(breaker.sharing().since()).isAfter(since);
            }
        }
    }

    @Test
    void timeoutsAreCalledTimeouts() {
        try (var server = RedisServer.start()) {
            var redis = new RedisBuckets(RedisURI.create("127.0.0.1", server.port()));
            var breaker = RedisBreaker.start(redis, TIMEOUT);
            var counts = new int[3];
            var observer = new CallObserver() {
                @Override
                public void answered(long elapsedNanos) {
                    counts[0]++;
                }

                @Override
                public void timedOut(long elapsedNanos) {
                    counts[1]++;
                }

                @Override
                public void failed(long elapsedNanos) {
                    counts[2]++;
                }
            };
            try (var buckets = new FailoverBuckets(redis, breaker, observer)) {
                spend(buckets, 1);
                server.freeze();
                while (breaker.isClosed()) spend(buckets, 1);

                assertThat(counts[0]).isOne();
                assertThat(counts[1]).isBetween(4, 5); // of five calls, the one before may count
                assertThat(counts[2]).isZero();
                assertThat(breaker.sharing())
                        .isInstanceOfSatisfying(
                                SharingStatus.Local.class,
                                local -> assertThat(local.reason()).isEqualTo("no answer within 100 ms"));
            } finally {
                server.thaw();
            }
        }
    }

    private List<String> said(Level level) {
        return List.copyOf(log.list).stream()
                .filter(event -> event.getLevel() == level)
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }

    /** Returns how much was spent without Redis. */
    private static double count(FailoverBuckets buckets) {
        return 900 - buckets.look("a", LIMIT).join().tokens();
    }

    private static Decision spend(FailoverBuckets buckets, double cost) {
        return buckets.spend("a", LIMIT, cost).join();
    }
}
