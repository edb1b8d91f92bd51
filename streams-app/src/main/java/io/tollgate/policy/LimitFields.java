package io.tollgate.policy;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Refill;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The fields of one limit while they are read. Not thread-safe. */
final class LimitFields {
    /** Their names, as messages list them. */
    static final String NAMES = "capacity, refill_rate, period, zone";

    private static final int MAX_ECHOED = 40;

    private final String prefix;
    private @Nullable Double capacity;
    private @Nullable Double refillRate;
    private @Nullable Period period;
    private @Nullable String zone;

    /** @param prefix what messages say before a field's name */
    LimitFields(String prefix) {
        this.prefix = prefix;
    }

    boolean isEmpty() {
        return capacity == null && refillRate == null && period == null && zone == null;
    }

    void capacity(double tokens) {
        capacity = tokens;
    }

    void refillRate(double tokensPerSecond) {
        refillRate = tokensPerSecond;
    }

    void period(String text) throws InvalidPolicyException {
        period = Period.of(text)
                .orElseThrow(() -> new InvalidPolicyException(
                        prefix + "period must be " + periods() + ", but is \"" + shown(text) + "\""));
    }

    void zone(String name) {
        zone = name;
    }

    /** Returns the names of the periods, as messages list them. */
    static String periods() {
        var words = Arrays.stream(Period.values()).map(Period::text).collect(Collectors.joining(", "));
        return words.replaceFirst(", ([a-z]+)$", " or $1");
    }

    /** @throws InvalidPolicyException if a field is missing, or two contradict each other */
    Limit limit() throws InvalidPolicyException {
        if (capacity == null) throw new InvalidPolicyException(prefix + "capacity is missing");
        return new Limit(capacity, refill());
    }

    private Refill refill() throws InvalidPolicyException {
        if (period == null) {
            if (zone != null) throw new InvalidPolicyException(prefix + "zone needs period");
            if (refillRate == null) throw new InvalidPolicyException(prefix + "refill_rate is missing, or period");
            return new Refill.Steady(refillRate);
        }
        if (refillRate != null) {
            throw new InvalidPolicyException(
                    prefix + "refill_rate cannot be combined with period: a limit has one of them");
        }
        var name = zone == null ? CalendarRefill.UTC.getId() : zone;
        try {
            return CalendarRefill.of(period, name);
        } catch (IllegalArgumentException unknown) {
            throw new InvalidPolicyException(
                    prefix + "zone " + unknown.getMessage() + ", but is \"" + shown(name) + "\"" + meant(name));
        }
    }

    private static String shown(String text) {
        var plain = text.replaceAll("[^\\x20-\\x7e]", "?");
        return plain.length() <= MAX_ECHOED ? plain : plain.substring(0, MAX_ECHOED) + "…";
    }

    /** Users know the city, and mistype the rest. */
    static String meant(String name) {
        var meant = name.strip().replace(' ', '_');
        Set<String> zones = CalendarRefill.zones();
        return zones.stream()
                .filter(zone -> !zone.startsWith("Etc/")) // Etc/GMT+2 is west of Greenwich, GMT+2 mostly means east
                .filter(zone -> zone.equalsIgnoreCase(meant)
                        || zone.substring(zone.lastIndexOf('/') + 1).equalsIgnoreCase(meant))
                .min(String::compareTo)
                .map(zone -> "; did you mean " + zone + "?")
                .orElse("");
    }
}
