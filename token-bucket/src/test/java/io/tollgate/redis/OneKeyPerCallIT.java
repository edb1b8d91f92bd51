package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.lettuce.core.RedisURI;
import io.tollgate.bucket.Limit;
import io.tollgate.sandbox.process.RedisCluster;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.RespProxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** A proxy before several servers takes one key a call, and cannot be recognised beforehand. */
@Isolated // others log as well
@Timeout(60)
class OneKeyPerCallIT {
    private static final Limit LIMIT = new Limit(10, 0);
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final int AGENTS = 200;
    /** May not ask whether the server belongs to a cluster. */
    private static final String USER = "ACL SETUSER app on >secret resetkeys ~quota:* resetchannels -@all +evalsha"
            + " +eval +script|load +hmget +hset +expire +pexpire +time +ping +select";

    private final Logger logger = (Logger) LoggerFactory.getLogger(ScriptCalls.class);
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    @BeforeEach
    void listen() {
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.WARN);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setLevel(null);
    }

    @Test
    void clusterWithoutInfoGetsSingleKeys() {
        try (var cluster = RedisCluster.start(1, false)) {
            var node = cluster.primaries().get(0);
            node.text(USER);
            try (var redis = new RedisBuckets(RedisURI.create("redis://app:secret@127.0.0.1:" + node.port()))) {
                redis.probe(PATIENCE);
                assertThat(redis.isCluster()).isFalse();
                assertThat(said()).as("found by the probe").hasSize(1).allMatch(line -> line.contains("CROSSSLOT"));

                spendOneByOne(redis);

                assertThat(said()).hasSize(1);
                node.text("SCRIPT FLUSH");
                assertThat(redis.spend(spends().subList(0, 2)).join().answers()).hasSize(2);
            }
        }
    }

    /** In the words of Redis, of redis-cluster-proxy, of Alibaba's proxies, of an old Redis, of nobody that we know; and without a word. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "CROSSSLOT Keys in request don't hash to the same slot",
                "ERR Cross-slot queries are not supported for this command",
                "ERR Cross-slot queries are disabled. They can be enabled by using the --enable-cross-slot option",
                "ERR 'EVAL' command keys must in same slot",
                "ERR eval/evalsha command keys must be in same slot",
                "ERR Multi keys request invalid in cluster",
                "ERR invalid request",
                "PROXY 42",
                ""
            })
    void refusalLeadsToSingleKeys(String words) {
        try (var server = RedisServer.start();
                var proxy = RespProxy.to(server.port());
                var redis = new RedisBuckets(RedisURI.create("127.0.0.1", proxy.port()))) {
            proxy.answerSeveralKeys(words.isEmpty() ? "" : "-" + words + "\r\n");

            redis.probe(PATIENCE);
            spendOneByOne(redis);

            assertThat(said()).hasSize(1).allMatch(line -> line.contains("rejects calls for several agents (" + words));
            int refused = proxy.answered();
            proxy.answer("-LOADING Redis is loading the dataset in memory\r\n"); // and thus a new connection
            assertThatThrownBy(() -> redis.probe(PATIENCE)).hasMessageContaining("LOADING");
            proxy.answer("");
            redis.probe(PATIENCE);
            assertThat(redis.spend(spends()).join().answers()).hasSize(AGENTS);
            assertThat(said()).hasSize(1);
            assertThat(proxy.answered()).as("asked again").isLessThanOrEqualTo(refused + 1 + AGENTS);
        }
    }

    @Test
    void proxyToOneServerGetsSingleKeys() {
        try (var one = RedisServer.start();
                var two = RedisServer.start();
                var three = RedisServer.start();
                var proxy = RespProxy.to(List.of(one.port(), two.port(), three.port()));
                var redis = new RedisBuckets(RedisURI.create("127.0.0.1", proxy.port()))) {
            redis.probe(PATIENCE);

            spendOneByOne(redis);

            assertThat(said())
                    .hasSize(1)
                    .allMatch(line -> line.contains("several keys in one call go to the server of the first"));
            // An agent's bucket stays where it was, whichever agents share its call.
            var backwards = new ArrayList<>(spends());
            Collections.reverse(backwards);
            assertThat(redis.spend(backwards).join().answers())
                    .allMatch(answer -> ((SpendResult.Decided) answer).bucket().tokens() <= 10 - 2);
        }
    }

    @Test
    void refusalOfEverythingKeepsManyKeys() {
        try (var server = RedisServer.start();
                var proxy = RespProxy.to(server.port());
                var redis = new RedisBuckets(RedisURI.create("127.0.0.1", proxy.port()))) {
            proxy.answer("-LOADING Redis is loading the dataset in memory\r\n");
            assertThatThrownBy(() -> redis.probe(PATIENCE)).hasMessageContaining("LOADING");

            proxy.answer("");
            redis.probe(PATIENCE);
            proxy.answerSeveralKeys("-ERR now it does\r\n");

            assertThat(said()).isEmpty();
            assertThatThrownBy(() -> redis.spend(spends()).join()).hasMessageContaining("now it does");
        }
    }

    private static void spendOneByOne(RedisBuckets redis) {
        var answers = redis.spend(spends()).join().answers();
        assertThat(answers).hasSize(AGENTS);
        for (int i = 0; i < AGENTS; i++) {
            assertThat(((SpendResult.Decided) answers.get(i)).bucket().tokens()).isEqualTo(10 - cost(i));
        }
    }

    private static List<SpendRequest> spends() {
        return IntStream.range(0, AGENTS)
                .mapToObj(i -> SpendRequest.unordered("agent-" + i, LIMIT, cost(i), null))
                .toList();
    }

    private static int cost(int agent) {
        return 1 + agent % 5;
    }

    private List<String> said() {
        return log.list.stream()
                .filter(event -> event.getLevel() == Level.WARN)
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }
}
