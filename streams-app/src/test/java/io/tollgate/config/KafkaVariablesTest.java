package io.tollgate.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.tollgate.env.Env;
import io.tollgate.env.Setting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KafkaVariablesTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "KAFKA_PROCESSING_GUARANTEE | at_least_once | must not be set: set TOLLGATE_PROCESSING_GUARANTEE instead",
                "KAFKA_PROCESSING_GUARANTEE | exactly_once_v2 | must not be set: set TOLLGATE_PROCESSING_GUARANTEE instead",
                "KAFKA_APPLICATION_ID | x | must not be set: set TOLLGATE_APPLICATION_ID instead",
                "KAFKA_GROUP_ID | x | must not be set: set TOLLGATE_APPLICATION_ID instead",
                "KAFKA_MAIN_CONSUMER_GROUP_ID | x | must not be set: set TOLLGATE_APPLICATION_ID instead",
                "KAFKA_STATE_DIR | /x | must not be set: set TOLLGATE_STATE_DIR instead",
                "KAFKA_NUM_STREAM_THREADS | 3 | must not be set: set TOLLGATE_STREAM_THREADS instead",
                "KAFKA_APPLICATION_SERVER | a:1 | must not be set: set TOLLGATE_HTTP_HOST and TOLLGATE_HTTP_PORT instead",
                "KAFKA_PRODUCER_BOOTSTRAP_SERVERS | a:1 | must not be set: set KAFKA_BOOTSTRAP_SERVERS instead",
                "KAFKA_ADMIN_BOOTSTRAP_CONTROLLERS | a:1 | must not be set: set KAFKA_BOOTSTRAP_SERVERS instead",
                "KAFKA_PARTITIONER_CLASS | org.apache.kafka.clients.producer.RoundRobinPartitioner | must not be set: Tollgate relies on the partition",
                "KAFKA_PRODUCER_PARTITIONER_CLASS | x | must not be set: Tollgate relies on the partition",
                "KAFKA_PARTITIONER_IGNORE_KEYS | true | must not be set: Tollgate relies on the partition",
                "KAFKA_PRODUCER_PARTITIONER_ADAPTIVE_PARTITIONING_ENABLE | false | must not be set",
                "KAFKA_ISOLATION_LEVEL | read_uncommitted | must be read_committed: requests that were taken back",
                "KAFKA_MAIN_CONSUMER_ISOLATION_LEVEL | read_uncommitted | must be read_committed",
                "KAFKA_RESTORE_CONSUMER_ISOLATION_LEVEL | read_uncommitted | must be read_committed",
                "KAFKA_ENABLE_AUTO_COMMIT | true | must be false",
                "KAFKA_AUTO_OFFSET_RESET | latest | must be earliest",
                "KAFKA_CONSUMER_AUTO_OFFSET_RESET | none | must be earliest",
                "KAFKA_ALLOW_AUTO_CREATE_TOPICS | true | must be false",
                "KAFKA_ACKS | 1 | must be all or -1",
                "KAFKA_PRODUCER_ACKS | 0 | must be all or -1",
                "KAFKA_ENABLE_IDEMPOTENCE | false | must be true",
                "KAFKA_MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION | 6 | must be from 1 to 5",
                "KAFKA_PRODUCER_RETRIES | 0 | must be at least 1",
                "KAFKA_TRANSACTION_TWO_PHASE_COMMIT_ENABLE | true | must be false",
                "KAFKA_TRANSACTIONAL_ID | x | must not be set",
                "KAFKA_INTERCEPTOR_CLASSES | x | must not be set: code between",
                "KAFKA_MAIN_CONSUMER_INTERCEPTOR_CLASSES | x | must not be set: code between",
                "KAFKA_KEY_SERIALIZER | x | must not be set: Tollgate reads and writes bytes",
                "KAFKA_CONSUMER_VALUE_DESERIALIZER | x | must not be set: Tollgate reads and writes bytes",
                "KAFKA_DEFAULT_KEY_SERDE | x | must not be set: Tollgate reads and writes bytes",
                "KAFKA_DESERIALIZATION_EXCEPTION_HANDLER | x | must not be set: every request is decided",
                "KAFKA_DEFAULT_PRODUCTION_EXCEPTION_HANDLER | x | must not be set: every request is decided",
                "KAFKA_PROCESSING_EXCEPTION_HANDLER | x | must not be set: every request is decided",
                "KAFKA_ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME | x | must not be set: every request is decided",
                "KAFKA_DEFAULT_TIMESTAMP_EXTRACTOR | x | must not be set: it is part of the program",
                "KAFKA_PARTITION_ASSIGNMENT_STRATEGY | x | must not be set: it is part of the program",
                "KAFKA_ROCKSDB_CONFIG_SETTER | x | must not be set: it is part of the program",
                "KAFKA_TOPOLOGY_OPTIMIZATION | all | must be none",
                "KAFKA_INTERNAL_THROW_ON_FETCH_STABLE_OFFSET_UNSUPPORTED | true | must not be set",
                "KAFKA_CONFIG_PROVIDERS | file | must not be set: set the variable of the secret with _FILE",
                "KAFKA_TOPIC_CLEANUP_POLICY | delete | must not be set: changelogs are compacted",
                "KAFKA_TOPIC_CLEANUP_POLICY | compact | must not be set: changelogs are compacted",
                "KAFKA_TOPIC_RETENTION_MS | 604800000 | must be -1: records in topics of Kafka Streams",
                "KAFKA_TOPIC_RETENTION_MS | a_week | must be -1: records in topics of Kafka Streams",
                "KAFKA_TOPIC_RETENTION_BYTES | 1 | must be -1",
                "KAFKA_TOPIC_MESSAGE_TIMESTAMP_TYPE | LogAppendTime | must be CreateTime",
                "KAFKA_TOPIC_MESSAGE_TIMESTAMP_AFTER_MAX_MS | 1000 | must be 9223372036854775807",
                "KAFKA_TOPIC_UNCLEAN_LEADER_ELECTION_ENABLE | true | must be false",
                "KAFKA_TOPIC_NAME | x | is not a setting of the topics that Kafka Streams makes",
                "KAFKA_TOPIC_PREFIX | x | is not a setting of the topics that Kafka Streams makes",
                "KAFKA_TOPIC_MIN_INSYNC_REPLICAS | 0 | must be a value that Kafka accepts for min.insync.replicas: int [1,...]",
                "KAFKA_TOPIC_SEGMENT_MS | a_day | must be a value that Kafka accepts for segment.ms: long",
                "KAFKA_TOPIC_COMPRESSION_TYPE | zip | must be a value that Kafka accepts for compression.type: string",
                "KAFKA_SECURITY_PROTOCOL | FOO | must be a value that Kafka accepts for security.protocol: string",
                "KAFKA_COMMIT_INTERVAL_MS | abc | must be a value that Kafka accepts for commit.interval.ms: long",
                "KAFKA_COMMIT_INTERVAL_MS | 20000 | must be at most 5000: half of the transaction timeout of 10000 ms",
                "KAFKA_TRANSACTION_TIMEOUT_MS | soon | must be a value that Kafka accepts for transaction.timeout.ms: int",
                "KAFKA_GROUP_PROTOCOL | consumer | must be a value that Kafka accepts for group.protocol",
                "KAFKA_METRIC_REPORTERS | no.such.Thing |",
                "KAFKA_HEARTBEAT_INTERVAL_MS | 10000 | must be below the session timeout of 10000 ms",
                "KAFKA_MAIN_CONSUMER_SESSION_TIMEOUT_MS | 200 | must be above the heartbeat interval of 300 ms",
                "KAFKA_DELIVERY_TIMEOUT_MS | 30009 | must be at least 30010: linger.ms and request.timeout.ms together",
                "KAFKA_BOOTSTRAP_SERVER | a:1 | is not a property of Kafka's clients (did you mean KAFKA_BOOTSTRAP_SERVERS?)",
                "KAFKA_SECURTY_PROTOCOL | SSL | is not a property of Kafka's clients (did you mean KAFKA_SECURITY_PROTOCOL?)",
                "KAFKA_MAIN_CONSUMER_MAX_POL_RECORDS | 1 | (did you mean KAFKA_MAIN_CONSUMER_MAX_POLL_RECORDS?)",
                "KAFKA_BROKERS | a:1 | is not a property of Kafka's clients",
                "KAFKA_LISTENERS | PLAINTEXT://:9092 | is not a property of Kafka's clients",
            })
    void breakingPropertyIsAMistake(String variable, String value, String rule) throws Exception {
        if (rule == null) {
            Settings.from(Map.of(variable, value), Settings.Use.TOOL);
            return;
        }
        assertThat(mistakes(Map.of(variable, value)))
                .singleElement()
                .asString()
                .startsWith(variable + " ")
                .contains(rule)
                .endsWith(", but is \"" + value + "\"");
    }

    @ParameterizedTest
    @CsvSource({
        "KAFKA_ISOLATION_LEVEL, read_committed",
        "KAFKA_ACKS, all",
        "KAFKA_PRODUCER_ACKS, -1",
        "KAFKA_ENABLE_IDEMPOTENCE, true",
        "KAFKA_AUTO_OFFSET_RESET, earliest",
        "KAFKA_ENABLE_AUTO_COMMIT, false",
        "KAFKA_MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 5",
        "KAFKA_ADMIN_RETRIES, 0",
        "KAFKA_TOPIC_RETENTION_MS, -1",
        "KAFKA_TOPIC_MIN_INSYNC_REPLICAS, 2",
        "KAFKA_TOPIC_MAX_MESSAGE_BYTES, 8388608",
        "KAFKA_TOPIC_COMPRESSION_TYPE, zstd",
        "KAFKA_GROUP_PROTOCOL, streams",
        "KAFKA_NUM_STANDBY_REPLICAS, 1",
        "KAFKA_REPLICATION_FACTOR, 3",
        "KAFKA_SECURITY_PROTOCOL, SASL_SSL",
        "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM, https",
        "KAFKA_CLIENT_ID, me",
        "KAFKA_GROUP_INSTANCE_ID, me",
        "KAFKA_CLIENT_RACK, a",
        "KAFKA_CLIENT_TAG_ZONE, a",
        "KAFKA_RACK_AWARE_ASSIGNMENT_NON_OVERLAP_COST, 1",
        "KAFKA_COMMIT_INTERVAL_MS, 5000",
        "KAFKA_REQUEST_TIMEOUT_MS, 5000",
        "KAFKA_METRICS_RECORDING_LEVEL, DEBUG",
        "KAFKA_STATESTORE_CACHE_MAX_BYTES, 0",
        "KAFKA_UPGRADE_FROM, 4.0",
    })
    void harmlessPropertyPasses(String variable, String value) throws Exception {
        var kafka = Settings.from(Map.of(variable, value), Settings.Use.TOOL).kafka();

        assertThat(kafka.properties()).hasSize(1).containsValue(value);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "KAFKA_HOME",
                "KAFKA_VERSION",
                "KAFKA_OPTS",
                "KAFKA_HEAP_OPTS",
                "KAFKA_LOG4J_OPTS",
                "KAFKA_JMX_OPTS",
                "KAFKA_JMX_PORT",
                "KAFKA_GC_LOG_OPTS",
                "KAFKA_JVM_PERFORMANCE_OPTS",
                "KAFKA_CONF_DIR"
            })
    void variablesOfImagesAreIgnored(String variable) throws Exception {
        var kafka = Settings.from(Map.of(variable, "x"), Settings.Use.TOOL).kafka();

        assertThat(kafka.properties()).isEmpty();
        assertThat(kafka.ignored()).containsExactly(variable);
    }

    @ParameterizedTest
    @CsvSource({
        "KAFKA_SERVICE_HOST, 10.0.0.1",
        "KAFKA_SERVICE_PORT, 9092",
        "KAFKA_SERVICE_PORT_CLIENT, 9092",
        "KAFKA_PORT, tcp://10.0.0.1:9092",
        "KAFKA_PORT_9092_TCP, tcp://10.0.0.1:9092",
        "KAFKA_BOOTSTRAP_SERVICE_HOST, 10.0.0.1",
        "KAFKA_BROKERS_PORT_9092_TCP_ADDR, 10.0.0.1",
        "REDIS_PORT, tcp://10.0.0.1:6379",
        "REDIS_SERVICE_HOST, 10.0.0.1",
        "REDIS_URL_SERVICE_HOST, 10.0.0.1",
        "REDIS_URL_PORT, tcp://10.0.0.1:6379",
        "TOKEN_BUCKET_SIZE_PORT, tcp://10.0.0.1:80",
        "TOLLGATE_PORT, tcp://10.0.0.1:8080",
        "TOLLGATE_HTTP_PORT, tcp://10.0.0.1:8080",
    })
    void kubernetesServicesAreNoMistakes(String variable, String value) throws Exception {
        var settings = Settings.from(Map.of(variable, value), Settings.Use.TOOL);

        assertThat(settings.kafka().properties()).isEmpty();
        assertThat(settings.kafka().ignored()).isEmpty();
        assertThat(settings.http().port()).isEqualTo(8080);
    }

    @ParameterizedTest
    @CsvSource({
        "REDIS_URI, REDIS_URL",
        "REDIS_URLS, REDIS_URL",
        "REDISURL, REDIS_URL",
        "redis_url, REDIS_URL",
        "REDIS_ULR, REDIS_URL",
        "REDIS_USER, REDIS_USERNAME",
        "REDIS_PASSWD, REDIS_PASSWORD",
        "REDIS_PASSWORD_FIEL, REDIS_PASSWORD_FILE",
        "TOKEN_BUCKETSIZE, TOKEN_BUCKET_SIZE",
        "TOKEN_BUCKET, TOKEN_BUCKET_SIZE",
        "TOKEN_REFIL_RATE, TOKEN_REFILL_RATE",
        "TOKENS_REFILL_RATE, TOKEN_REFILL_RATE",
        "TOLGATE_HTTP_PORT, TOLLGATE_HTTP_PORT",
        "TOLLGATE_HTTP_PROT, TOLLGATE_HTTP_PORT",
        "tollgate_stream_threads, TOLLGATE_STREAM_THREADS",
        "KAFAK_BOOTSTRAP_SERVERS, KAFKA_BOOTSTRAP_SERVERS",
        "kafka_security_protocol, KAFKA_SECURITY_PROTOCOL",
        "Kafka_Producer_Linger_Ms, KAFKA_PRODUCER_LINGER_MS",
        "KAFKASECURITY_PROTOCOL, KAFKA_SECURITY_PROTOCOL",
        "KAKFA_SASL_JAAS_CONFIG, KAFKA_SASL_JAAS_CONFIG",
        "kafka.ssl.key.password, KAFKA_SSL_KEY_PASSWORD",
        "security.protocol, KAFKA_SECURITY_PROTOCOL",
        "producer.linger.ms, KAFKA_PRODUCER_LINGER_MS",
        "TOKEN_RATE, TOKEN_REFILL_RATE",
        "TOKEN_SIZE, TOKEN_BUCKET_SIZE",
        "TOKEN_BUCKET_SIZE_FILE, TOKEN_BUCKET_SIZE",
        "TOLLGATE_HTTP_PORT_FILE, TOLLGATE_HTTP_PORT",
    })
    void nearMissNamesTheKnownName(String variable, String meant) {
        assertThat(mistakes(Map.of(variable, "hunter2")))
                .singleElement()
                .asString()
                .startsWith(variable + " is not a variable that Tollgate knows (did you mean " + meant + "?)");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "REDIS_HOST",
                "REDIS_URL2",
                "REDIS_MAX_CLIENTS",
                "TOKEN",
                "TOKEN_SECRET",
                "KUBERNETES_PORT",
                "K8S_NODE",
                "java.home",
                "PATH",
                "HOME"
            })
    void foreignNamesAreIgnored(String variable) throws Exception {
        Settings.from(Map.of(variable, "x"), Settings.Use.TOOL);
    }

    @Test
    void filesOfWrongValuesStayHidden(@TempDir Path dir) throws IOException {
        var file = Files.writeString(dir.resolve("file"), "hunter2\n").toString();

        assertThat(mistakes(Map.of("KAFKA_SECURITY_PROTOCOL_FILE", file, "KAFKA_GROUP_ID_FILE", file)))
                .satisfiesExactly(
                        group -> assertThat(group)
                                .startsWith("KAFKA_GROUP_ID_FILE must not be set")
                                .endsWith("\"***\""),
                        protocol -> assertThat(protocol)
                                .startsWith("KAFKA_SECURITY_PROTOCOL_FILE must be")
                                .endsWith("\"***\""));
        for (var others : List.of(Map.<String, String>of(), Map.of("KAFKA_BOOTSTRAP_SERVERS", "a:1"))) {
            var variables = new HashMap<>(others);
            variables.put("KAFKA_BOOTSTRAP_SERVERS_FILE", file);
            assertThat(mistakes(variables))
                    .singleElement()
                    .asString()
                    .contains("did you mean KAFKA_BOOTSTRAP_SERVERS?");
        }
    }

    @Test
    void valueAndFileAreOneMistake() {
        assertThat(mistakes(Map.of("KAFKA_SASL_JAAS_CONFIG", "x", "KAFKA_SASL_JAAS_CONFIG_FILE", "y")))
                .containsExactly(
                        "KAFKA_SASL_JAAS_CONFIG and KAFKA_SASL_JAAS_CONFIG_FILE are both set: set one of them");
    }

    @Test
    void loginsInAddressesAreMasked() throws Exception {
        var url = "https://user:hunter2@host/x";
        var env = Env.of(Map.of("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", url, "KAFKA_CLIENT_ID", "a\nb"));
        var settings = Settings.from(env, Settings.Use.TOOL);

        assertThat(settings.kafka().properties()).containsValue(url);
        assertThat(env.settings())
                .extracting(Setting::value)
                .contains("https://***@host/x", "a?b")
                .noneMatch(value -> value.contains("hunter2"));
        for (var servers : List.of("user:hunter2@host:9092", "kafka://user:hunter2@host:x", "a:1,u:hunter2@b:1")) {
            assertThat(mistakes(Map.of("KAFKA_BOOTSTRAP_SERVERS", servers)))
                    .singleElement()
                    .asString()
                    .contains("***@")
                    .doesNotContain("hunter2");
        }
        assertThat(mistakes(Map.of("TOLLGATE_STREAM_THREADS", url)).get(0)).doesNotContain("hunter2");
    }

    @Test
    void secretsAreMaskedInMistakes() {
        var mistakes = mistakes(Map.of(
                "KAFKA_SASL_JAAS_CONFG", "password=hunter2",
                "KAFKA_SSL_KEY_PASWORD", "hunter2",
                "TOLLGATE_HTTP_TOKN", "hunter2",
                "REDIS_PASSWRD", "hunter2",
                "REDIS_URI", "redis://:hunter2@host"));

        assertThat(mistakes).hasSize(5).noneMatch(mistake -> mistake.contains("hunter2"));
    }

    @Test
    void everyMistakeOfOneStartIsReported() {
        var variables = new HashMap<>(Map.of(
                "KAFKA_PROCESSING_GUARANTEE", "at_least_once",
                "KAFKA_COMMIT_INTERVAL_MS", "20000",
                "KAFKA_PARTITIONER_CLASS", "x",
                "KAFKA_NONE", "x",
                "REDIS_URL", "redis://host?ssl=true",
                "TOLLGATE_HTTP_HOST", "tollgate_2",
                "TOKEN_BUCKET_SIZE", "-1"));

        assertThat(mistakes(variables)).hasSize(7);
    }

    /** A property that a later version of Kafka adds must be looked at before it passes. */
    @Test
    void everyKnownPropertyWasLookedAt() {
        assertThat(KafkaProperties.definitions("").stream()
                        .flatMap(definition -> definition.names().stream())
                        .distinct())
                .hasSize(195);
    }

    private static List<String> mistakes(Map<String, String> variables) {
        var thrown = catchThrowableOfType(SettingsException.class, () -> Settings.from(variables, Settings.Use.TOOL));
        assertThat(thrown).as(variables.toString()).isNotNull();
        return thrown.mistakes();
    }
}
