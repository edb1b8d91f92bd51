package io.tollgate.cli;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyJson;
import java.util.Locale;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Converters of the arguments of {@code tollgate policy}; each names the rule that an argument breaks. */
final class PolicyArguments {
    /** As in JSON: Java's own rule accepts NaN, 0x1p3 and 10d as well. */
    private static final Pattern NUMBER = Pattern.compile("-?\\d{1,400}(\\.\\d{1,400})?([eE][+-]?\\d{1,9})?");

    private PolicyArguments() {}

    static final class Agent implements ITypeConverter<String> {
        @Override
        public String convert(String value) {
            AgentId.brokenRule(value).ifPresent(rule -> {
                throw new TypeConversionException("an agent's id " + rule);
            });
            // Java's replacement for bytes that are not characters in the shell's locale.
            if (value.indexOf('\uFFFD') >= 0) {
                throw new TypeConversionException(
                        "an agent's id holds characters that cannot be read in this locale: try LC_ALL=C.UTF-8");
            }
            return value;
        }
    }

    static final class Capacity implements ITypeConverter<Double> {
        @Override
        public Double convert(String value) {
            double capacity = number(value);
            if (capacity > 0 && capacity <= Limit.LARGEST) return capacity;
            throw new TypeConversionException("must be a number above 0 and at most 1e12, but is \"" + value + "\"");
        }
    }

    static final class RefillRate implements ITypeConverter<Double> {
        @Override
        public Double convert(String value) {
            double rate = number(value);
            if (rate >= 0 && rate <= Limit.LARGEST) return rate + 0.0; // -0 is 0
            throw new TypeConversionException("must be a number from 0 to 1e12, but is \"" + value + "\"");
        }
    }

    static final class OneOfSeveral implements ITypeConverter<NamedLimit> {
        @Override
        public NamedLimit convert(String value) {
            var parts = value.split(":", -1);
            if (parts.length < 3 || parts.length > 4) {
                throw new TypeConversionException(
                        "must be NAME:CAPACITY:REFILL_RATE or NAME:CAPACITY:PERIOD[:ZONE], but is \"" + value + "\"");
            }
            if (!NamedLimit.isLegal(parts[0])) {
                throw new TypeConversionException("a name must be 1 to " + NamedLimit.MAX_NAME
                        + " lower case letters, digits, - and _, and begin with a letter or digit, but is \"" + parts[0]
                        + "\"");
            }
            double capacity = new Capacity().convert(parts[1]);
            boolean steady = parts.length == 3 && (parts[2].isEmpty() || !Character.isLetter(parts[2].charAt(0)));
            if (steady) return new NamedLimit(parts[0], new Limit(capacity, new RefillRate().convert(parts[2])));
            var zone = new Zone().convert(parts.length == 4 ? parts[3] : CalendarRefill.UTC.getId());
            return new NamedLimit(parts[0], Limit.each(new Periods().convert(parts[2]), zone, capacity));
        }
    }

    static final class Periods implements ITypeConverter<Period> {
        @Override
        public Period convert(String value) {
            return Period.of(value)
                    .orElseThrow(() -> new TypeConversionException(
                            "must be " + PolicyJson.PERIODS + ", but is \"" + value + "\""));
        }
    }

    static final class Zone implements ITypeConverter<String> {
        @Override
        public String convert(String value) {
            try {
                return CalendarRefill.of(Period.DAY, value).zone().getId();
            } catch (IllegalArgumentException unknown) {
                throw new TypeConversionException(
                        unknown.getMessage() + ", but is \"" + value + "\"" + PolicyJson.zoneMeant(value));
            }
        }
    }

    static final class Modes implements ITypeConverter<Mode> {
        @Override
        public Mode convert(String value) {
            for (var mode : Mode.values()) {
                if (mode.name().toLowerCase(Locale.ROOT).equals(value)) return mode;
            }
            throw new TypeConversionException("must be enforce, shadow or off, but is \"" + value + "\"");
        }
    }

    private static double number(String value) {
        return NUMBER.matcher(value).matches() ? Double.parseDouble(value) : Double.NaN;
    }
}
