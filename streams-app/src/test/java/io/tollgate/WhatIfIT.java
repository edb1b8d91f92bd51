package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.config.Settings;
import io.tollgate.history.WhatIf;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.pipeline.StreamsProperties;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import io.tollgate.policy.PolicyTopic;
import io.tollgate.quota.CallLimits;
import io.tollgate.quota.QuotaContext;
import io.tollgate.quota.RunningTasks;
import io.tollgate.quota.TaskTime;
import io.tollgate.sandbox.process.KafkaBroker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code tollgate whatif} on decisions of the real topology, and of the real pipeline. */
class WhatIfIT {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] AGENTS = {"acme/a", "acme/b", "solo", "other", "*", "acme/*"};

    @TempDir
    private Path dir;

    /** One request, at its moment. */
    private record Asked(String agentId, double tokens, long atMicros) {}

    /** A change of a policy; null deletes. */
    private record Changed(String key, PolicyDocument policy, long atMillis) {}

    /** The steps in their order: requests, and changes of policies. */
    private record Steps(List<Object> steps) {
        static Steps random(SplittableRandom random, boolean withChanges) {
            var steps = new ArrayList<>();
            long micros = (System.currentTimeMillis() - 20 * 60_000) * 1000;
            for (int i = 0; i < 1500; i++) {
                micros += random.nextInt(5) == 0 ? 0 : random.nextLong(400_000);
                if (withChanges && random.nextInt(40) == 0) {
                    var key = random.nextInt(3) == 0 ? "acme/*" : AGENTS[random.nextInt(AGENTS.length)];
                    steps.add(new Changed(key, random.nextInt(4) == 0 ? null : policy(random), micros / 1000));
                    micros += 1000;
                } else {
                    double tokens = random.nextInt(10) == 0 ? random.nextInt(60) : random.nextInt(80) / 8.0;
                    steps.add(new Asked(AGENTS[random.nextInt(AGENTS.length)], tokens, micros));
                }
            }
            return new Steps(steps);
        }
    }

    private static PolicyDocument policy(SplittableRandom random) {
        var modes = Mode.values();
        var mode = random.nextInt(3) == 0 ? modes[random.nextInt(modes.length)] : Mode.ENFORCE;
        if (random.nextInt(4) > 0)
            return new PolicyDocument(mode, List.of(NamedLimit.only(limit(random))), Optional.empty());
        return new PolicyDocument(
                mode,
                List.of(new NamedLimit("burst", limit(random)), new NamedLimit("day", limit(random))),
                Optional.empty());
    }

    private static Limit limit(SplittableRandom random) {
        if (random.nextInt(4) == 0) return Limit.each(Period.MINUTE, "Europe/Berlin", 5 + random.nextInt(60));
        return new Limit(5 + random.nextInt(60), random.nextInt(5) == 0 ? 0 : random.nextInt(64) / 8.0);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2})
    void currentPoliciesGiveTheRecord(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        var traffic = Steps.random(random, true);
        try (var cluster = TestCluster.onSharedBroker().withLimit(40, 3)) {
            publish(cluster, decided(cluster.settings(), traffic, Map.of(), true), traffic);

            var report = new WhatIf(cluster.settings(), Map.of(), false)
                    .run(Instant.now().minus(Duration.ofHours(1)), total -> read -> {});

            assertThat(report.missed()).isEmpty();
            assertThat(report.reproduced())
                    .isEqualTo(report.all().requests())
                    .isEqualTo(traffic.steps().stream()
                            .filter(Asked.class::isInstance)
                            .count());
            assertThat(report.all().before().refused()).isGreaterThan(50);
            assertThat(report.changed()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {21})
    void readsFromTheMiddle(long seed) throws Exception {
        var traffic = Steps.random(new SplittableRandom(seed), false);
        var one = Map.of("solo", one(Mode.ENFORCE, 25, 1.5), "acme/*", one(Mode.SHADOW, 9, 2));
        try (var cluster = TestCluster.onSharedBroker().withLimit(40, 3)) {
            var outputs = decided(cluster.settings(), traffic, one, true);
            publish(cluster, outputs, traffic);
            // The names that the topology gave them: written in this order, an hour before.
            publishPolicies(cluster, one, Duration.ofHours(-1));
            var middle = outputs.get(outputs.size() / 2).record().timestamp();

            var report =
                    new WhatIf(cluster.settings(), one, false).run(Instant.ofEpochMilli(middle), total -> read -> {});

            assertThat(report.missed()).isEmpty();
            assertThat(report.all().requests()).isBetween(700L, 800L);
            assertThat(report.all().before().refused()).isGreaterThan(50);
            assertThat(report.changed()).isEmpty();
        }
    }

    @Tag("faults")
    @ParameterizedTest
    @ValueSource(longs = {3, 4, 5, 6})
    void currentPoliciesGiveTheRecord_moreSeeds(long seed) throws Exception {
        currentPoliciesGiveTheRecord(seed);
    }

    @Tag("faults")
    @ParameterizedTest
    @ValueSource(longs = {22, 23})
    void readsFromTheMiddle_moreSeeds(long seed) throws Exception {
        readsFromTheMiddle(seed);
    }

    @Tag("faults")
    @ParameterizedTest
    @ValueSource(longs = {13, 14, 15, 16})
    void newPoliciesGiveWhatARunGives_moreSeeds(long seed) throws Exception {
        newPoliciesGiveWhatARunGives(seed);
    }

    /** The pipeline follows a policy when it sees it, whatever the clock of its writer says. */
    @Test
    void policyOfAFastClockIsKnown() throws Exception {
        var traffic = Steps.random(new SplittableRandom(5), false);
        var one = Map.of("solo", one(Mode.ENFORCE, 25, 1.5));
        try (var cluster = TestCluster.onSharedBroker().withLimit(40, 3)) {
            publish(cluster, decided(cluster.settings(), traffic, one, true), traffic);
            publishPolicies(cluster, one, Duration.ofMinutes(30));

            var report = new WhatIf(cluster.settings(), Map.of(), false)
                    .run(Instant.now().minus(Duration.ofHours(1)), total -> read -> {});

            assertThat(report.missed()).isEmpty();
            assertThat(report.all().before().refused()).isGreaterThan(50);
        }
    }

    /** @param ahead the writer's clock, of now */
    private static void publishPolicies(TestCluster cluster, Map<String, PolicyDocument> policies, Duration ahead) {
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            policies.forEach((key, policy) -> producer.send(new ProducerRecord<>(
                    cluster.settings().topics().policies(),
                    0,
                    System.currentTimeMillis() + ahead.toMillis(),
                    key.getBytes(UTF_8),
                    PolicyJson.write(policy))));
            producer.flush();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12})
    void newPoliciesGiveWhatARunGives(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        var traffic = Steps.random(random, false);
        var tried = new LinkedHashMap<String, PolicyDocument>();
        for (var key : List.of("acme/*", "acme/a", "solo", "*")) {
            if (random.nextInt(3) > 0) tried.put(key, policy(random));
        }
        if (tried.isEmpty()) tried.put("*", policy(random));
        try (var cluster = TestCluster.onSharedBroker().withLimit(40, 3)) {
            publish(cluster, decided(cluster.settings(), traffic, Map.of(), true), traffic);
            var real = new TreeMap<Long, Boolean>();
            for (var record : decided(cluster.settings(), traffic, tried, false))
                real.put(offset(record), record.refused());

            var then = new TreeMap<Long, Boolean>();
            var report = new WhatIf(
                            cluster.settings(),
                            tried,
                            false,
                            (agentId, partition, offset, refused, refusedThen) -> then.put(offset, refusedThen))
                    .run(Instant.now().minus(Duration.ofHours(1)), total -> read -> {});

            assertThat(report.missed()).isEmpty();
            assertThat(then).isEqualTo(real);
            assertThat(report.all().then().refused())
                    .isEqualTo(real.values().stream().filter(refused -> refused).count());
        }
    }

    @Test
    void realPipelinesRecordIsGiven() throws Exception {
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis().withLimit(15, 4);
                var topic = new PolicyTopic(cluster.settings());
                var application = cluster.start();
                var requests = new Requests(cluster);
                var decisions = new Decisions(cluster)) {
            var traffic = new Traffic(requests, 6, 150, Set.of(Traffic.Kind.STRAY), 7);
            try {
                topic.put("agent-1*", one(Mode.ENFORCE, 9, 2), "test");
                awaitMore(decisions, 200);
                topic.put("agent-1", one(Mode.SHADOW, 5, 1), "test");
                awaitMore(decisions, 200);
                topic.delete("agent-1", "test");
                topic.put("agent-2", one(Mode.ENFORCE, 30, 9), "test");
                awaitMore(decisions, 200);
            } finally {
                traffic.close();
            }
            decisions.await(requests.published().size(), application);

            var file = Files.writeString(
                    dir.resolve("same.yaml"),
                    cluster.command("policy", "export").output());
            var same = JSON.readTree(cluster.command("whatif", file.toString(), "--since", "2h", "--json")
                    .output());
            var inForce = same.get("in_force");
            // On a busy machine a call to Redis may have charged although its answer came too late.
            double lostCalls = TestCluster.metric(application, "tollgate_redis_failures_total{kind=\"timeout\"}");
            long afterLostCalls = 0;
            for (var some : inForce.get("not_reproduced")) {
                assertThat(some.get("reason").textValue()).startsWith("something else had changed the bucket");
                afterLostCalls += some.get("requests").longValue();
            }
            assertThat(afterLostCalls).isLessThanOrEqualTo(lostCalls == 0 ? 0 : 5);
            assertThat(inForce.get("reproduced").longValue())
                    .isEqualTo(decisions.poll().stream()
                                    .filter(seen -> seen.agent() != null)
                                    .count()
                            - afterLostCalls);
            assertThat(same.get("all").get("refused_before").longValue())
                    .isEqualTo(decisions.poll().stream()
                            .filter(seen -> seen.agent() != null && !seen.approved())
                            .count())
                    .isGreaterThan(20);
            assertThat(same.get("changed_agents"))
                    .extracting(agent -> agent.get("agent_id").textValue())
                    .isSubsetOf("agent-1", "agent-2");

            var tight = Files.writeString(
                    dir.resolve("tight.yaml"),
                    "agent-0: {capacity: 3, refill_rate: 0}\nnobody: {capacity: 1, refill_rate: 1}\n");
            var told = cluster.command("whatif", tight.toString(), "--since", "1h90m");
            assertThat(told.exitCode()).isZero();
            assertThat(told.output().lines())
                    .anyMatch(line -> line.matches(
                            "Under the policies that were in force, \\d+ of \\d+ verdicts match the record\\."))
                    .anyMatch(
                            line -> line.matches(
                                    "AGENT +REQUESTS +REFUSED BEFORE +REFUSED THEN +FIRST TIME WITHOUT APPROVAL +LONGEST +TOKENS SAVED"))
                    .anyMatch(line -> line.matches("all( +\\d+){3} +20\\S+Z for [0-9.]+ s +[0-9.]+ s +[0-9.]+"))
                    .anyMatch(line -> line.matches("agent-0( +\\d+){3} +20\\S+Z for [0-9.]+ s +[0-9.]+ s +[0-9.]+"))
                    .noneMatch(line -> line.startsWith("agent-3"));
            assertThat(told.output().lines().reduce((before, line) -> line))
                    .hasValueSatisfying(line -> assertThat(line).startsWith("This cannot know how refused agents"));
        }
    }

    @Test
    void otherProgramsSpendAsBefore() throws Exception {
        long micros = (System.currentTimeMillis() - 60_000) * 1000;
        var half = new Steps(new ArrayList<>());
        for (int i = 0; i < 10; i++) half.steps().add(new Asked("solo", 1, micros + i * 1000));
        try (var cluster = TestCluster.onSharedBroker().withLimit(40, 0)) {
            var outputs = decided(cluster.settings(), half, Map.of(), true);
            // From the sixth on, another program has spent 25 of the 40.
            for (int i = 5; i < 10; i++) {
                var headers = outputs.get(i).record().headers();
                headers.remove("quota-remaining")
                        .add("quota-remaining", Integer.toString(39 - 25 - i).getBytes(UTF_8));
            }
            publish(cluster, outputs, half);
            var file = Files.writeString(dir.resolve("p.yaml"), "solo: {capacity: 33, refill_rate: 0}\n");

            var told = JSON.readTree(
                    cluster.command("whatif", file.toString(), "--json").output());

            assertThat(told.get("in_force").get("reproduced").longValue()).isEqualTo(10);
            assertThat(told.get("all").get("refused_then").longValue())
                    .as("5 spent, 25 spent by somebody, 3 are left for 5")
                    .isEqualTo(2);
            assertThat(told.get("all").get("tokens_saved").doubleValue()).isEqualTo(2);
        }
    }

    @Test
    void settlementsGiveBackAsBefore() throws Exception {
        try (var broker = KafkaBroker.start(KafkaBroker.BrokerOptions.defaults());
                var cluster = TestCluster.on(broker.bootstrapServers()).withLimit(100, 0)) {
            cluster.createTopics();
            try (var application = cluster.start();
                    var holds = new Holds(cluster)) {
                for (int round = 1; round <= 3; round++) {
                    int held = round;
                    holds.reserve("solo", 60);
                    Awaitility.await()
                            .atMost(Duration.ofSeconds(60))
                            .until(() -> holds.approved().size() == held);
                    var approved = holds.approved().get(held - 1);
                    holds.report("solo", Holds.header(approved, "quota-source"), 10);
                    Awaitility.await()
                            .atMost(Duration.ofSeconds(60))
                            .until(() -> holds.settled().size() == held);
                }
                assertThat(application.isAlive()).isTrue();
            }
            var file = Files.writeString(dir.resolve("p.yaml"), "solo: {capacity: 75, refill_rate: 0}\n");

            var told = JSON.readTree(
                    cluster.command("whatif", file.toString(), "--json").output());

            assertThat(told.get("in_force").get("reproduced").longValue()).isEqualTo(3);
            assertThat(told.get("all").get("refused_then").longValue())
                    .as("65 of 75 are left for the second, 55 for the third")
                    .isEqualTo(1);
        }
    }

    @Test
    void mistakesAreOneLine() throws Exception {
        try (var cluster = TestCluster.onSharedBroker()) {
            var file = Files.writeString(dir.resolve("bad.yaml"), "a: {capacity: 0, refill_rate: 1}\n")
                    .toString();
            assertThat(cluster.command("whatif", file))
                    .isEqualTo(new Ended(1, "line 1: a: capacity must be above 0 and at most 1e12\n"));
            assertThat(cluster.command("whatif", file, "--since", "soon"))
                    .satisfies(wrong -> assertThat(wrong.exitCode()).isEqualTo(2))
                    .satisfies(wrong -> assertThat(wrong.output())
                            .contains("must be a duration such as 30m, 1h30m or 7d, but is \"soon\""));
            assertThat(cluster.command("whatif", dir.resolve("none").toString()).output())
                    .startsWith("there is no file ");
            var empty = Files.writeString(dir.resolve("empty.yaml"), "{}\n").toString();
            assertThat(cluster.command("whatif", file, "--since", "P1M").output())
                    .contains("but is \"P1M\"");
            assertThat(cluster.command("whatif", empty, "--since", "36500d"))
                    .as("before 1970")
                    .satisfies(told -> assertThat(told.exitCode()).isZero());
            assertThat(cluster.command("whatif", empty).output())
                    .contains("0 requests of 0 agents", "No decision would have changed.");
        }
    }

    private static PolicyDocument one(Mode mode, double capacity, double refill) {
        return new PolicyDocument(mode, List.of(NamedLimit.only(new Limit(capacity, refill))), Optional.empty());
    }

    private static void awaitMore(Decisions decisions, int more) {
        int wanted = decisions.poll().size() + more;
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .until(() -> decisions.poll().size() >= wanted);
    }

    private static long offset(Output record) {
        var source =
                new String(record.record().headers().lastHeader("quota-source").value(), UTF_8);
        return Long.parseLong(source.substring(source.lastIndexOf('/') + 1));
    }

    private record Output(boolean refused, TestRecord<byte[], byte[]> record) {}

    /** Returns the output of the real topology for this traffic, decided at the traffic's own moments. */
    private List<Output> decided(
            Settings ofCluster, Steps traffic, Map<String, PolicyDocument> fromTheStart, boolean changes)
            throws Exception {
        var limit = ofCluster.defaultLimit();
        var settings = Settings.from(
                Map.of(
                        "TOKEN_BUCKET_SIZE", Double.toString(limit.capacityTokens()),
                        "TOKEN_REFILL_RATE", Double.toString(limit.refillTokensPerSecond()),
                        "TOLLGATE_STATE_DIR",
                                Files.createTempDirectory(dir, "state").toString(),
                        "TOLLGATE_STREAM_THREADS", "1"),
                Settings.Use.PIPELINE);
        long begin = ((Asked) traffic.steps().stream()
                                .filter(Asked.class::isInstance)
                                .findFirst()
                                .orElseThrow())
                        .atMicros()
                - 1_000_000;
        var nowMicros = new long[] {begin};
        var clock = new BucketClock(begin, () -> (nowMicros[0] - begin) * 1000);
        var policies = new Policies(
                Policy.byDefault(settings.defaultLimit()), () -> {}, () -> TokenBucket.seconds(nowMicros[0]));
        long offset = 0;
        for (var policy : fromTheStart.entrySet()) {
            policies.apply(
                    0, offset++, begin / 1000, policy.getKey().getBytes(UTF_8), PolicyJson.write(policy.getValue()));
        }
        var tasks = new RunningTasks(new QuotaContext(
                settings.topics().requests(),
                1,
                () -> 64 * 1024 * 1024,
                settings.streams().exactlyOnce(),
                Optional.empty(),
                clock,
                policies,
                (topic, partition) -> topic.hashCode() * 31L + partition + 1,
                new CommittedOffsets(),
                new PipelineMetrics(new SimpleMeterRegistry()),
                new StreamThreadWatch(Duration.ofDays(1)),
                TaskTime.SYSTEM,
                CallLimits.USUAL));
        var topology = new RequestTopology(settings.topics(), settings.streams().applicationId(), tasks)
                .build(StreamsProperties.of(settings));
        var outputs = new ArrayList<Output>();
        try (var driver = new TopologyTestDriver(topology, StreamsProperties.of(settings))) {
            var requests =
                    driver.createInputTopic("agent-requests", new ByteArraySerializer(), new ByteArraySerializer());
            var approved = driver.createOutputTopic(
                    "approved-requests", new ByteArrayDeserializer(), new ByteArrayDeserializer());
            var rejected = driver.createOutputTopic(
                    "rejected-requests", new ByteArrayDeserializer(), new ByteArrayDeserializer());
            for (var step : traffic.steps()) {
                if (step instanceof Asked asked) {
                    nowMicros[0] = asked.atMicros();
                    var json = JSON.writeValueAsBytes(Map.of("agent_id", asked.agentId(), "tokens", asked.tokens()));
                    requests.pipeInput(new TestRecord<>(
                            asked.agentId().getBytes(UTF_8), json, Instant.ofEpochMilli(asked.atMicros() / 1000)));
                    approved.readRecordsToList().forEach(record -> outputs.add(new Output(false, record)));
                    rejected.readRecordsToList().forEach(record -> outputs.add(new Output(true, record)));
                } else if (changes && step instanceof Changed changed) {
                    nowMicros[0] = changed.atMillis() * 1000;
                    policies.apply(
                            0,
                            offset++,
                            changed.atMillis(),
                            changed.key().getBytes(UTF_8),
                            changed.policy() == null ? null : PolicyJson.write(changed.policy()));
                }
            }
        }
        return outputs;
    }

    /** Writes the decisions to the topics, as the pipeline would have, and the policies as well. */
    private static void publish(TestCluster cluster, List<Output> outputs, Steps traffic) {
        var topics = cluster.settings().topics();
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            for (var output : outputs) {
                var record = output.record();
                producer.send(new ProducerRecord<>(
                        output.refused() ? topics.rejected() : topics.approved(),
                        null,
                        record.timestamp(),
                        record.key(),
                        record.value(),
                        record.headers()));
            }
            for (var step : traffic.steps()) {
                if (!(step instanceof Changed changed)) continue;
                producer.send(new ProducerRecord<>(
                        topics.policies(),
                        0,
                        changed.atMillis(),
                        changed.key().getBytes(UTF_8),
                        changed.policy() == null ? null : PolicyJson.write(changed.policy())));
            }
            producer.flush();
        }
    }
}
