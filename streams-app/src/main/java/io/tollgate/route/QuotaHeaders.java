package io.tollgate.route;

import io.tollgate.bucket.Decision;
import io.tollgate.quota.Decided;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Headers;

/** The headers of a decided record. {@code quota-source} is there already: ingest wrote it. */
final class QuotaHeaders {
    private static final byte[] APPROVED = utf8("approved");
    private static final byte[] REJECTED = utf8("rejected");

    private QuotaHeaders() {}

    static void write(Headers headers, Decided decided) {
        var decision = decided.decision();
        boolean approved = decided.isApproved();
        headers.add("quota-decision", approved ? APPROVED : REJECTED);
        if (decision instanceof Decision.Refused refused) {
            headers.add("quota-reason", utf8((approved ? "shadow:" : "") + reason(decision)));
            if (refused.terms().limits().size() > 1) {
                headers.add("quota-limit", utf8(refused.refusedBy().name()));
            }
        }
        headers.add("quota-remaining", utf8(Decimal.text(decision.remainingTokens())));
        headers.add("quota-decided-by", utf8(decision.decidedBy().text()));
        headers.add("quota-decided-at", utf8(Long.toString(decision.decidedAtMicros())));
        headers.add("quota-policy", utf8(decided.policy().name()));
    }

    static void writeInvalid(Headers headers) {
        headers.add("quota-decision", REJECTED);
        headers.add("quota-reason", utf8(Rejection.INVALID_REQUEST));
    }

    /** Returns why a request was rejected, in the word of the contract. */
    static String reason(Decision decision) {
        return decision instanceof Decision.CostExceedsCapacity ? "cost_exceeds_capacity" : "quota_exceeded";
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
