package io.tollgate.route;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.policy.Policy;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.jspecify.annotations.Nullable;

/**
 * The headers of a decided record. {@code quota-source} is there already: ingest wrote it. Not thread-safe: one for
 * each task.
 *
 * <p>Shared values are encoded once: verdicts, and the policy and time of successive decisions.
 */
public final class QuotaHeaders {
    private static final String REASON = "quota-reason";

    private static final Header APPROVED = header("quota-decision", "approved");
    private static final Header REJECTED = header("quota-decision", "rejected");
    private static final Header INVALID = header(REASON, Rejection.INVALID_REQUEST);
    private static final Header QUOTA_EXCEEDED = header(REASON, "quota_exceeded");
    private static final Map<DecidedBy, Header> DECIDED_BY = decidedBy();
    /**
     * Decision, remaining, decided-by, decided-at, policy. A refusal adds a reason and perhaps a limit, a hold
     * its deadline.
     */
    private static final int OF_APPROVAL = 5;

    private @Nullable Policy policy;
    private Header policyHeader = header("quota-policy", Policy.DEFAULT);
    private long decidedAtMicros = -1;
    private Header decidedAt = header("quota-decided-at", "-1");

    private static Map<DecidedBy, Header> decidedBy() {
        var headers = new EnumMap<DecidedBy, Header>(DecidedBy.class);
        for (var by : DecidedBy.values()) headers.put(by, header("quota-decided-by", by.text()));
        return headers;
    }

    /** Returns these headers with those of the decision. Adding them one by one would copy them each time. */
    public Headers with(Headers carried, DecidedRequest decided) {
        return with(carried, decided, Decimal.text(decided.decision().remainingTokens()));
    }

    /** As above, with the text of the remaining tokens: making one of a double takes long. */
    public Headers with(Headers carried, DecidedRequest decided, String remaining) {
        var decision = decided.decision();
        boolean approved = decided.isApproved();
        boolean refused = !decision.isApproved();
        var limit = decision instanceof Decision.Refused byLimit
                        && byLimit.terms().limits().size() > 1
                ? byLimit.refusedBy().name()
                : null;
        var hold = decided.hold();

        var before = carried.toArray();
        int at = before.length;
        var headers = Arrays.copyOf(
                before, at + OF_APPROVAL + (refused ? 1 : 0) + (limit != null ? 1 : 0) + (hold.isPresent() ? 1 : 0));
        headers[at++] = approved ? APPROVED : REJECTED;
        if (refused) {
            headers[at++] = reason(decision, approved);
            if (limit != null) headers[at++] = header("quota-limit", limit);
        }
        if (hold.isPresent()) {
            headers[at++] = header("quota-hold", Long.toString(hold.get().deadlineMicros()));
        }
        headers[at++] = header("quota-remaining", remaining);
        headers[at++] = DECIDED_BY.get(decision.decidedBy());
        headers[at++] = decidedAt(decision.decidedAtMicros());
        headers[at] = policy(decided.policy());
        return new RecordHeaders(headers);
    }

    private static Header reason(Decision decision, boolean approved) {
        if (approved) return header(REASON, "shadow:" + reason(decision));
        return decision instanceof Decision.QuotaExceeded ? QUOTA_EXCEEDED : header(REASON, reason(decision));
    }

    private Header decidedAt(long micros) {
        if (micros != decidedAtMicros) {
            decidedAtMicros = micros;
            decidedAt = header("quota-decided-at", Long.toString(micros));
        }
        return decidedAt;
    }

    private Header policy(Policy decidedBy) {
        if (decidedBy != policy) {
            policy = decidedBy;
            policyHeader = header("quota-policy", decidedBy.name());
        }
        return policyHeader;
    }

    static void writeInvalid(Headers headers) {
        headers.add(REJECTED);
        headers.add(INVALID);
    }

    static void writeOutcome(Headers headers, String outcome) {
        headers.add(header("quota-outcome", outcome));
    }

    /** Returns the reason of a rejection, as in {@code quota-reason}. */
    static String reason(Decision decision) {
        if (decision instanceof Decision.TooManyOpenHolds) return "too_many_open_holds";
        return decision instanceof Decision.CostExceedsCapacity ? "cost_exceeds_capacity" : "quota_exceeded";
    }

    private static Header header(String key, String text) {
        return new RecordHeader(key, text.getBytes(StandardCharsets.UTF_8));
    }
}
