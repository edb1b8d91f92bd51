package io.tollgate.cli;

import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * A length of time as typed by a user: {@code 90s}, {@code 15m}, {@code 1h30m}, {@code 7d}, or in ISO 8601:
 * {@code PT15M}.
 */
final class DurationArgument implements ITypeConverter<Duration> {
    private static final Pattern PARTS = Pattern.compile("(\\d{1,9}(ms|[smhdw]))+");
    private static final Pattern PART = Pattern.compile("(\\d{1,9})(ms|[smhdw])");
    private static final Duration LONGEST = Duration.ofDays(36_500);

    @Override
    public Duration convert(String value) {
        var duration = parse(value);
        if (!duration.isNegative() && !duration.isZero() && duration.compareTo(LONGEST) <= 0) return duration;
        throw wrong(value);
    }

    private static Duration parse(String typed) {
        var value = typed.toLowerCase(Locale.ROOT);
        if (!PARTS.matcher(value).matches()) {
            try {
                return Duration.parse(value);
            } catch (DateTimeParseException notIso) {
                throw wrong(typed);
            }
        }
        var sum = Duration.ZERO;
        var parts = PART.matcher(value);
        while (parts.find()) sum = sum.plus(of(Long.parseLong(parts.group(1)), parts.group(2)));
        return sum;
    }

    private static Duration of(long number, String unit) {
        return switch (unit) {
            case "ms" -> Duration.ofMillis(number);
            case "s" -> Duration.ofSeconds(number);
            case "m" -> Duration.ofMinutes(number);
            case "h" -> Duration.ofHours(number);
            case "d" -> Duration.ofDays(number);
            default -> Duration.ofDays(7 * number);
        };
    }

    private static TypeConversionException wrong(String value) {
        return new TypeConversionException("must be a duration such as 30m, 1h30m or 7d, but is \"" + value + "\"");
    }
}
