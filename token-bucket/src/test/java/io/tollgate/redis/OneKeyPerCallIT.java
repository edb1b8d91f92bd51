package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Limit;
import io.tollgate.sandbox.RedisCluster;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;
import org.slf4j.LoggerFactory;

/** What answers takes one key a call, and does not say so beforehand: as a proxy does that stands before several servers. */
@Isolated // others log as well
@Timeout(60)
class OneKeyPerCallIT {
    private static final Limit LIMIT = new Limit(10, 0);
    /** May not ask whether the server belongs to a cluster. */
    private static final String USER = "ACL SETUSER app on >secret resetkeys ~quota:* resetchannels -@all +evalsha"
            + " +eval +script|load +hmget +hset +expire +pexpire +time +ping +select";

    private final Logger logger = (Logger) LoggerFactory.getLogger(RedisBuckets.class);
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    @Test
    void severalAgents_areAskedForOneByOne() {
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.WARN);
        try (var cluster = RedisCluster.start(1, false)) {
            var node = cluster.primaries().get(0);
            node.text(USER);
            try (var redis = new RedisBuckets(RedisURI.create("redis://app:secret@127.0.0.1:" + node.port()))) {
                redis.probe(Duration.ofSeconds(5));
                assertThat(redis.isCluster()).isFalse();
                assertThat(said()).as("found by the probe").hasSize(1).allMatch(line -> line.contains("CROSSSLOT"));

                var spends = IntStream.range(0, 200)
                        .mapToObj(i -> SpendRequest.unordered("agent-" + i, LIMIT, i % 11, null))
                        .toList();
                var answers = redis.spend(spends).join().answers();

                assertThat(answers).hasSize(200);
                for (int i = 0; i < 200; i++) {
                    assertThat(((SpendResult.Decided) answers.get(i)).bucket().tokens())
                            .isEqualTo(10 - i % 11);
                }
                assertThat(said()).hasSize(1);
                node.text("SCRIPT FLUSH");
                assertThat(redis.spend(spends.subList(0, 2)).join().answers()).hasSize(2);
            }
        } finally {
            logger.detachAppender(log);
            logger.setLevel(null);
        }
    }

    private List<String> said() {
        return log.list.stream()
                .filter(event -> event.getLevel() == Level.WARN)
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }
}
