package io.tollgate.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.tollgate.bucket.Limit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
    @TempDir
    private Path dir;

    @Test
    void defaultsAreThoseOfTheContract() throws Exception {
        var settings = Settings.from(Map.of(), Settings.Use.TOOL);

        assertThat(settings.kafka().bootstrapServers()).isEqualTo("localhost:9092");
        assertThat(settings.kafka().properties()).isEmpty();
        assertThat(settings.redis().uri()).isEmpty();
        assertThat(settings.redis().timeout()).isEqualTo(Duration.ofMillis(100));
        assertThat(settings.defaultLimit()).isEqualTo(new Limit(1000, 10));
        assertThat(settings.streams().applicationId()).isEqualTo("tollgate");
        assertThat(settings.streams().exactlyOnce()).isTrue();
        assertThat(settings.streams().threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(settings.streams().stateDir())
                .isEqualTo(Path.of(System.getProperty("user.home"), ".cache", "tollgate"));
        assertThat(settings.http().host()).isEqualTo("127.0.0.1");
        assertThat(settings.http().port()).isEqualTo(8080);
        assertThat(settings.http().token()).isEmpty();
        assertThat(settings.topics())
                .isEqualTo(new Topics(
                        "agent-requests",
                        "approved-requests",
                        "rejected-requests",
                        "agent-quotas",
                        "quota-events",
                        "agent-usage",
                        "settled-requests"));
    }

    @Test
    void everyVariableIsRead() throws Exception {
        var settings = Settings.from(
                Map.ofEntries(
                        Map.entry("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2"),
                        Map.entry("REDIS_URL", "rediss://user:secret@redis:6380/3"),
                        Map.entry("TOKEN_BUCKET_SIZE", "2.5e3"),
                        Map.entry("TOKEN_REFILL_RATE", " 0.5 "),
                        Map.entry("TOLLGATE_APPLICATION_ID", "quota.v2_x-1"),
                        Map.entry("TOLLGATE_PROCESSING_GUARANTEE", "at_least_once"),
                        Map.entry("TOLLGATE_STREAM_THREADS", "3"),
                        Map.entry(
                                "TOLLGATE_STATE_DIR", dir.resolve("deep/state").toString()),
                        Map.entry("TOLLGATE_REDIS_TIMEOUT_MS", "250"),
                        Map.entry("TOLLGATE_HTTP_HOST", "0.0.0.0"),
                        Map.entry("TOLLGATE_HTTP_PORT", "0"),
                        Map.entry("TOLLGATE_HTTP_TOKEN", "token"),
                        Map.entry("TOLLGATE_REQUESTS_TOPIC", "in"),
                        Map.entry("TOLLGATE_APPROVED_TOPIC", "yes"),
                        Map.entry("TOLLGATE_REJECTED_TOPIC", "no"),
                        Map.entry("TOLLGATE_POLICIES_TOPIC", "rules")),
                Settings.Use.PIPELINE);

        assertThat(settings.kafka().bootstrapServers()).isEqualTo("a:1,b:2");
        var redis = settings.redis().uri().orElseThrow();
        assertThat(redis.isSsl()).isTrue();
        assertThat(redis.getDatabase()).isEqualTo(3);
        assertThat(settings.redis().timeout()).isEqualTo(Duration.ofMillis(250));
        assertThat(settings.defaultLimit()).isEqualTo(new Limit(2500, 0.5));
        assertThat(settings.streams())
                .isEqualTo(new StreamsSettings("quota.v2_x-1", false, 3, dir.resolve("deep/state"), false));
        assertThat(settings.inCluster("any")).isEqualTo(settings);
        assertThat(dir.resolve("deep/state")).isDirectory();
        assertThat(settings.http().port()).isZero();
        assertThat(settings.http().token()).hasValue("token");
        assertThat(settings.topics())
                .isEqualTo(new Topics("in", "yes", "no", "rules", "quota-events", "agent-usage", "settled-requests"));
    }

    @Test
    void emptyVariablesAreAbsent() throws Exception {
        var settings = Settings.from(
                Map.of(
                        "REDIS_URL",
                        "",
                        "TOKEN_BUCKET_SIZE",
                        " ",
                        "TOLLGATE_HTTP_TOKEN",
                        "",
                        "KAFKA_BOOTSTRAP_SERVERS",
                        ""),
                Settings.Use.TOOL);

        assertThat(settings.redis().uri()).isEmpty();
        assertThat(settings.defaultLimit().capacityTokens()).isEqualTo(1000);
        assertThat(settings.kafka().bootstrapServers()).isEqualTo("localhost:9092");
    }

    @ParameterizedTest
    @CsvSource({
        "TOKEN_BUCKET_SIZE, 1e12",
        "TOKEN_BUCKET_SIZE, 0.001",
        "TOKEN_REFILL_RATE, 0",
        "TOKEN_REFILL_RATE, 1e12",
        "TOLLGATE_STREAM_THREADS, 1",
        "TOLLGATE_STREAM_THREADS, 1024",
        "TOLLGATE_REDIS_TIMEOUT_MS, 1",
        "TOLLGATE_REDIS_TIMEOUT_MS, 1000",
        "TOLLGATE_HTTP_PORT, 65535",
        "TOLLGATE_PROCESSING_GUARANTEE, exactly_once_v2",
        "TOLLGATE_REQUESTS_TOPIC, a.b_c-D",
        "KAFKA_BOOTSTRAP_SERVERS, [::1]:9092",
        "KAFKA_BOOTSTRAP_SERVERS, 'a:9092, b:9093'",
        "KAFKA_BOOTSTRAP_SERVERS, SASL_SSL://broker-1.example.com:9093",
        "REDIS_URL, redis://localhost",
        "REDIS_URL, redis://:pw@localhost:6379/0",
        "REDIS_URL, rediss://user:pw@localhost:6379",
        "REDIS_URL, redis-sentinel://a:26379;b:26379/0#mymaster",
        "REDIS_URL, 'redis-sentinel://a:26379,b:26379/0#mymaster'",
        "REDIS_URL, redis-socket:///run/redis.sock",
    })
    void legalValueIsNoMistake(String variable, String value) throws Exception {
        Settings.from(Map.of(variable, value), Settings.Use.TOOL);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "TOKEN_BUCKET_SIZE | abc | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | 0 | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | -1 | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | NaN | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | Infinity | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | 1.1e12 | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | 1,000 | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | 10d | must be a number above 0 and at most 1e12",
                "TOKEN_BUCKET_SIZE | 0x1p3 | must be a number above 0 and at most 1e12",
                "TOKEN_REFILL_RATE | -0.1 | must be a number from 0 to 1e12",
                "TOKEN_REFILL_RATE | NaN | must be a number from 0 to 1e12",
                "TOKEN_REFILL_RATE | ten | must be a number from 0 to 1e12",
                "TOLLGATE_STREAM_THREADS | 0 | must be a whole number from 1 to 1024",
                "TOLLGATE_STREAM_THREADS | 1025 | must be a whole number from 1 to 1024",
                "TOLLGATE_STREAM_THREADS | 2.0 | must be a whole number from 1 to 1024",
                "TOLLGATE_STREAM_THREADS | 99999999999 | must be a whole number from 1 to 1024",
                "TOLLGATE_REDIS_TIMEOUT_MS | 2s | must be whole milliseconds from 1 to 10000",
                "TOLLGATE_REDIS_TIMEOUT_MS | 0 | must be whole milliseconds from 1 to 10000",
                "TOLLGATE_REDIS_TIMEOUT_MS | 10001 | must be whole milliseconds from 1 to 10000",
                "TOLLGATE_HTTP_PORT | -1 | must be a port from 0 (a free one) to 65535",
                "TOLLGATE_HTTP_PORT | 65536 | must be a port from 0 (a free one) to 65535",
                "TOLLGATE_HTTP_PORT | http | must be a port from 0 (a free one) to 65535",
                "TOLLGATE_PROCESSING_GUARANTEE | exactly_once | must be one of [at_least_once, exactly_once_v2]",
                "TOLLGATE_APPLICATION_ID | a b | must be 1 to 200 letters, digits, dots, dashes and underscores",
                "TOLLGATE_APPLICATION_ID | . | must be 1 to 200 letters, digits, dots, dashes and underscores",
                "TOLLGATE_APPLICATION_ID | .. | must be 1 to 200 letters, digits, dots, dashes and underscores",
                "TOLLGATE_APPLICATION_ID | ../x | must be 1 to 200 letters, digits, dots, dashes and underscores",
                "TOLLGATE_REQUESTS_TOPIC | a/b | must be a topic name: 1 to 249 letters, digits, dots, dashes and underscores",
                "TOLLGATE_APPROVED_TOPIC | .. | must be a topic name: 1 to 249 letters, digits, dots, dashes and underscores",
                "TOLLGATE_REJECTED_TOPIC | ü | must be a topic name: 1 to 249 letters, digits, dots, dashes and underscores",
                "TOLLGATE_POLICIES_TOPIC | quota-events | must not be the topic of quota events",
                "TOLLGATE_REQUESTS_TOPIC | agent-usage | must not be the topic of usage reports",
                "TOLLGATE_APPROVED_TOPIC | settled-requests | must not be the topic of settlements",
                "TOLLGATE_HTTP_HOST | http://localhost | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "TOLLGATE_HTTP_HOST | tollgate_2 | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "TOLLGATE_HTTP_HOST | a..b | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "TOLLGATE_HTTP_HOST | host:8080 | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "TOLLGATE_HTTP_HOST | user@host | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "TOLLGATE_HTTP_HOST | a/b | must be a host name (letters, digits, dashes and dots) or an address, because the other instances reach this one by it",
                "KAFKA_BOOTSTRAP_SERVERS | localhost | must be host:port, or several with commas",
                "KAFKA_BOOTSTRAP_SERVERS | a:1, | must be host:port, or several with commas",
                "KAFKA_BOOTSTRAP_SERVERS | a:port | must be host:port, or several with commas",
                "KAFKA_BOOTSTRAP_SERVERS | a:99999 | must be host:port, or several with commas",
                "KAFKA_BOOTSTRAP_SERVERS | a:0 | must be host:port, or several with commas",
            })
    void illegalValueNamesVariableAndRule(String variable, String value, String rule) {
        assertThat(mistakes(Map.of(variable, value)))
                .containsExactly(variable + " " + rule + ", but is \"" + value + "\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "localhost:6379",
                "http://localhost",
                "redis://",
                "redis:",
                "redis://host:port",
                "redis://host:99999",
                "redis://host:-1",
                "redis://host/abc",
                "redis://host/-1",
                "redis://a b",
                "redis-sentinel://",
                "redis-sentinel://a:26379",
                "redis-socket://",
                "redis://[::1",
                "://",
                "redis://host:6379/99999999999",
                "%",
                "redis://%zz@host"
            })
    void badRedisUrlIsAMistake(String url) {
        assertThat(mistakes(Map.of("REDIS_URL", url)))
                .singleElement()
                .asString()
                .startsWith("REDIS_URL must be a redis://");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "redis://user:hunter2@host:port",
                "http://:hunter2@host",
                "redis://hunter2@a b",
                "redis://us@er:hunter2@host:port",
                "hunter2@host",
                "redis-sentinel://:hunter2@a",
                "redis://host:hunter2",
                "redis:hunter2",
                "redis://user:hunter2"
            })
    void mistakeHidesThePassword(String url) {
        assertThat(mistakes(Map.of("REDIS_URL", url)))
                .singleElement()
                .asString()
                .startsWith("REDIS_URL must be")
                .doesNotContain("hunter2");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"TOLLGATE_PASWORD", "TOLLGATE_REDIS_PASSWORD", "REDIS_PASSWRD", "KAFKA_SSL_KEYSTORE_PASWORD"})
    void unknownNameOfASecretHidesIt(String name) {
        assertThat(mistakes(Map.of(name, "hunter2")))
                .singleElement(STRING)
                .contains(name)
                .doesNotContain("hunter2");
    }

    @Test
    void printedSettingsHideSecrets() throws Exception {
        var settings = Settings.from(
                Map.of(
                        "REDIS_URL", "redis://user:hunter2@host",
                        "TOLLGATE_HTTP_TOKEN", "hunter2",
                        "KAFKA_SASL_JAAS_CONFIG",
                                "org.apache.kafka.common.security.plain.PlainLoginModule required password=\"hunter2\";",
                        "KAFKA_SSL_KEY_PASSWORD", "hunter2"),
                Settings.Use.TOOL);

        assertThat(settings.toString()).doesNotContain("hunter2").contains("sasl.jaas.config");
    }

    @ParameterizedTest
    @ValueSource(strings = {"two\nlines", "tab\there", "schlüssel", "\u0000", "a\u007f"})
    void tokenMustFitAHeader(String token) {
        assertThat(mistakes(Map.of("TOLLGATE_HTTP_TOKEN", token)))
                .containsExactly(
                        "TOLLGATE_HTTP_TOKEN must be printable ASCII characters without spaces at its ends, because it is sent in a header");
    }

    @Test
    void minusZeroIsZero() throws Exception {
        var limit = Settings.from(Map.of("TOKEN_REFILL_RATE", "-0.0"), Settings.Use.TOOL)
                .defaultLimit();

        assertThat(Double.toString(limit.refillTokensPerSecond())).isEqualTo("0.0");
    }

    @Test
    void allMistakesAreReportedAtOnce() {
        assertThat(mistakes(Map.of(
                        "TOKEN_BUCKET_SIZE", "-1",
                        "TOKEN_REFILL_RATE", "x",
                        "REDIS_URL", "ftp://x",
                        "KAFKA_BOOTSTRAP_SERVERS", "nowhere",
                        "TOLLGATE_STREAM_THREADS", "many",
                        "TOLLGATE_HTTP_PORT", "99999",
                        "TOLLGATE_REDIS_TIMEOUT_MS", "soon",
                        "TOLLGATE_APPLICATION_ID", "?",
                        "TOLLGATE_REQUESTS_TOPIC", "/",
                        "TOLLGATE_REDIS_TIMEOUT", "1")))
                .hasSize(10)
                .contains("TOLLGATE_REDIS_TIMEOUT is not a variable that Tollgate knows (did you mean"
                        + " TOLLGATE_REDIS_TIMEOUT_MS?), but is \"1\"");
    }

    @Test
    void onlyUnknownTollgateNamesAreMistakes() {
        assertThat(mistakes(Map.of(
                        "TOLLGATE_HTTP_PROT",
                        "8081",
                        "TOLLGATE_HTTP_TOKN",
                        "hunter2",
                        "TOLLGATE_",
                        "x",
                        "HOME",
                        "/",
                        "TOKEN_OTHER",
                        "x",
                        "tollgate_x",
                        "y")))
                .containsExactly(
                        "TOLLGATE_ is not a variable that Tollgate knows, but is \"x\"",
                        "TOLLGATE_HTTP_PROT is not a variable that Tollgate knows (did you mean TOLLGATE_HTTP_PORT?),"
                                + " but is \"8081\"",
                        "TOLLGATE_HTTP_TOKN is not a variable that Tollgate knows (did you mean TOLLGATE_HTTP_TOKEN?),"
                                + " but is \"***\"");
    }

    static Stream<Arguments> sameTopics() {
        return Stream.of(
                arguments(
                        Map.of("TOLLGATE_APPROVED_TOPIC", "agent-requests"),
                        "TOLLGATE_APPROVED_TOPIC must differ from TOLLGATE_REQUESTS_TOPIC, but is \"agent-requests\""),
                arguments(
                        Map.of("TOLLGATE_REQUESTS_TOPIC", "x", "TOLLGATE_REJECTED_TOPIC", "x"),
                        "TOLLGATE_REJECTED_TOPIC must differ from TOLLGATE_REQUESTS_TOPIC, but is \"x\""),
                arguments(
                        Map.of("TOLLGATE_REQUESTS_TOPIC", "rejected-requests"),
                        "TOLLGATE_REJECTED_TOPIC must differ from TOLLGATE_REQUESTS_TOPIC, but is \"rejected-requests\""),
                arguments(
                        Map.of("TOLLGATE_POLICIES_TOPIC", "approved-requests"),
                        "TOLLGATE_POLICIES_TOPIC must differ from TOLLGATE_APPROVED_TOPIC, but is \"approved-requests\""));
    }

    @ParameterizedTest
    @MethodSource("sameTopics")
    void oneTopicForTwoUsesIsAMistake(Map<String, String> variables, String mistake) {
        assertThat(mistakes(variables)).containsExactly(mistake);
    }

    @Test
    void propertiesGoToTheirScope() throws Exception {
        var kafka = Settings.from(
                        Map.of(
                                "KAFKA_SECURITY_PROTOCOL", "SASL_SSL",
                                "KAFKA_MAIN_CONSUMER_MAX_POLL_RECORDS", "50",
                                "KAFKA_PRODUCER_LINGER_MS", "7",
                                "KAFKA_ADMIN_RETRIES", "3",
                                "KAFKA_COMMIT_INTERVAL_MS", "200",
                                "KAFKA_TOPIC_SEGMENT_MS", "1000",
                                "KAFKA_BOOTSTRAP_SERVERS", "a:1"),
                        Settings.Use.TOOL)
                .kafka();

        assertThat(kafka.ignored()).isEmpty();
        assertThat(kafka.properties())
                .containsOnly(
                        Map.entry("security.protocol", "SASL_SSL"),
                        Map.entry("main.consumer.max.poll.records", "50"),
                        Map.entry("producer.linger.ms", "7"),
                        Map.entry("admin.retries", "3"),
                        Map.entry("commit.interval.ms", "200"),
                        Map.entry("topic.segment.ms", "1000"));
        assertThat(kafka.clientProperties("admin.", AdminClientConfig.configNames()))
                .isEqualTo(Map.of("bootstrap.servers", "a:1", "security.protocol", "SASL_SSL", "retries", "3"));
        assertThat(kafka.clientProperties("producer.", ProducerConfig.configNames()))
                .isEqualTo(Map.of("bootstrap.servers", "a:1", "security.protocol", "SASL_SSL", "linger.ms", "7"));
    }

    @Test
    void scopedPropertyWins() throws Exception {
        var kafka = Settings.from(Map.of("KAFKA_LINGER_MS", "1", "KAFKA_PRODUCER_LINGER_MS", "2"), Settings.Use.TOOL)
                .kafka();

        assertThat(kafka.clientProperties("producer.", ProducerConfig.configNames()))
                .containsEntry("linger.ms", "2");
    }

    @Test
    void valueOnlyForStreamsStaysThere() throws Exception {
        var kafka = Settings.from(Map.of("KAFKA_GROUP_PROTOCOL", "streams"), Settings.Use.TOOL)
                .kafka();

        assertThat(kafka.clientProperties("consumer.", ConsumerConfig.configNames()))
                .doesNotContainKey("group.protocol");
        assertThat(kafka.properties()).containsEntry("group.protocol", "streams");
    }

    @Test
    void variablesOfImagesAreIgnored() throws Exception {
        var kafka = Settings.from(
                        Map.of(
                                "KAFKA_VERSION",
                                "4.3.1",
                                "KAFKA_OPTS",
                                "-Dx=y",
                                "KAFKA_HEAP_OPTS",
                                "-Xmx1g",
                                "KAFKA_PORT_9092_TCP",
                                "tcp://1.2.3.4:9092"),
                        Settings.Use.TOOL)
                .kafka();

        assertThat(kafka.properties()).isEmpty();
        assertThat(kafka.ignored()).isEqualTo(Set.of("KAFKA_VERSION", "KAFKA_OPTS", "KAFKA_HEAP_OPTS"));
    }

    @ParameterizedTest
    @CsvSource({
        "KAFKA_MAIN_CONSUMER_MAX_POLL_RECORDS, many",
        "KAFKA_MAX_POLL_RECORDS, 0",
        "KAFKA_COMMIT_INTERVAL_MS, soon",
        "KAFKA_PRODUCER_ACKS, maybe",
        "KAFKA_REQUEST_TIMEOUT_MS, -1",
    })
    void illegalKafkaPropertyIsAMistake(String variable, String value) {
        assertThat(mistakes(Map.of(variable, value, "TOKEN_BUCKET_SIZE", "x")))
                .hasSize(2)
                .anySatisfy(sentence ->
                        assertThat(sentence).startsWith(variable + " ").contains("\"" + value + "\""));
    }

    @Test
    void onlyThePipelineNeedsAStateFolder() throws Exception {
        var file = Files.writeString(dir.resolve("file"), "x");
        var variables = Map.of("TOLLGATE_STATE_DIR", file.resolve("state").toString());

        Settings.from(variables, Settings.Use.TOOL);

        assertThat(mistakes(variables, Settings.Use.PIPELINE))
                .containsExactly("TOLLGATE_STATE_DIR must be a folder that can be written, but is \""
                        + file.resolve("state") + "\"");
    }

    @Test
    void unwritableStateFolderIsAMistake() throws IOException {
        var readOnly = Path.of("/proc/tollgate"); // not even root can write there
        org.junit.jupiter.api.Assumptions.assumeTrue(Files.isDirectory(Path.of("/proc")));

        assertThat(mistakes(Map.of("TOLLGATE_STATE_DIR", readOnly.toString()), Settings.Use.PIPELINE))
                .containsExactly("TOLLGATE_STATE_DIR must be a folder that can be written, but is \"/proc/tollgate\"");
    }

    @Test
    void stateIsInTheUsersCache() throws Exception {
        var settings = Settings.from(Map.of("XDG_CACHE_HOME", dir.toString()), Settings.Use.PIPELINE);

        assertThat(settings.streams().stateDir()).isEqualTo(dir.resolve("tollgate"));
        assertThat(settings.inCluster("4L6g3nShT-eMCtK--X86sw").streams().stateDir())
                .isEqualTo(dir.resolve("tollgate/4L6g3nShT-eMCtK--X86sw"));
        assertThat(settings.inCluster("../x").streams().stateDir()).isEqualTo(dir.resolve("tollgate/___x"));
    }

    @Test
    void longValueIsOneShortLine() {
        assertThat(mistakes(Map.of("TOKEN_BUCKET_SIZE", "1\n2\u001b[31m" + "x".repeat(1000))))
                .singleElement()
                .asString()
                .hasSizeLessThan(220)
                .doesNotContainPattern("\\p{Cntrl}");
    }

    /** Waiting for Redis counts against the transaction: the broker aborts it when it takes too long. */
    @ParameterizedTest
    @CsvSource({
        "1001, , , exactly_once_v2, must be at most 1000: a tenth of the transaction timeout of 10000 ms",
        "1000, , , exactly_once_v2,",
        "200, 1500, , exactly_once_v2, must be at most 150: a tenth of the transaction timeout of 1500 ms",
        "200, , 1500, exactly_once_v2, must be at most 150: a tenth of the transaction timeout of 1500 ms",
        "200, 1500, 60000, exactly_once_v2,",
        "6000, 60000, , exactly_once_v2,",
        "10000, , , at_least_once,",
    })
    void redisTimeoutIsBelowTransactions(
            String timeout, String transaction, String scoped, String guarantee, String rule) throws Exception {
        var variables = new HashMap<String, String>();
        variables.put("TOLLGATE_REDIS_TIMEOUT_MS", timeout);
        variables.put("TOLLGATE_PROCESSING_GUARANTEE", guarantee);
        if (transaction != null) variables.put("KAFKA_TRANSACTION_TIMEOUT_MS", transaction);
        if (scoped != null) variables.put("KAFKA_PRODUCER_TRANSACTION_TIMEOUT_MS", scoped);

        if (rule == null) Settings.from(variables, Settings.Use.TOOL);
        else
            assertThat(mistakes(variables))
                    .containsExactly("TOLLGATE_REDIS_TIMEOUT_MS " + rule + ", but is \"" + timeout + "\"");
    }

    private static List<String> mistakes(Map<String, String> variables) {
        return mistakes(variables, Settings.Use.TOOL);
    }

    private static List<String> mistakes(Map<String, String> variables, Settings.Use use) {
        var thrown = catchThrowableOfType(SettingsException.class, () -> Settings.from(variables, use));
        assertThat(thrown).isNotNull();
        return thrown.mistakes();
    }
}
