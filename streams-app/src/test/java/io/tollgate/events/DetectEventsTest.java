package io.tollgate.events;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Terms;
import io.tollgate.ingest.Request;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.quota.RemainingQuota;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Buckets of 1000 tokens, so that 200 left are a fifth. Times are seconds. */
class DetectEventsTest {
    private static final Schema SCHEMA = schema();
    private static final double START = 1_700_000_000;
    private static final Limit LIMIT = new Limit(1000, 2.5);
    private static final Terms TERMS = Terms.of(LIMIT);

    private final AtomicInteger storeCalls = new AtomicInteger();
    private KeyValueStore<String, byte[]> store;
    private MockProcessorContext<byte[], byte[]> context;
    private DetectEvents detect;
    private long offset;

    @BeforeEach
    void open() {
        context = new MockProcessorContext<>();
        store = counting(Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(DetectEvents.STORE), Serdes.String(), Serdes.ByteArray())
                .withLoggingDisabled()
                .build());
        store.init(context.getStateStoreContext(), store);
        context.addStateStore(store);
        detect = new DetectEvents();
        detect.init(context);
        storeCalls.set(0);
    }

    /** As after a restart or a rebalance: memory is lost, the store is restored. */
    private void restart() {
        var restored = store;
        context = new MockProcessorContext<>();
        context.addStateStore(restored);
        detect = new DetectEvents();
        detect.init(context);
    }

    @Test
    void nearLimitIsToldOnceAtAFifth() {
        approved("a", 1000, 0);
        approved("a", 200.1, 1);
        assertThat(told()).isEmpty();

        approved("a", 200, 2);
        approved("a", 100, 3);
        approved("a", 0, 4);

        assertThat(told()).containsExactly("near_limit a 200");
    }

    @Test
    void hoveringIsToldAgainAfterAHalf() {
        approved("a", 200, 0);
        approved("a", 499, 70);
        approved("a", 150, 80);
        assertThat(told()).containsExactly("near_limit a 200");

        approved("a", 500, 90);
        approved("a", 140, 100);
        assertThat(told()).containsExactly("near_limit a 140");
    }

    @Test
    void repeatedNearLimitWaitsAMinute() {
        approved("a", 200, 0);
        approved("a", 900, 10);
        approved("a", 150, 20);
        approved("a", 140, 59.999999);
        assertThat(told()).containsExactly("near_limit a 200");

        approved("a", 130, 60);
        assertThat(told()).containsExactly("near_limit a 130");
    }

    @Test
    void onlyFirstRefusalIsTold() {
        approved("a", 100, 0);
        for (int second = 1; second < 300; second++) refused("a", 5, second);

        assertThat(told()).containsExactly("near_limit a 100", "first_refusal a 5");
    }

    @Test
    void approvalWithAFifthMeansRecovered() {
        refused("a", 300, 0);
        approved("a", 201, 0.1);
        approved("a", 200.5, 0.2);

        assertThat(told()).containsExactly("first_refusal a 300", "recovered a 201");
    }

    @Test
    void alternatingIsNotRecovered() {
        for (int i = 0; i < 2000; i++) {
            refused("a", 0.5, i / 10.0);
            approved("a", 0.1, i / 10.0 + 0.05);
        }

        assertThat(told()).containsExactly("first_refusal a 0.5");
    }

    @Test
    void calmSecondMeansRecovered() {
        refused("a", 0, 0);
        refused("a", 1, 10);
        approved("a", 10, 10.999999);
        assertThat(told()).containsExactly("first_refusal a 0");

        approved("a", 10, 11);
        approved("a", 5, 12);
        assertThat(told()).as("and nobody is told again that it is near").containsExactly("recovered a 10");
    }

    @Test
    void repeatedRefusalWaitsAMinute() {
        refused("a", 0, 0);
        approved("a", 500, 10);
        refused("a", 1, 20);
        refused("a", 2, 59.999999);
        assertThat(told()).containsExactly("first_refusal a 0", "recovered a 500");

        refused("a", 3, 60);
        refused("a", 4, 61);
        assertThat(told()).containsExactly("first_refusal a 3");

        approved("a", 500, 69.999999);
        assertThat(told()).isEmpty();
        approved("a", 400, 70);
        assertThat(told()).containsExactly("recovered a 400");
    }

    @Test
    void nearLimitFollowsRecovery() {
        refused("a", 900, 0);
        approved("a", 900, 1);
        approved("a", 100, 2);

        assertThat(told()).containsExactly("first_refusal a 900", "recovered a 900", "near_limit a 100");
    }

    @Test
    void agentsAreWatchedSeparately() {
        approved("a", 100, 0);
        refused("b", 0, 1);
        approved("b", 900, 2);
        approved("c", 900, 3);

        assertThat(told()).containsExactly("near_limit a 100", "first_refusal b 0", "recovered b 900");
    }

    @ParameterizedTest
    @EnumSource(
            value = Mode.class,
            names = {"SHADOW", "OFF"})
    void onlyEnforcedPoliciesAreTold(Mode mode) {
        decide("a", mode, new Decision.Approved(0, micros(0), DecidedBy.LOCAL, TERMS));

        assertThat(told()).isEmpty();
        assertThat(storeCalls()).isZero();
    }

    @Test
    void eventNamesTheRefusingLimit() throws IOException {
        var day = new NamedLimit("day", new Limit(5000, 0.5));
        var terms = new Terms(0, List.of(new NamedLimit("burst", LIMIT), day));
        var wait = Optional.of(Duration.ofSeconds(1));
        decide("a", Mode.ENFORCE, new Decision.QuotaExceeded(3, wait, micros(0), DecidedBy.LOCAL, terms, 1));
        decide("b", Mode.ENFORCE, new Decision.Approved(200, micros(0), DecidedBy.LOCAL, terms));

        assertThat(context.forwarded().stream().map(told -> json(told.record().value())))
                .extracting(event -> event.get("limit").textValue() + " " + event.get("capacity"))
                .containsExactly("day 5000", "burst 1000");
    }

    /** Three requests of one call, which left 550 of 1000 and 9950 of 50000. */
    @Test
    void eventNamesTheLimitAtAFifth() {
        var burst = new NamedLimit("burst", LIMIT);
        var day = new NamedLimit("day", new Limit(50_000, 0.5));
        var terms = new Terms(0, List.of(burst, day));
        var after = new AgentBuckets(terms, List.of(new Bucket(550, START), new Bucket(9_950, START)));
        decide("a", Mode.ENFORCE, new Decision.Approved(601, micros(0), DecidedBy.REDIS, terms), after);
        assertThat(told()).as("10001 of 50000 are more than a fifth").isEmpty();

        decide("a", Mode.ENFORCE, new Decision.Approved(600, micros(0), DecidedBy.REDIS, terms), after);
        decide("a", Mode.ENFORCE, new Decision.Approved(550, micros(0), DecidedBy.REDIS, terms), after);
        decide("b", Mode.ENFORCE, new Decision.Approved(200, micros(0), DecidedBy.REDIS, terms), null);

        assertThat(context.forwarded().stream().map(told -> json(told.record().value())))
                .extracting(event -> event.get("agent_id").textValue() + " "
                        + event.get("limit").textValue() + " " + event.get("remaining"))
                .containsExactly("a day 10000", "b burst 200");
    }

    @Test
    void quietAgentTouchesNoStore() {
        approved("near", 10, 0);
        told();
        storeCalls.set(0);

        for (int i = 0; i < 10_000; i++) approved("quiet-" + i % 100, 201 + i % 700, i);
        assertThat(storeCalls()).isZero();

        refused("near", 10, 1);
        assertThat(storeCalls())
                .as("the store that is counted is the one that is used")
                .isEqualTo(1);
    }

    @Test
    void restartRepeatsNoRefusal() {
        refused("a", 0, 0);
        told();

        restart();
        refused("a", 0, 30);
        approved("a", 1, 30.5);
        refused("a", 0, 90);
        assertThat(told()).isEmpty();

        approved("a", 900, 91);
        assertThat(told()).containsExactly("recovered a 900");
    }

    @Test
    void minuteOutlivesARestart() {
        refused("a", 0, 0);
        approved("a", 900, 1);
        told();

        restart();
        refused("a", 0, 59);
        assertThat(told()).isEmpty();
        refused("a", 0, 60);
        assertThat(told()).containsExactly("first_refusal a 0");
    }

    @Test
    void failedTaskRereadsItsStore() {
        refused("a", 0, 0);
        told();
        store.delete("a"); // what was not committed is gone from the restored store

        detect.init(context);
        refused("a", 0, 1);

        assertThat(told()).containsExactly("first_refusal a 0");
    }

    @Test
    void fineOrSilentAgentsAreForgotten() {
        approved("near", 100, 0);
        approved("fine", 100, 0);
        approved("fine", 800, 1);
        refused("refused", 0, 2);
        assertThat(stored()).isEqualTo(3);

        approved("other", 1000, 59.9);
        sweep();
        assertThat(stored()).as("told within the minute").isEqualTo(3);

        approved("other", 1000, 62);
        sweep();
        assertThat(stored()).as("all but the one that is fine").isEqualTo(2);

        refused("refused", 0, 400);
        approved("other", 1000, 600);
        sweep();
        assertThat(stored()).as("all but the one that is silent").isEqualTo(1);

        approved("other", 1000, 1000);
        sweep();
        assertThat(stored()).isZero();
    }

    @Test
    void everyResetIsTold() {
        var policy = new Policy("a@0/7", Mode.ENFORCE, List.of(NamedLimit.only(LIMIT)));
        for (int second = 0; second < 2; second++)
            detect.process(new Record<>(
                    "a".getBytes(UTF_8), new BucketReset("a", policy, micros(second), "api:127.0.0.1"), 77));

        assertThat(context.forwarded())
                .extracting(told -> told.record().timestamp() + " "
                        + new String(told.record().value(), UTF_8))
                .containsExactly(
                        "1700000000000 {\"event\":\"bucket_reset\",\"agent_id\":\"a\",\"at\":1700000000000000,"
                                + "\"remaining\":1000,\"capacity\":1000,\"refill_rate\":2.5,\"policy\":\"a@0/7\",\"by\":\"api:127.0.0.1\"}",
                        "1700000001000 {\"event\":\"bucket_reset\",\"agent_id\":\"a\",\"at\":1700000001000000,"
                                + "\"remaining\":1000,\"capacity\":1000,\"refill_rate\":2.5,\"policy\":\"a@0/7\",\"by\":\"api:127.0.0.1\"}");
        context.forwarded()
                .forEach(told -> assertThat(
                                SCHEMA.validate(new String(told.record().value(), UTF_8), InputFormat.JSON))
                        .isEmpty());
    }

    @Test
    void restartForgetsNobody() {
        refused("a", 0, 0);
        restart();
        sweep();
        approved("other", 1000, 3000);
        sweep();
        assertThat(stored()).isEqualTo(1);

        approved("other", 1000, 3600);
        sweep();
        assertThat(stored()).isZero();
    }

    @Test
    void eldestUntoldAgentGoesFirst() {
        for (int i = 0; i < DetectEvents.MAX_WATCHED; i++) approved("agent-" + i, 100, 0);
        assertThat(context.forwarded()).hasSize(DetectEvents.MAX_WATCHED);
        context.resetForwards();

        approved("late", 100, 59);
        assertThat(told()).as("a memory of the last minute is kept").isEmpty();

        approved("later", 100, 60);
        assertThat(told()).containsExactly("near_limit later 100");
        assertThat(stored()).isEqualTo(DetectEvents.MAX_WATCHED);
    }

    @Test
    void eventFollowsItsSchema() throws IOException {
        approved("ä \"x\"", 12.5, 0.25);

        var written = context.forwarded().get(0).record();
        assertThat(written.key()).isEqualTo("ä \"x\"".getBytes(UTF_8));
        assertThat(written.timestamp()).isEqualTo(1_700_000_000_250L);
        assertThat(written.headers()).isEmpty();
        assertThat(json(written.value()).toString())
                .isEqualTo("{\"event\":\"near_limit\",\"agent_id\":\"ä \\\"x\\\"\",\"at\":1700000000250000,"
                        + "\"remaining\":12.5,\"capacity\":1000,\"refill_rate\":2.5,"
                        + "\"source\":{\"topic\":\"agent-requests\",\"partition\":3,\"offset\":1,\"timestamp\":77}}");
    }

    private void approved(String agent, double left, double atSeconds) {
        decide(agent, Mode.ENFORCE, new Decision.Approved(left, micros(atSeconds), DecidedBy.LOCAL, TERMS));
    }

    private void refused(String agent, double left, double atSeconds) {
        decide(
                agent,
                Mode.ENFORCE,
                new Decision.QuotaExceeded(
                        left, Optional.of(Duration.ofSeconds(1)), micros(atSeconds), DecidedBy.LOCAL, TERMS, 0));
    }

    private void decide(String agent, Mode mode, Decision decision) {
        decide(agent, mode, decision, null);
    }

    private void decide(String agent, Mode mode, Decision decision, @Nullable AgentBuckets after) {
        var request = new Request(Optional.empty(), agent, 1, new byte[0]);
        var policy = new Policy(Policy.DEFAULT, mode, List.of(NamedLimit.only(LIMIT)));
        var headers = new RecordHeaders()
                .add("mine", new byte[0])
                .add("quota-source", ("agent-requests/3/" + ++offset).getBytes(UTF_8));
        detect.process(new Record<>(
                request.key(),
                new DecidedRequest(request, policy, decision, RemainingQuota.of(decision, after)),
                77,
                headers));
    }

    private static long micros(double seconds) {
        return Math.round((START + seconds) * 1e6);
    }

    /** Returns the events since the last call: kind, agent, remaining. */
    private List<String> told() {
        var told = context.forwarded().stream()
                .map(forwarded -> json(forwarded.record().value()))
                .map(event -> event.get("event").textValue() + " "
                        + event.get("agent_id").textValue() + " " + event.get("remaining"))
                .toList();
        context.resetForwards();
        return told;
    }

    private static JsonNode json(byte[] value) {
        try {
            var text = new String(value, UTF_8);
            assertThat(SCHEMA.validate(text, InputFormat.JSON)).isEmpty();
            return new ObjectMapper().readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Schema schema() {
        try {
            return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                    .getSchema(Files.readString(Path.of("..", "schemas", "quota-event.schema.json")), InputFormat.JSON);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void sweep() {
        context.scheduledPunctuators().get(0).getPunctuator().punctuate(0);
    }

    private long stored() {
        long count = 0;
        try (var all = store.all()) {
            for (; all.hasNext(); all.next()) count++;
        }
        return count;
    }

    private int storeCalls() {
        return storeCalls.get();
    }

    /** Returns the store, with each call counted that reads or writes an entry. */
    @SuppressWarnings("unchecked")
    private KeyValueStore<String, byte[]> counting(KeyValueStore<String, byte[]> counted) {
        return (KeyValueStore<String, byte[]>) Proxy.newProxyInstance(
                KeyValueStore.class.getClassLoader(),
                new Class<?>[] {KeyValueStore.class},
                (proxy, method, arguments) -> {
                    if (List.of("get", "put", "delete", "all", "range", "putAll", "putIfAbsent")
                            .contains(method.getName())) storeCalls.incrementAndGet();
                    try {
                        if (method.getName().equals("init")) {
                            counted.init((StateStoreContext) arguments[0], (StateStore) counted);
                            return null;
                        }
                        return method.invoke(counted, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
