package io.tollgate.metrics;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.DoubleStream;

/** The pipeline's own counters. Agents are never labels: there may be millions. Thread-safe. */
public final class PipelineMetrics {
    /** Upper bounds of the buckets of {@code tollgate_decision_seconds}, milliseconds. */
    public static final List<Double> DECISION_BOUNDS_MS =
            List.of(1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 10_000.0);

    private record Verdicts(Counter approved, Refusals rejected, Refusals shadow) {}

    private record Refusals(Counter quotaExceeded, Counter costExceedsCapacity, Counter tooManyOpenHolds) {
        Counter of(Decision decision) {
            if (decision instanceof Decision.QuotaExceeded) return quotaExceeded;
            return decision instanceof Decision.TooManyOpenHolds ? tooManyOpenHolds : costExceedsCapacity;
        }
    }

    private final Map<DecidedBy, Verdicts> decisions = new EnumMap<>(DecidedBy.class);
    private final Timer decisionTime;
    private final Map<InvalidRule, Counter> invalid = new EnumMap<>(InvalidRule.class);
    private final Counter strays;
    private final Counter decidedBefore;
    private final Counter replays;
    private final Counter disagreed;
    private final Counter reconciled;
    private final Counter repaired;
    private final Counter unusableKeys;
    private final Counter refusedPolicies;
    private final Timer redisCalls;
    private final Counter settled;
    private final Counter expired;
    private final Counter noSuchHold;
    private final Counter invalidReports;
    private final Timer holdTime;
    private final Counter refundedTokens;
    private final Counter overrunTokens;
    private final DistributionSummary chunkAgents;
    private final Counter redisTimeouts;
    private final Counter redisErrors;

    public PipelineMetrics(MeterRegistry registry) {
        for (DecidedBy by : DecidedBy.values()) {
            decisions.put(
                    by,
                    new Verdicts(
                            decisions(registry, by, "approved", "none"),
                            refusals(registry, by, "rejected", ""),
                            refusals(registry, by, "approved", "shadow:")));
        }
        decisionTime = Timer.builder("tollgate.decision")
                .description("From the poll that brought a request until it was decided")
                .serviceLevelObjectives(millis(DECISION_BOUNDS_MS.stream()
                        .mapToDouble(Double::doubleValue)
                        .toArray()))
                .register(registry);
        for (InvalidRule rule : InvalidRule.values()) {
            invalid.put(
                    rule,
                    counter(
                            registry,
                            "tollgate.invalid.requests",
                            "Invalid requests, by the rule they break",
                            "rule",
                            rule.text()));
        }
        strays = counter(registry, "tollgate.strays", "Requests on the wrong partition for their agent");
        decidedBefore = counter(
                registry,
                "tollgate.decided.before",
                "Records that Kafka gave again after they were decided and committed, left out");
        replays = counter(registry, "tollgate.replays", "Requests answered from the fence, without a charge");
        disagreed = counter(
                registry,
                "tollgate.disagreed",
                "Agents decided locally because Redis lacked what it was told, or knew other decisions");
        reconciled = counter(registry, "tollgate.reconciled", "Buckets in Redis that continued from the local copy");
        repaired = counter(registry, "tollgate.repaired", "Buckets in Redis with an unreadable field, replaced");
        unusableKeys =
                counter(registry, "tollgate.unusable.keys", "Decisions made locally because Redis refused one key");
        refusedPolicies = counter(
                registry, "tollgate.policies.refused", "Policies that break a rule; those before them stay in force");
        settled = settlements(registry, "settled");
        expired = settlements(registry, "expired");
        noSuchHold = settlements(registry, "no_such_hold");
        invalidReports = settlements(registry, "invalid_report");
        holdTime = Timer.builder("tollgate.hold")
                .description("From the approval that opened a hold until it was settled")
                .serviceLevelObjectives(millis(100, 1000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000))
                .register(registry);
        refundedTokens = counter(registry, "tollgate.refunded.tokens", "Tokens that were reserved and not used");
        overrunTokens = counter(registry, "tollgate.overrun.tokens", "Tokens that were used beyond what was reserved");
        redisTimeouts = failures(registry, "timeout");
        redisErrors = failures(registry, "error");
        chunkAgents = DistributionSummary.builder("tollgate.redis.call.agents")
                .description("Agents in one call to Redis")
                .serviceLevelObjectives(1, 2, 4, 8, 16, 32, 64, 128)
                .register(registry);
        redisCalls = Timer.builder("tollgate.redis.calls")
                .description("Calls to Redis that were answered")
                .serviceLevelObjectives(millis(0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000))
                .register(registry);
    }

    private static Refusals refusals(MeterRegistry registry, DecidedBy by, String verdict, String prefix) {
        return new Refusals(
                decisions(registry, by, verdict, prefix + "quota_exceeded"),
                decisions(registry, by, verdict, prefix + "cost_exceeds_capacity"),
                decisions(registry, by, verdict, prefix + "too_many_open_holds"));
    }

    private static Counter decisions(MeterRegistry registry, DecidedBy by, String verdict, String reason) {
        return counter(
                registry,
                "tollgate.decisions",
                "Decisions",
                "decided_by",
                by.text(),
                "verdict",
                verdict,
                "reason",
                reason);
    }

    private static Counter failures(MeterRegistry registry, String kind) {
        var description = "Calls to Redis that failed, or were not answered in time";
        return counter(registry, "tollgate.redis.failures", description, "kind", kind);
    }

    private static Counter settlements(MeterRegistry registry, String outcome) {
        var description = "Records on the topic of settlements, by outcome";
        return counter(registry, "tollgate.settlements", description, "outcome", outcome);
    }

    private static Duration[] millis(double... bounds) {
        return DoubleStream.of(bounds)
                .mapToObj(millis -> Duration.ofNanos(Math.round(millis * 1e6)))
                .toArray(Duration[]::new);
    }

    /** @param tags names and values in turn */
    private static Counter counter(MeterRegistry registry, String name, String description, String... tags) {
        return Counter.builder(name).description(description).tags(tags).register(registry);
    }

    /** Notes the time from a request's poll to its decision. */
    public void decidedAfter(long nanosSincePoll) {
        decisionTime.record(nanosSincePoll, TimeUnit.NANOSECONDS);
    }

    /** Counts a decision; {@code enforced} distinguishes a refusal from the verdict of a shadow policy. */
    public void decided(Decision decision, boolean enforced) {
        var verdicts = Objects.requireNonNull(decisions.get(decision.decidedBy()));
        var counter = decision.isApproved()
                ? verdicts.approved()
                : (enforced ? verdicts.rejected() : verdicts.shadow()).of(decision);
        counter.increment();
    }

    /**
     * Counts a hold whose use was reported, so long after its approval; {@code refundedTokens} below 0: more was used.
     */
    public void settled(long afterMicros, double refundedTokens) {
        settled.increment();
        holdTime.record(Math.max(0, afterMicros), TimeUnit.MICROSECONDS);
        refunded(refundedTokens);
    }

    /** Counts a hold whose deadline passed. */
    public void expired(double tokens) {
        expired.increment();
        refunded(tokens);
    }

    private void refunded(double tokens) {
        if (tokens > 0) refundedTokens.increment(tokens);
        else overrunTokens.increment(-tokens);
    }

    /** Counts a report that names no open hold. */
    public void noSuchHold() {
        noSuchHold.increment();
    }

    /** Counts a record that is no report. */
    public void invalidReport() {
        invalidReports.increment();
    }

    /** Counts an invalid record. */
    public void invalid(InvalidRule rule) {
        Objects.requireNonNull(invalid.get(rule)).increment();
    }

    /** Counts a request on the wrong partition. */
    public void stray() {
        strays.increment();
    }

    /** Counts a record that was skipped because it was decided before. */
    public void decidedBefore() {
        decidedBefore.increment();
    }

    /** Counts replays: requests that got their earlier answer again. */
    public void replayed(int requests) {
        if (requests > 0) replays.increment(requests);
    }

    /** Counts an agent decided locally because Redis lacked decisions, or knew other ones. */
    public void disagreed() {
        disagreed.increment();
    }

    /** Counts a bucket in Redis that continued from the local copy. */
    public void reconciled() {
        reconciled.increment();
    }

    /** Counts a bucket in Redis that was unreadable. */
    public void repaired() {
        repaired.increment();
    }

    /** Counts a local decision caused by this agent's key only. */
    public void unusableKey() {
        unusableKeys.increment();
    }

    /** Counts an invalid policy. */
    public void policyRefused() {
        refusedPolicies.increment();
    }

    /** Notes the duration of a call that Redis answered, and its number of agents. */
    public void redisAnswered(long nanos, int agents) {
        redisCalls.record(nanos, TimeUnit.NANOSECONDS);
        chunkAgents.record(agents);
    }

    /** Counts a call that failed or timed out. */
    public void redisFailed(boolean tooLate) {
        (tooLate ? redisTimeouts : redisErrors).increment();
    }
}
