package io.tollgate.route;

import java.math.BigDecimal;

/** Numbers as people and programs write them: plain decimals, whole ones without a fraction. */
public final class Decimal {
    private Decimal() {}

    /** Returns the shortest decimal that reads back as this double, without an exponent. */
    public static String text(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : new BigDecimal(Double.toString(value)).toPlainString();
    }
}
