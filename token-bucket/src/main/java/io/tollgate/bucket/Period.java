package io.tollgate.bucket;

import java.util.Optional;

/** A calendar period, at whose start a bucket is full. The order is that of the numbers in Redis. */
public enum Period {
    MINUTE("minute"),
    HOUR("hour"),
    DAY("day"),
    /** From Monday. */
    WEEK("week"),
    MONTH("month");

    private final String text;

    Period(String text) {
        this.text = text;
    }

    /** Returns the name that policies use. */
    public String text() {
        return text;
    }

    /** Returns the period with this name; empty if there is none. */
    public static Optional<Period> of(String text) {
        for (var period : values()) {
            if (period.text.equals(text)) return Optional.of(period);
        }
        return Optional.empty();
    }
}
