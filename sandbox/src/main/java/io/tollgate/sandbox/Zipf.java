package io.tollgate.sandbox;

import java.util.Arrays;

/** Draws ranks with a frequency of rank k (from 0) in proportion to 1 / (k + 1)^skew. Immutable. */
public final class Zipf {
    private final double[] cumulative;

    /** @param skew 0: all ranks alike; about 1: few ranks are most of the traffic */
    public Zipf(int ranks, double skew) {
        cumulative = new double[ranks];
        double sum = 0;
        for (int rank = 0; rank < ranks; rank++) cumulative[rank] = sum += Math.pow(rank + 1, -skew);
    }

    /** @param uniform drawn evenly from 0 (inclusive) to 1 (exclusive) */
    public int rank(double uniform) {
        double target = uniform * cumulative[cumulative.length - 1];
        int found = Arrays.binarySearch(cumulative, target);
        // The next rank begins exactly on a border; rounding must not lead beyond the last.
        return Math.min(found >= 0 ? found + 1 : -found - 1, cumulative.length - 1);
    }
}
