package io.tollgate.verify;

import java.math.BigDecimal;
import java.math.MathContext;

/** Foreign text and numbers: made safe for messages on a terminal, and compared. */
final class Text {
    private static final int LONGEST = 100;

    private Text() {}

    static String shorten(String text) {
        String harmless = text.replaceAll("\\p{Cntrl}", "?");
        return harmless.length() <= LONGEST ? harmless : harmless.substring(0, LONGEST) + "…";
    }

    /** Returns whether two doubles are the same, except for digits that a notation may drop. */
    static boolean same(double one, double other) {
        return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one));
    }

    /** Returns a number in plain digits, six of them significant. */
    static String number(double value) {
        if (!Double.isFinite(value)) return Double.toString(value);
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(6));
        return rounded.signum() == 0 ? "0" : rounded.stripTrailingZeros().toPlainString();
    }
}
