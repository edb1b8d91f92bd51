package io.tollgate.verify;

import java.util.List;

/** What applied to a decision: every limit must cover it. */
record Terms(List<Limit> limits, Mode mode) {
    enum Mode {
        ENFORCE,
        SHADOW,
        OFF
    }

    /** One bucket; {@code name} is empty where the agent has only one. */
    record Limit(String name, double capacityTokens, double refillTokensPerSecond) {
        /** Returns the tokens by which the contract lets two clocks differ: what refills in 0.05 s. */
        double slackTokens() {
            return 0.05 * refillTokensPerSecond;
        }

        /** Returns how far two calculations with doubles may lie apart without meaning anything. */
        double toleranceTokens() {
            return 1e-9 * capacityTokens + 1e-6;
        }
    }

    Terms {
        limits = List.copyOf(limits);
    }
}
