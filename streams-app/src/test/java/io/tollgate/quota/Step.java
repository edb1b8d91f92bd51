package io.tollgate.quota;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * One step of a history.
 *
 * @param after for what happens to Redis, the network and others: in so many parts of {@value #AFTER_MICROS} µs; 0: at once
 */
record Step(Kind kind, List<Integer> values, int after) {
    static final int AFTER_MICROS = 50;

    /** What a settlement gives back is this much less than its parameter: from so many tokens taken to so many given. */
    static final int MOST_REFUND = 7;

    /** What happens; the names of its parameters, and below which number each stays. */
    enum Kind {
        PUBLISH("agent", 3, "cost", 7, "stray", 3),
        INVALID("partition", 2),
        POLL("instance", 2, "most", 9, "reversed", 2),
        PROCESS("instance", 2, "count", 8, "order", 1 << 24),
        COMMIT("instance", 2),
        WORK("instance", 2, "most", 9, "order", 1 << 24),
        PASS("millis", 2000),
        MOVE("partition", 2, "to", 2),
        STEAL("from", 2),
        CRASH("instance", 2, "committed", 2),
        START("instance", 2),
        REDIS_DOWN("millis", 1500),
        FREEZE("millis", 1500),
        EMPTY(),
        FAILOVER("writes", 8),
        DELETE("agent", 3),
        CORRUPT("agent", 3, "field", 5),
        WRONG_TYPE("agent", 3),
        FORGET_SCRIPT(),
        CUT("instance", 2, "late", 2, "micros", 3000),
        LOSE_REPLY("instance", 2),
        SLOW("instance", 2, "millis", 160),
        OTHER("agent", 3, "cost", 7),
        RESET("agent", 3),
        POLICY("agent", 3, "capacity", 20, "rate", 4),
        OFFSETS_BACK("partition", 2, "rekeyed", 2, "by", 8),
        RECREATE("rekeyed", 2),
        REDIS_CLOCK("millis", 41),
        HOST_CLOCK("instance", 2, "millis", 41),
        SETTLE("agent", 3, "instance", 2, "refund", 2 * MOST_REFUND + 1),
        RESERVE("agent", 3, "cost", 7, "stray", 3),
        REPORT("agent", 3, "of", 4, "back", 6, "used", 9, "stray", 3),
        NO_REPORT("partition", 2),
        REPORTS_BACK("partition", 2, "rekeyed", 2, "by", 8),
        /** The next time that it polls, or waits for Redis, an instance stands still until another has its partitions. */
        STAND_STILL("instance", 2, "waiting", 2, "most", 9, "committed", 2);

        private final String[] names;
        private final int[] below;

        Kind(Object... parameters) {
            names = new String[parameters.length / 2];
            below = new int[parameters.length / 2];
            for (int i = 0; i < names.length; i++) {
                names[i] = (String) parameters[2 * i];
                below[i] = (Integer) parameters[2 * i + 1];
            }
        }

        /** Returns whether calls may fail by it, or what was charged be lost. */
        boolean disturbsCalls() {
            return isOutside() && this != FORGET_SCRIPT || this == RECREATE;
        }

        /** Returns whether it is drawn by a random of its own: a history without it is what it was before there was any. */
        boolean isDrawnApart() {
            return ordinal() >= RESERVE.ordinal();
        }

        boolean isOutside() {
            return ordinal() >= REDIS_DOWN.ordinal() && ordinal() <= OTHER.ordinal();
        }
    }

    int value(int index) {
        return values.get(index);
    }

    /** Returns the same with another value. */
    Step with(int index, int value) {
        var changed = new ArrayList<>(values);
        changed.set(index, value);
        return new Step(kind, changed, after);
    }

    static Step random(Kind kind, Random random) {
        var values = new ArrayList<Integer>();
        for (int below : kind.below) values.add(random.nextInt(below));
        boolean later = kind.isOutside() && random.nextInt(3) > 0;
        return new Step(kind, values, later ? 1 + random.nextInt(random.nextBoolean() ? 40 : 4000) : 0);
    }

    @Override
    public String toString() {
        var text = new StringBuilder(kind.name().toLowerCase(Locale.ROOT));
        for (int i = 0; i < values.size(); i++) {
            if (values.get(i) != 0)
                text.append(' ').append(kind.names[i]).append('=').append(values.get(i));
        }
        if (after > 0) text.append(" after=").append(after);
        return text.toString();
    }

    /** Returns what {@link #toString} has written; what is not named is 0. */
    static Step parse(String line) {
        var words = line.strip().split(" +");
        var kind = Kind.valueOf(words[0].toUpperCase(Locale.ROOT));
        var values = new Integer[kind.names.length];
        Arrays.fill(values, 0);
        int after = 0;
        for (int i = 1; i < words.length; i++) {
            var pair = words[i].split("=");
            int value = Integer.parseInt(pair[1]);
            int index = Arrays.asList(kind.names).indexOf(pair[0]);
            if (pair[0].equals("after")) after = value;
            else if (index >= 0) values[index] = value;
            else throw new IllegalArgumentException(kind + " knows no " + pair[0]);
        }
        return new Step(kind, List.of(values), after);
    }
}
