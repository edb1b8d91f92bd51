package io.tollgate.verify;

import io.tollgate.verify.Holds.Credit;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * What was approved under one limit, measured against what the limit can have given.
 *
 * <p>The promise is about every interval from t1 to t2: approved ≤ C + r·(t2 − t1 + 0.05 s). Of all intervals that end
 * now, the worst has {@code excess = max over t1 of (approved since t1 − r·(now − t1))}. One step of time leaves
 * {@code max(excess − r·dt, 0)} and an approval adds its cost, so a single number per limit covers all of them exactly:
 * the promise is broken where {@code excess > C + r·0.05 s}.
 *
 * <p>Under a limit with a period the promise is about each period: approved ≤ C. Within it r is 0, and its start gives all back.
 *
 * <p>What settlements gave back in an interval is added to what it may have.
 *
 * <p>Where the policy changes, the worst interval may reach across the change; the larger capacity of those in force since its
 * beginning then counts, and for each stretch of time the rate that counted in it ({@link RateTimeline}).
 */
final class AdmissionBound {
    /** Whoever decides learns of a settlement a moment after it: what a full bucket could not take counts for that long. */
    private static final long TOLD_WITHIN_MICROS = 1_000_000;

    private final Deque<Credit> spare = new ArrayDeque<>();
    private double excessTokens;
    private double capacityTokens;
    private double slackTokens;
    private double toleranceTokens;
    private PromisedLimit lastLimit;
    private long lastMicros;
    private long beginMicros;
    private double overdraftTokens;
    private boolean broken;

    AdmissionBound(PromisedLimit limit, long nowMicros) {
        begin(limit, nowMicros);
        lastLimit = limit;
        lastMicros = nowMicros;
    }

    /** Goes on to a decision, where no policy came and went since the one before. */
    boolean approve(PromisedLimit limit, long nowMicros, double costTokens) {
        double gained =
                Math.max(lastLimit.gainedTokens(lastMicros, nowMicros), limit.gainedTokens(lastMicros, nowMicros));
        return approve(limit, nowMicros, costTokens, gained, List.of());
    }

    /**
     * Goes on to a decision under {@code limit}, of which {@code costTokens} were approved.
     *
     * @param nowMicros not before that of the call before
     * @param gainedTokens what the limit can have gained at most since the call before
     * @param credits what settlements have given back since then
     * @return whether the promise breaks here, having held just before
     */
    boolean approve(PromisedLimit limit, long nowMicros, double costTokens, double gainedTokens, List<Credit> credits) {
        excessTokens -= gainedTokens;
        if (excessTokens <= 0) {
            begin(limit, nowMicros);
        } else {
            capacityTokens = Math.max(capacityTokens, limit.capacityTokens());
            slackTokens = Math.max(slackTokens, limit.slackTokens());
            toleranceTokens = Math.max(toleranceTokens, limit.toleranceTokens());
        }
        spare.addAll(credits);
        giveBack();
        spare.removeIf(credit -> credit.atMicros() + TOLD_WITHIN_MICROS < nowMicros);
        if (excessTokens == 0) begin(limit, nowMicros);
        lastLimit = limit;
        lastMicros = nowMicros;
        excessTokens += costTokens;
        giveBack();
        overdraftTokens = excessTokens - capacityTokens;
        boolean before = broken;
        broken = beyondSlackTokens() > 0;
        return broken && !before;
    }

    private void giveBack() {
        while (excessTokens > 0 && !spare.isEmpty()) {
            Credit credit = spare.poll();
            double left = credit.tokens() - excessTokens;
            excessTokens = Math.max(0, -left);
            if (left > 0) spare.addFirst(new Credit(credit.atMicros(), left));
        }
    }

    /** Returns the limit of the decision before. */
    PromisedLimit lastLimit() {
        return lastLimit;
    }

    /** Returns when the decision before was made. */
    long lastMicros() {
        return lastMicros;
    }

    /** Returns what the worst interval that ends now has above capacity and refill; negative where there is none. */
    double overdraftTokens() {
        return overdraftTokens;
    }

    /** Returns by how much the promise is broken now; not above 0 where it holds. */
    double beyondSlackTokens() {
        return overdraftTokens - slackTokens - toleranceTokens;
    }

    /** Returns how long the worst interval that ends now is. */
    double seconds() {
        return (lastMicros - beginMicros) / 1e6;
    }

    private void begin(PromisedLimit limit, long nowMicros) {
        excessTokens = 0;
        beginMicros = nowMicros;
        capacityTokens = limit.capacityTokens();
        slackTokens = limit.slackTokens();
        toleranceTokens = limit.toleranceTokens();
    }
}
