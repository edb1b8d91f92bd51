package io.tollgate.history;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;

/**
 * Decides one agent's requests again, twice: under the policies then in force, and under the policies on trial.
 * Not thread-safe.
 *
 * <p>The remaining tokens on record are taken as true: other programs spend from the same buckets, and outages of Redis
 * leave traces. After each request, the buckets under the policies in force are set to the recorded remainder. The
 * buckets under the policies on trial lose or gain the difference that the requests do not explain.
 */
final class AgentReplay {
    /** Doubles that differ by less than this share differ by rounding only. */
    private static final double ROUNDING = 1e-9;

    private final String agentId;
    private final int number;
    private final List<ConsumerRecord<byte[], byte[]>> policyRecords;
    private final boolean tried;
    private final Figures figures = new Figures();
    private final Track now = new Track();
    private final Track then = new Track();
    private PolicyPast.Found inForce = PolicyPast.Found.NOTHING;
    private @Nullable Policy trial;
    private @Nullable Policy lastTried;
    private boolean filled;
    private long lastMicros = Long.MIN_VALUE;

    /** The reason why a recorded verdict was not reproduced. */
    enum Miss {
        POLICY_UNKNOWN("their policy is no longer on the policies topic"),
        OUT_OF_ORDER("they stand on the topics in another order than they were decided in"),
        DEFAULT_CHANGED("the default was another one than TOKEN_BUCKET_SIZE and TOKEN_REFILL_RATE say here"),
        LOCAL("they were decided on local buckets while Redis was away"),
        OTHERS("something else had changed the bucket, such as another program");

        private final String text;

        Miss(String text) {
            this.text = text;
        }

        /** Returns the reason, as a part of a sentence. */
        String text() {
            return text;
        }
    }

    /**
     * The recorded verdict on one request, and the verdicts of both runs.
     *
     * @param again the verdict under the policies in force; null if it is unknown
     */
    record Replayed(Verdict recorded, @Nullable Verdict again, Verdict then, boolean refusedThen) {}

    /** The buckets of one run after the last request: the enforced ones, and those of shadow policies. */
    private static final class Track {
        private @Nullable AgentBuckets enforced;
        private @Nullable AgentBuckets shadow;

        @Nullable
        AgentBuckets of(Mode mode) {
            return mode == Mode.SHADOW ? shadow : enforced;
        }

        void hold(Mode mode, @Nullable AgentBuckets left) {
            if (mode == Mode.SHADOW) shadow = left;
            else enforced = left;
        }

        void clear() {
            enforced = null;
            shadow = null;
        }
    }

    /** One request on one run's buckets. */
    private record Step(AgentBuckets before, AgentBuckets after, Decision decision) {}

    /** @param tried whether any policy on trial may apply to the agent */
    AgentReplay(String agentId, int number, List<ConsumerRecord<byte[], byte[]>> policyRecords, boolean tried) {
        this.agentId = agentId;
        this.number = number;
        this.policyRecords = policyRecords;
        this.tried = tried;
    }

    String agentId() {
        return agentId;
    }

    int number() {
        return number;
    }

    Figures figures() {
        return figures;
    }

    /** Resets the buckets: an operator has filled them. */
    void fill() {
        now.clear();
        then.clear();
        filled = true;
    }

    /**
     * Gives back what a settlement gave back, in both runs: it is not known what a hold would have used that was
     * refused under the policies on trial.
     */
    void settle(long atMicros, double refundTokens) {
        var was = inForce.policy();
        var tries = lastTried == null ? was : lastTried;
        if (was == null || tries == null) return;
        double atSeconds = TokenBucket.seconds(atMicros);
        var held = now.of(was.mode());
        var heldThen = then.of(tries.mode());
        if (held != null) now.hold(was.mode(), TokenBucket.settle(held, was.promises(), atSeconds, refundTokens));
        if (heldThen == null) return;
        boolean same = heldThen == held;
        then.hold(
                tries.mode(),
                same ? now.of(was.mode()) : TokenBucket.settle(heldThen, tries.promises(), atSeconds, refundTokens));
    }

    /** Decides the next request; requests come in the order of their decisions. */
    Replayed decide(PastDecision past, PolicyPast policies, Trial trials) {
        boolean inOrder = past.decidedAtMicros() >= lastMicros;
        boolean sameMoment = past.decidedAtMicros() == lastMicros;
        lastMicros = Math.max(lastMicros, past.decidedAtMicros());
        if (!inForce.answers(past.policy(), past.decidedAtMicros())) {
            inForce = policies.find(agentId, policyRecords, past.policy(), past.decidedAtMicros());
        }
        var was = inForce.policy();
        var step = was == null || was.mode() == Mode.OFF ? null : again(past, was);
        var again = was == null || !inOrder ? null : step == null ? Verdict.APPROVED : Verdict.of(step.decision());
        var tries = !tried ? null : trials.goesBefore(agentId, past.policy()) ? trialOf(trials) : was;
        lastTried = tries;
        var outcome = new Replayed(past.verdict(), again, past.verdict(), past.refused());
        boolean shadowThen = past.shadow();
        if (tries == null) {
            observe(past, sameMoment, was, step, null, null);
        } else {
            var thenStep = tries.mode() == Mode.OFF ? null : then(past, tries, was, step);
            var verdict = thenStep == null ? Verdict.APPROVED : Verdict.of(thenStep.decision());
            // If both runs agree, no change is known, whatever the record says.
            boolean same = was != null && tries.mode() == was.mode() && verdict == again;
            if (!same) {
                outcome = new Replayed(past.verdict(), again, verdict, verdict.refusesUnder(tries.mode()));
                shadowThen = verdict != Verdict.APPROVED && tries.mode() == Mode.SHADOW;
            }
            observe(past, sameMoment, was, step, tries, thenStep);
        }
        filled = false;
        figures.add(
                past.refused(),
                past.shadow(),
                outcome.refusedThen(),
                shadowThen,
                past.costTokens(),
                past.decidedAtMicros());
        return outcome;
    }

    /** Returns why the recorded verdict was not reproduced; null if it was. */
    @Nullable
    Miss miss(Replayed outcome, PastDecision past, boolean defaultChanged) {
        if (outcome.again() == outcome.recorded()) return null;
        if (inForce.policy() == null) return Miss.POLICY_UNKNOWN;
        if (outcome.again() == null) return Miss.OUT_OF_ORDER;
        if (defaultChanged && past.policy().equals(Policy.DEFAULT)) return Miss.DEFAULT_CHANGED;
        return past.local() ? Miss.LOCAL : Miss.OTHERS;
    }

    private Policy trialOf(Trial trials) {
        if (trial == null) trial = trials.of(agentId);
        return trial;
    }

    private Step again(PastDecision past, Policy was) {
        var held = now.of(was.mode());
        return step(held == null ? first(past, was.terms()) : held, was.promises(), past);
    }

    private Step then(PastDecision past, Policy tries, @Nullable Policy was, @Nullable Step again) {
        boolean alike =
                was != null && tries.mode() == was.mode() && tries.limits().equals(was.limits());
        var held = then.of(tries.mode());
        if (again != null && alike && (held == null || held == now.of(tries.mode()))) return again;
        if (held == null) held = missingAsMuch(past, tries.terms(), was, again);
        return step(held, tries.promises(), past);
    }

    private static Step step(AgentBuckets from, Promises promises, PastDecision past) {
        var outcome = TokenBucket.spend(
                from,
                Fence.NONE,
                promises,
                -1,
                List.of(Charge.of(past.costTokens())),
                past.decidedAtMicros(),
                DecidedBy.LOCAL);
        return new Step(from, outcome.buckets(), outcome.decisions().get(0));
    }

    /** Returns the buckets before the first request: full, except for the tokens that the record shows as missing. */
    private AgentBuckets first(PastDecision past, Terms terms) {
        var full = AgentBuckets.full(terms, TokenBucket.seconds(past.decidedAtMicros()));
        if (filled) return full;
        int limit = limit(past, full);
        double capacity = full.buckets().get(limit).tokens();
        double before = past.remainingTokens() + (past.verdict() == Verdict.APPROVED ? past.costTokens() : 0);
        return before < capacity - rounding(capacity) ? with(full, limit, before) : full;
    }

    /**
     * Returns buckets that lack as many tokens as those under the policy in force: a larger bucket would have been
     * as full.
     */
    private static AgentBuckets missingAsMuch(
            PastDecision past, Terms terms, @Nullable Policy was, @Nullable Step again) {
        double nowSeconds = TokenBucket.seconds(past.decidedAtMicros());
        var full = AgentBuckets.full(terms, nowSeconds);
        if (was == null || again == null) return full;
        var known = TokenBucket.refill(again.before(), was.promises(), nowSeconds);
        for (int i = 0; i < terms.limits().size(); i++) {
            int place = known.predecessor(terms, i);
            if (place < 0) continue;
            double capacity = was.limits().get(place).limit().capacityTokens();
            double missing = capacity - known.buckets().get(place).tokens();
            if (missing > rounding(capacity))
                full = with(full, i, Math.max(0, full.buckets().get(i).tokens() - missing));
        }
        return full;
    }

    /** Takes over the remaining tokens on record. */
    private void observe(
            PastDecision past,
            boolean sameMoment,
            @Nullable Policy was,
            @Nullable Step step,
            @Nullable Policy tries,
            @Nullable Step thenStep) {
        if (was == null) now.clear(); // the result is unknown
        if (was == null || step == null) {
            if (tries != null && thenStep != null) then.hold(tries.mode(), thenStep.after());
            return;
        }
        var recorded = past.verdict() == Verdict.of(step.decision()) ? step.after() : asRecorded(past, was, step);
        int limit = limit(past, recorded);
        double expected = recorded.buckets().get(limit).tokens();
        // After a refusal without Redis, the recorded remainder may be too large, but never too small. At one moment a
        // bucket only empties, in whatever order its records are read.
        boolean atMost = sameMoment || past.verdict() != Verdict.APPROVED;
        double left = atMost ? Math.min(past.remainingTokens(), expected) : past.remainingTokens();
        double unexplained = left - expected;
        var observed = with(recorded, limit, left);
        now.hold(was.mode(), observed);
        if (tries == null || thenStep == null) return;
        if (thenStep == step) then.hold(tries.mode(), observed);
        else then.hold(tries.mode(), without(thenStep.after(), was, limit, unexplained));
    }

    /** Returns the buckets after the recorded decision. */
    private static AgentBuckets asRecorded(PastDecision past, Policy was, Step step) {
        var refilled = TokenBucket.refill(step.before(), was.promises(), TokenBucket.seconds(past.decidedAtMicros()));
        if (past.verdict() != Verdict.APPROVED) return refilled;
        var charged = refilled;
        for (int i = 0; i < refilled.buckets().size(); i++) {
            charged = with(charged, i, charged.buckets().get(i).tokens() - past.costTokens());
        }
        return charged;
    }

    /** Returns the buckets with the tokens that other programs added to, or took from, the bucket of this limit. */
    private static AgentBuckets without(AgentBuckets buckets, Policy was, int limit, double unexplained) {
        var terms = buckets.terms();
        if (terms == null
                || Math.abs(unexplained)
                        <= rounding(was.limits().get(limit).limit().capacityTokens())) return buckets;
        int place = terms.indexOf(was.limits().get(limit).name());
        if (place < 0 && limit > 0) return buckets;
        int here = Math.max(place, 0);
        double tokens = buckets.buckets().get(here).tokens();
        double capacity = terms.limits().get(here).limit().capacityTokens();
        double changed = unexplained < 0
                ? Math.max(Math.min(0, tokens), tokens + unexplained)
                : Math.min(capacity, tokens + unexplained);
        return with(buckets, here, changed);
    }

    /**
     * Returns the index of the limit that {@code quota-remaining} describes: the limit that refused, else the one with
     * the least left.
     */
    private static int limit(PastDecision past, AgentBuckets buckets) {
        var terms = buckets.terms();
        int named = terms == null || past.limit().isEmpty() ? -1 : terms.indexOf(past.limit());
        if (named >= 0) return named;
        int least = 0;
        for (int i = 1; i < buckets.buckets().size(); i++) {
            if (buckets.buckets().get(i).tokens() < buckets.buckets().get(least).tokens()) least = i;
        }
        return least;
    }

    private static AgentBuckets with(AgentBuckets buckets, int limit, double tokens) {
        var bucket = new Bucket(tokens, buckets.buckets().get(limit).lastRefillSeconds());
        if (buckets.buckets().size() == 1) return new AgentBuckets(buckets.terms(), List.of(bucket));
        var changed = new ArrayList<>(buckets.buckets());
        changed.set(limit, bucket);
        return new AgentBuckets(buckets.terms(), changed);
    }

    private static double rounding(double tokens) {
        return ROUNDING * Math.max(1, tokens);
    }
}
