package io.tollgate.verify;

import io.tollgate.verify.Holds.Credit;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * Approvals under one limit, measured against the most that the limit can have given.
 *
 * <p>The promise is about every interval from t1 to t2: approved ≤ C + r·(t2 − t1 + 0.05 s). Of all intervals that end
 * now, the worst has {@code excess = max over t1 of (approved since t1 − r·(now − t1))}. A step of time leaves {@code
 * max(excess − r·dt, 0)}, and an approval adds its cost. So a single number per limit covers all intervals exactly: the
 * promise is broken where {@code excess > C + r·0.05 s}.
 *
 * <p>For a limit with a period, the promise is about each period: approved ≤ C. Within it r is 0, and its start gives
 * everything back.
 *
 * <p>Tokens that settlements gave back in an interval are added to its bound.
 *
 * <p>Where the policy changes, the worst interval may reach across the change; then the larger capacity of those in
 * force since its beginning counts, and in each stretch of time the rate of that stretch ({@link RateTimeline}).
 */
final class AdmissionBound {
    /**
     * A bucket learns of a settlement a moment later: for that long, tokens that a full bucket could not take
     * still count.
     */
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

    /** Advances to a decision, if no policy came and went since the one before. */
    boolean approve(PromisedLimit limit, long nowMicros, double costTokens) {
        double gained =
                Math.max(lastLimit.gainedTokens(lastMicros, nowMicros), limit.gainedTokens(lastMicros, nowMicros));
        return approve(limit, nowMicros, costTokens, gained, List.of());
    }

    /**
     * Advances to a decision under {@code limit} that approved {@code costTokens}.
     *
     * @param nowMicros not before that of the call before
     * @param gainedTokens the most that the limit can have gained since the call before
     * @param credits tokens that settlements gave back since then
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

    /** Returns the time of the decision before. */
    long lastMicros() {
        return lastMicros;
    }

    /** Returns the tokens above capacity and refill in the worst interval that ends now; negative if there is none. */
    double overdraftTokens() {
        return overdraftTokens;
    }

    /** Returns by how many tokens the promise is broken now; at most 0 if it holds. */
    double beyondSlackTokens() {
        return overdraftTokens - slackTokens - toleranceTokens;
    }

    /** Returns the length of the worst interval that ends now. */
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
