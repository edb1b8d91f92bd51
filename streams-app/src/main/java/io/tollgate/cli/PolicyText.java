package io.tollgate.cli;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.policy.HoldRules;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.StoredPolicy;
import io.tollgate.route.Decimal;
import java.util.List;
import java.util.stream.Collectors;

/** Policies in words, on one line. */
final class PolicyText {
    private PolicyText() {}

    static String of(PolicyDocument policy) {
        return limits(policy.limits()) + ", " + policy.mode().text()
                + policy.holds().map(holds -> ", holds " + of(holds)).orElse("")
                + policy.note().map(note -> " (" + line(note) + ")").orElse("");
    }

    /** Returns the policy that applies, and the record that is ignored beside it. */
    static String of(StoredPolicy stored) {
        var good = stored.good().map(applies -> of(applies.document()));
        var ignored = stored.ignored().map(bad -> bad.name() + " is ignored: " + line(bad.mistake()));
        if (good.isEmpty()) return ignored.orElse("");
        return good.get() + ignored.map(text -> "; " + text).orElse("");
    }

    /** Returns how long holds may be open, what then becomes of them, and how many there may be. */
    static String of(HoldRules holds) {
        return "within " + holds.withinSeconds() + " s, unsettled "
                + holds.unsettled().text() + ", at most " + holds.maxOpen() + " open";
    }

    static String limits(List<NamedLimit> limits) {
        return limits.stream().map(PolicyText::limit).collect(Collectors.joining(" and "));
    }

    private static String limit(NamedLimit named) {
        var limit = named.limit();
        return (named.name().isEmpty() ? "" : named.name() + " ")
                + Decimal.text(limit.capacityTokens())
                + (limit.refill() instanceof CalendarRefill calendar
                        ? " " + each(calendar)
                        : " at once, " + Decimal.text(limit.refillTokensPerSecond()) + "/s");
    }

    /** Returns the periods at whose starts the bucket is full. */
    static String each(CalendarRefill calendar) {
        return "each " + calendar.period().text() + " in " + calendar.zone();
    }

    /** Returns the text without control characters, which would break a line or a terminal. */
    static String line(String text) {
        return text.replaceAll("\\p{Cntrl}+", " ");
    }
}
