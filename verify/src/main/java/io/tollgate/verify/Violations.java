package io.tollgate.verify;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Counts violations and keeps the first of each kind, so that a flood of one neither fills the heap nor hides another.
 */
final class Violations {
    private static final int KEPT_OF_EACH = 20;

    private final Map<Invariant, Long> counts = new EnumMap<>(Invariant.class);
    private final List<Violation> first = new ArrayList<>();

    void add(Invariant invariant, String where, String what) {
        if (counts.merge(invariant, 1L, Long::sum) <= KEPT_OF_EACH) first.add(new Violation(invariant, where, what));
    }

    /** Adds a violation of {@link Invariant#CONSERVATION} unless the condition holds. */
    void require(String where, boolean kept, String what) {
        if (!kept) add(Invariant.CONSERVATION, where, what);
    }

    Map<Invariant, Long> counts() {
        return new EnumMap<>(counts);
    }

    List<Violation> first() {
        return List.copyOf(first);
    }
}
