package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.process.ApplicationProcess;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.awaitility.core.ConditionTimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A pipeline under steady traffic while a test makes things fail, and the checker at the end. Agents ask for far more
 * than they have, so that a bucket given twice shows. Not thread-safe.
 */
final class FaultScenario implements AutoCloseable {
    static final double CAPACITY = 20;
    static final double REFILL = 5;

    /** The longest delay that a failing Redis may cause, once. */
    static final Duration ONE_DELAY = Duration.ofSeconds(1);
    /** Half a second between probes, and a second. */
    static final Duration BACK = Duration.ofMillis(1500);
    /** The additional delay of a busy machine. */
    static final Duration LOADED = Duration.ofSeconds(1);

    private static final int AGENTS = 24;
    private static final double RATE = 250;
    private static final int COLD_CALLS = 220;
    private static final Duration SOON = Duration.ofSeconds(120);

    private final String name;
    private final TestCluster cluster;
    private final Requests requests;
    private final Arrivals arrivals;
    private final Traffic traffic;
    private final @Nullable Workers workers;
    private final List<ApplicationProcess> applications = new ArrayList<>();
    private final Map<String, String> measured = new TreeMap<>();

    /**
     * Starts one instance and traffic; returns when the instance decides and is warm, and agents have spent
     * their buckets.
     */
    static FaultScenario start(String name, TestCluster cluster) {
        return start(name, cluster, RATE, 1, Map.of());
    }

    /** As {@link #start(String, TestCluster)}, but every request is on its agent's partition. */
    static FaultScenario startWithoutStrays(String name, TestCluster cluster) {
        return start(name, cluster, RATE, Set.of(), 1, Map.of());
    }

    /**
     * As {@link #start(String, TestCluster)}, with holds and workers that report. On a broker of its own: all
     * installations share the topic of reports.
     */
    static FaultScenario startWithHolds(String name, TestCluster cluster) {
        return startWithHolds(name, cluster, RATE, 1);
    }

    static FaultScenario startWithHolds(String name, TestCluster cluster, double ratePerSecond, long seed) {
        // Agents 1 and 10 to 19 pay for dead workers, all others do not.
        cluster.policy("agent-1*", policy("charged"));
        cluster.policy("*", policy("returned"));
        return start(name, cluster, ratePerSecond, EnumSet.allOf(Traffic.Kind.class), seed, Map.of());
    }

    private static String policy(String unsettled) {
        return "{\"capacity\":" + CAPACITY + ",\"refill_rate\":" + REFILL
                + ",\"holds\":{\"within_s\":3,\"unsettled\":\"" + unsettled + "\",\"max_open\":5}}";
    }

    static FaultScenario start(
            String name, TestCluster cluster, double ratePerSecond, long seed, Map<String, String> settings) {
        return start(name, cluster, ratePerSecond, Set.of(Traffic.Kind.STRAY), seed, settings);
    }

    private static FaultScenario start(
            String name,
            TestCluster cluster,
            double ratePerSecond,
            Set<Traffic.Kind> kinds,
            long seed,
            Map<String, String> settings) {
        cluster.withLimit(CAPACITY, REFILL);
        var scenario = new FaultScenario(name, cluster, ratePerSecond, kinds, seed);
        try {
            scenario.startInstance(settings);
            scenario.awaitWarm();
            return scenario;
        } catch (RuntimeException | Error e) {
            scenario.close();
            throw e;
        }
    }

    private FaultScenario(String name, TestCluster cluster, double ratePerSecond, Set<Traffic.Kind> kinds, long seed) {
        this.name = name;
        this.cluster = cluster;
        requests = new Requests(cluster);
        arrivals = new Arrivals(cluster);
        workers = kinds.contains(Traffic.Kind.HOLD) ? new Workers(cluster, seed) : null;
        traffic = new Traffic(requests, AGENTS, ratePerSecond, kinds, seed);
    }

    private void awaitWarm() {
        if (cluster.hasRedis()) {
            await("calls to Redis").atMost(SOON).until(() -> metric("tollgate_redis_calls_seconds_count") > COLD_CALLS);
        }
        await("a refusal").atMost(SOON).until(() -> arrivals.all().stream().anyMatch(seen -> !seen.approved()));
    }

    /** Starts another instance: on the state of an ended one or, with its own settings, beside a running one. */
    ApplicationProcess startInstance(Map<String, String> settings) {
        var application = cluster.start(settings);
        applications.add(application);
        return application;
    }

    /** Lets another instance take part for a while, on a state folder of its own that it keeps between visits. */
    void guest(Duration length, Consumer<ApplicationProcess> end) {
        try (var guest = cluster.start(cluster.ownState("guest"))) {
            LockSupport.parkNanos(length.toNanos());
            end.accept(guest);
        }
    }

    /** Returns the last started instance. */
    ApplicationProcess application() {
        return applications.get(applications.size() - 1);
    }

    TestCluster cluster() {
        return cluster;
    }

    Arrivals arrivals() {
        return arrivals;
    }

    double metric(String metric) {
        return TestCluster.metric(application(), metric);
    }

    boolean redisInUse() {
        return metric("tollgate_redis_in_use") == 1;
    }

    /** Waits for a local decision made after that time: the fault has landed. */
    void awaitLocal(long fromMicros) {
        arrivals.await("a local decision", fromMicros, Arrivals.Arrival::local);
    }

    /** Waits until decisions come from Redis again; returns the time since that moment. */
    Duration awaitRedis(long fromMicros) {
        try {
            var first = arrivals.await("a decision by Redis", fromMicros, arrival -> !arrival.local());
            return Duration.ofNanos((first.decidedAtMicros() - fromMicros) * 1000);
        } catch (ConditionTimeoutException stuck) {
            throw report(stuck);
        }
    }

    /** Waits for the first decision after that time; returns its delay. */
    Duration resumes(long fromMicros) {
        try {
            var first = arrivals.await("a decision", Duration.ofSeconds(180), fromMicros, seen -> true);
            return Duration.ofNanos(1000 * (first.arrivedMicros() - fromMicros));
        } catch (ConditionTimeoutException stuck) {
            throw report(stuck);
        }
    }

    /** Waits until another instance decides on every partition of one that was frozen at this time. */
    void awaitTakeover(long frozenMicros) {
        await("the other instance decides on every partition")
                .atMost(Duration.ofSeconds(60))
                .until(() -> arrivals.since(frozenMicros + 5_000_000).stream()
                                .map(Arrivals.Arrival::partition)
                                .distinct()
                                .count()
                        == TestCluster.PARTITIONS);
    }

    /** Lets traffic flow until so many more decisions have arrived. */
    void flow(int decisions) {
        int until = arrivals.count() + decisions;
        try {
            await(decisions + " more decisions").atMost(SOON).until(() -> arrivals.count() >= until);
        } catch (ConditionTimeoutException stuck) {
            throw report(stuck);
        }
    }

    private AssertionError report(ConditionTimeoutException stuck) {
        return new AssertionError(
                Circumstances.of(cluster, application()) + "\narrived: " + arrivals.count() + ", acknowledged: "
                        + requests.acknowledged(),
                stuck);
    }

    /** Notes a figure for the report. */
    void measured(String what, Duration time) {
        measured.put(what, time.toMillis() + " ms");
    }

    void measured(String what, double number) {
        measured.put(what, Double.toString(number));
    }

    /** No request was stuck for longer than a failing Redis may cause. */
    void assertOneDelay(long fromMicros) {
        var gap = arrivals.longestGap(fromMicros, Arrivals.nowMicros());
        measured("gap", gap);
        assertThat(gap).as("time without decisions").isLessThan(ONE_DELAY.plus(LOADED));
    }

    void assertBack(long fromMicros) {
        var back = awaitRedis(fromMicros);
        measured("back", back);
        assertThat(back).as("until Redis decides again").isLessThan(BACK.plus(LOADED));
    }

    /** Ends the traffic, waits for undecided requests, and asks the checker. */
    Verdict verdict(String... options) {
        traffic.close();
        requests.published();
        if (workers != null) workers.close();
        var verdict = Verdict.of(cluster, Duration.ofSeconds(90), options);
        System.out.println("FAULT " + name + ": " + measured + "; " + verdict.figures());
        return verdict;
    }

    /** As {@link #verdict}, but there may be no violation, and the last started instance must have survived. */
    Verdict assertClean(String... options) {
        var verdict = verdict(options).clean();
        assertThat(application().isAlive()).as("the pipeline runs").isTrue();
        return verdict;
    }

    /** If a request has several records, all have the same verdict and the same time. */
    void assertDuplicatesAgree() {
        var first = new HashMap<String, Arrivals.Arrival>();
        for (var arrival : arrivals.all()) {
            var before = first.putIfAbsent(arrival.source(), arrival);
            if (before == null) continue;
            assertThat(arrival.approved()).as("%s after %s", arrival, before).isEqualTo(before.approved());
            assertThat(arrival.decidedAtMicros()).as(arrival.source()).isEqualTo(before.decidedAtMicros());
        }
    }

    @Override
    public void close() {
        traffic.close();
        if (workers != null) workers.close();
        applications.forEach(ApplicationProcess::close);
        arrivals.close();
        requests.close();
    }
}
