package io.tollgate.route;

import java.math.BigDecimal;

/** Numbers as plain decimals, whole ones without a fraction. */
public final class Decimal {
    private Decimal() {}

    /** Returns the shortest decimal that reads back as this double, without an exponent. */
    public static String text(double value) {
        if (value == Math.rint(value) && Math.abs(value) < 1e15) return Long.toString((long) value);
        var text = Double.toString(value);
        return text.indexOf('E') < 0
                ? text
                : new BigDecimal(text).stripTrailingZeros().toPlainString();
    }
}
