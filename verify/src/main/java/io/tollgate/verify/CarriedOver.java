package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;

import java.time.Duration;
import java.util.Objects;

/** Checks the parts of a request that its decided record carries over: headers and timestamp. */
record CarriedOver(CheckerSettings settings, Violations violations, Fingerprint fingerprint) {
    /** A timestamp that is farther than this from the time of the decision is replaced by that time. */
    static final Duration FAR = Duration.ofDays(2);

    void check(OutputRecord decided, Requests.Seen request) {
        checkTimestamp(decided, request);
        if (fingerprint.ofCarried(decided.headers()) != request.headers())
            violations.add(CONSERVATION, settings.at(decided), "does not have the headers of its request");
    }

    /**
     * Returns the timestamp that is carried over. A client may give none, which is -1; Kafka Streams accepts no
     * negative ones, and 0 is the nearest.
     */
    static long timestampMillis(Requests.Seen request) {
        return Math.max(0, request.timestampMillis());
    }

    /** A timestamp far from the time of the decision is replaced by that time, so that it does not govern retention. */
    private void checkTimestamp(OutputRecord decided, Requests.Seen request) {
        var headers = new DecisionHeaders(decided.headers());
        String noted = headers.get(DecisionHeaders.TIMESTAMP);
        boolean replaced = decided.timestampMillis() != timestampMillis(request);
        if (replaced && !isFar(request.timestampMillis(), decided.timestampMillis()))
            violations.add(
                    CONSERVATION,
                    settings.at(decided),
                    "has the timestamp " + decided.timestampMillis() + ", but its request "
                            + request.timestampMillis());
        String decidedAt = headers.get(DecisionHeaders.DECIDED_AT);
        if (replaced
                && decidedAt != null
                && decidedAt.matches("[0-9]{1,18}")
                && isFar(Long.parseLong(decidedAt) / 1000, decided.timestampMillis()))
            violations.add(
                    CONSERVATION, settings.at(decided), "has neither its request's timestamp nor that of its decision");
        boolean invalid = "invalid_request".equals(headers.get(DecisionHeaders.REASON)); // only its rejection has it
        String expected = replaced && !invalid ? Long.toString(timestampMillis(request)) : null;
        if (!Objects.equals(noted, expected))
            violations.add(
                    CONSERVATION,
                    settings.at(decided),
                    "header quota-timestamp must be " + (expected == null ? "absent" : expected) + ", but is "
                            + (noted == null ? "absent" : "\"" + Text.shorten(noted) + "\""));
    }

    private static boolean isFar(long oneMillis, long otherMillis) {
        // Not by subtraction, which may overflow a long.
        return oneMillis < otherMillis - FAR.toMillis() || oneMillis > otherMillis + FAR.toMillis();
    }
}
