package io.tollgate.route;

import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.Source;
import io.tollgate.quota.TaskOutput.HoldEnded;
import io.tollgate.quota.TaskOutput.NoSuchHold;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The JSON of a settlement, as {@code schemas/settled-request.schema.json} describes it. */
final class SettlementJson {
    static final String NO_SUCH_HOLD = "no_such_hold";
    static final String INVALID_REPORT = "invalid_report";

    private SettlementJson() {}

    /** Returns the outcome of a hold, as in {@code quota-outcome}. */
    static String outcome(HoldEnded ended) {
        return ended.ending().name().toLowerCase(Locale.ROOT);
    }

    /**
     * Returns the settlement of a hold.
     *
     * @param source of the report; null if there was none
     * @param timestamp the report's, in milliseconds since the epoch
     */
    static byte[] of(HoldEnded ended, @Nullable Source source, long timestamp) {
        var hold = ended.hold();
        var settled = ended.settled();
        var json = new RecordJson()
                .text("agent_id", hold.agentId())
                .text("hold", hold.name())
                .text("outcome", outcome(ended))
                .number("reserved", hold.reservedTokens())
                .number("used", ended.usedTokens())
                .number("refunded", ended.refundedTokens())
                .number("remaining", settled.remainingTokens());
        if (hold.requestId().isPresent())
            json.text("request_id", hold.requestId().get());
        json.text("decided_by", settled.decidedBy().text()).number("decided_at", settled.decidedAtMicros());
        if (source != null) json.source(source, timestamp);
        return json.end();
    }

    /** Returns the answer to a report that names no open hold; the parameters are those of a settlement. */
    static byte[] of(NoSuchHold noSuchHold, Source source, long timestamp) {
        var report = noSuchHold.report();
        return new RecordJson()
                .text("agent_id", report.agentId())
                .text("hold", report.hold())
                .text("outcome", NO_SUCH_HOLD)
                .number("used", report.usedTokens())
                .number("decided_at", noSuchHold.atMicros())
                .source(source, timestamp)
                .end();
    }

    /**
     * Returns the answer to an invalid report; the parameters are those of a settlement.
     *
     * @param maxBytes the largest settlement; a digest replaces a report that would exceed it
     */
    static byte[] of(InvalidRecord unreadable, Source source, long timestamp, int maxBytes) {
        var json = new RecordJson().text("outcome", INVALID_REPORT).text("detail", unreadable.detail());
        json.source(source, timestamp);
        Rejection.bytes(json, "report", unreadable.bytes(), maxBytes);
        return json.end();
    }
}
