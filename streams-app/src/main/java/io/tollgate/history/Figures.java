package io.tollgate.history;

/**
 * What became of requests under the policies that were in force, and what would have become of them under others. Times without an
 * approval begin with a refusal and end with the next approval, or the last request. Not thread-safe.
 */
public final class Figures {
    private final Side before = new Side();
    private final Side then = new Side();
    private long requests;
    private long changed;

    /** One of the two. */
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

        /** Returns how many were approved only because a shadow policy refuses nothing. */
        public long shadowRefused() {
            return shadowRefused;
        }

        /** Returns the tokens of the requests that were approved. */
        public double approvedTokens() {
            return approvedTokens;
        }

        /** Returns when the first time without an approval began, microseconds since the epoch; -1 if there was none. */
        public long firstMicros() {
            return firstMicros;
        }

        /** Returns how long that lasted. */
        public double firstSeconds() {
            return firstLasted / 1e6;
        }

        /** Returns how long the longest time without an approval lasted; 0 if there was none. */
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

    /** Returns how many requests there were. */
    public long requests() {
        return requests;
    }

    /** Returns how many of them would have been decided otherwise. */
    public long changed() {
        return changed;
    }

    /** Returns what was decided. */
    public Side before() {
        return before;
    }

    /** Returns what would have been decided. */
    public Side then() {
        return then;
    }

    /** Returns the tokens that would not have been spent; negative if more would. */
    public double savedTokens() {
        return before.approvedTokens - then.approvedTokens;
    }
}
