package io.tollgate.verify;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The terms of a decision: every limit must cover it. */
record PromisedTerms(List<PromisedLimit> limits, PolicyMode mode, PromisedHolds holds) {
    /**
     * The promise about holds.
     *
     * @param withinMicros from the approval to the deadline
     * @param returned whether an expired hold gives its tokens back
     * @param maxOpen the most holds open at a time
     */
    record PromisedHolds(long withinMicros, boolean returned, int maxOpen) {
        static final PromisedHolds DEFAULT = new PromisedHolds(600_000_000L, false, 1000);
    }

    enum PolicyMode {
        ENFORCE,
        SHADOW,
        OFF
    }

    /**
     * One bucket; {@code name} is empty if the agent has only one.
     *
     * @param periods the bucket is full at their starts, and does not refill within them; null: it refills steadily
     */
    record PromisedLimit(
            String name,
            double capacityTokens,
            double refillTokensPerSecond,
            @Nullable PeriodStarts periods) {
        PromisedLimit(String name, double capacityTokens, double refillTokensPerSecond) {
            this(name, capacityTokens, refillTokensPerSecond, null);
        }

        /**
         * Returns the tokens that come back between two moments; infinite where a period starts after the first of
         * them.
         */
        double gainedTokens(long fromMicros, long toMicros) {
            if (periods == null) return refillTokensPerSecond * (toMicros - fromMicros) / 1e6;
            return periods.startMicros(toMicros) > fromMicros ? Double.POSITIVE_INFINITY : 0;
        }

        /** Returns the milliseconds until so many tokens are back; infinite: never. */
        double waitMillis(double missingTokens, long nowMicros) {
            return periods == null
                    ? missingTokens / refillTokensPerSecond * 1000
                    : (periods.endMicros(nowMicros) - nowMicros) / 1e3;
        }

        /** Returns the tokens that the contract allows for differing clocks: the refill of 0.05 s. */
        double slackTokens() {
            return 0.05 * refillTokensPerSecond;
        }

        /** Returns the difference that rounding alone may make between two calculations. */
        double toleranceTokens() {
            return 1e-9 * capacityTokens + 1e-6;
        }
    }

    PromisedTerms {
        limits = List.copyOf(limits);
    }

    /** With the rules for holds that apply where a policy names none. */
    PromisedTerms(List<PromisedLimit> limits, PolicyMode mode) {
        this(limits, mode, PromisedHolds.DEFAULT);
    }
}
