package io.tollgate.memoryredis;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.regex.Pattern;
import org.luaj.vm2.LuaError;
import org.luaj.vm2.LuaValue;
import org.luaj.vm2.Varargs;

/** Numbers as C reads and writes them, and so Redis' Lua. */
final class CNumbers {
    private static final Pattern DIRECTIVE = Pattern.compile("%(?:\\.(\\d+))?([dfgsu%])");
    private static final Pattern DECIMAL = Pattern.compile("[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?");
    private static final Pattern HEX = Pattern.compile("[+-]?0[xX][0-9a-fA-F]+");

    private CNumbers() {}

    /** Returns the number; null where the text holds none. */
    static Double parse(String text) {
        if (isPlain(text)) return Double.valueOf(text); // nearly always
        var trimmed = text.strip();
        if (DECIMAL.matcher(trimmed).matches()) return Double.valueOf(trimmed);
        if (HEX.matcher(trimmed).matches()) {
            boolean negative = trimmed.startsWith("-");
            long bits = Long.parseUnsignedLong(
                    trimmed.substring(trimmed.toLowerCase().indexOf('x') + 1), 16);
            return (double) (negative ? -bits : bits);
        }
        return switch (trimmed.toLowerCase()) {
            case "nan", "+nan", "-nan" -> Double.NaN;
            case "inf", "+inf", "infinity", "+infinity" -> Double.POSITIVE_INFINITY;
            case "-inf", "-infinity" -> Double.NEGATIVE_INFINITY;
            default -> null;
        };
    }

    private static boolean isPlain(String text) {
        if (text.isEmpty() || text.charAt(0) == '.') return false;
        int points = 0;
        for (int i = 0; i < text.length(); i++) {
            char each = text.charAt(i);
            if (each == '.') points++;
            else if (each < '0' || each > '9') return false;
        }
        return points <= 1;
    }

    /** As {@code string.format}. */
    static String format(String format, Varargs args) {
        var matcher = DIRECTIVE.matcher(format);
        var out = new StringBuilder();
        int arg = 1;
        int end = 0;
        while (matcher.find()) {
            out.append(format, end, matcher.start());
            end = matcher.end();
            int precision = matcher.group(1) == null ? 6 : Integer.parseInt(matcher.group(1));
            switch (matcher.group(2).charAt(0)) {
                case '%' -> out.append('%');
                case 's' -> out.append(args.arg(arg++).tojstring());
                case 'd', 'u' -> out.append((long) number(args.arg(arg++)));
                case 'f' -> out.append(fixed(number(args.arg(arg++)), precision));
                default -> out.append(general(number(args.arg(arg++)), precision));
            }
        }
        out.append(format, end, format.length());
        if (out.indexOf("%") >= 0 && !format.contains("%%")) {
            throw new LuaError("CNumbers does not know all of " + format);
        }
        return out.toString();
    }

    /** A string that holds a number is one. */
    private static double number(LuaValue value) {
        var parsed = value.type() == LuaValue.TSTRING ? parse(value.tojstring()) : null;
        return parsed == null ? value.checkdouble() : parsed;
    }

    static String fixed(double number, int precision) {
        if (Double.isNaN(number)) return "nan";
        if (Double.isInfinite(number)) return number > 0 ? "inf" : "-inf";
        var text = new BigDecimal(number)
                .setScale(precision, RoundingMode.HALF_EVEN)
                .toPlainString();
        return isNegative(number) && !text.startsWith("-") ? "-" + text : text;
    }

    private static boolean isNegative(double number) {
        return Double.doubleToRawLongBits(number) < 0;
    }

    /** {@code %.<precision>g}. */
    static String general(double number, int precision) {
        if (Double.isNaN(number)) return "nan";
        if (Double.isInfinite(number)) return number > 0 ? "inf" : "-inf";
        if (number == 0) return isNegative(number) ? "-0" : "0";
        if (number == Math.rint(number) && Math.abs(number) < 1e15 && precision >= 15) {
            return Long.toString((long) number);
        }
        var rounded = new BigDecimal(number).round(new MathContext(precision, RoundingMode.HALF_EVEN));
        int exponent = rounded.precision() - rounded.scale() - 1;
        var digits = rounded.stripTrailingZeros();
        if (exponent >= -4 && exponent < precision) return digits.toPlainString();
        var mantissa = digits.unscaledValue().abs().toString();
        var text = mantissa.charAt(0) + (mantissa.length() > 1 ? "." + mantissa.substring(1) : "");
        int size = Math.abs(exponent);
        return (number < 0 ? "-" : "") + text + "e" + (exponent < 0 ? "-" : "+") + (size < 10 ? "0" : "") + size;
    }
}
