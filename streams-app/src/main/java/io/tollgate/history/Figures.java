package io.tollgate.history;

/**
 * Counts of requests under the policies in force, and under the policies on trial. A time without an approval begins
 * with a refusal and ends with the next approval, or with the last request. Not thread-safe.
 */
public final class Figures {
    private final Side before = new Side();
    private final Side then = new Side();
    private long requests;
    private long changed;

    /** The counts under one of the two sets of policies. */
    public static final class Side {
        private long refused;
        private long shadowRefused;
        private double approvedTokens;
        private long beganMicros = -1;
        private long firstMicros = -1;
        private long firstLasted;
        private long longest;

        private void add(boolean refusedHere, boolean shadow, double costTokens, long atMicros) {
            if (shadow) shadowRefused++;
            if (refusedHere) {
                refused++;
                if (beganMicros < 0) beganMicros = atMicros;
                if (firstMicros < 0) firstMicros = atMicros;
            } else {
                approvedTokens += costTokens;
            }
            if (beganMicros < 0) return;
            long lasted = atMicros - beganMicros;
            longest = Math.max(longest, lasted);
            if (beganMicros == firstMicros) firstLasted = lasted;
            if (!refusedHere) beganMicros = -1;
        }

        private void add(Side other) {
            refused += other.refused;
            shadowRefused += other.shadowRefused;
            approvedTokens += other.approvedTokens;
            longest = Math.max(longest, other.longest);
            if (other.firstMicros >= 0 && (firstMicros < 0 || other.firstMicros < firstMicros)) {
                firstMicros = other.firstMicros;
                firstLasted = other.firstLasted;
            }
        }

        /** Returns how many requests were refused. */
        public long refused() {
            return refused;
        }

        /** Returns how many were approved only because a shadow policy is not enforced. */
        public long shadowRefused() {
            return shadowRefused;
        }

        public double approvedTokens() {
            return approvedTokens;
        }

        /**
         * Returns the start of the first time without an approval, microseconds since the epoch; -1 if there was none.
         */
        public long firstMicros() {
            return firstMicros;
        }

        /** Returns the length of that time. */
        public double firstSeconds() {
            return firstLasted / 1e6;
        }

        /** Returns the length of the longest time without an approval; 0 if there was none. */
        public double longestSeconds() {
            return longest / 1e6;
        }
    }

    void add(
            boolean refusedBefore,
            boolean shadowBefore,
            boolean refusedThen,
            boolean shadowThen,
            double cost,
            long at) {
        requests++;
        if (refusedBefore != refusedThen || shadowBefore != shadowThen) changed++;
        before.add(refusedBefore, shadowBefore, cost, at);
        then.add(refusedThen, shadowThen, cost, at);
    }

    void add(Figures other) {
        requests += other.requests;
        changed += other.changed;
        before.add(other.before);
        then.add(other.then);
    }

    public long requests() {
        return requests;
    }

    /** Returns how many of them would get another verdict. */
    public long changed() {
        return changed;
    }

    /** Returns the counts under the policies in force. */
    public Side before() {
        return before;
    }

    /** Returns the counts under the policies on trial. */
    public Side then() {
        return then;
    }

    /** Returns the tokens that would be saved; negative if more would be spent. */
    public double savedTokens() {
        return before.approvedTokens - then.approvedTokens;
    }
}
