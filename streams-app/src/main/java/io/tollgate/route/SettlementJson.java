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
        return RecordJson.of((json, bytes) -> {
            json.writeStringField("agent_id", hold.agentId());
            json.writeStringField("hold", hold.name());
            json.writeStringField("outcome", outcome(ended));
            RecordJson.number(json, "reserved", hold.reservedTokens());
            RecordJson.number(json, "used", ended.usedTokens());
            RecordJson.number(json, "refunded", ended.refundedTokens());
            RecordJson.number(json, "remaining", settled.remainingTokens());
            if (hold.requestId().isPresent()) {
                json.writeStringField("request_id", hold.requestId().get());
            }
            json.writeStringField("decided_by", settled.decidedBy().text());
            json.writeNumberField("decided_at", settled.decidedAtMicros());
            if (source != null) RecordJson.source(json, source, timestamp);
        });
    }

    /** Returns the answer to a report that names no open hold; the parameters are those of a settlement. */
    static byte[] of(NoSuchHold noSuchHold, Source source, long timestamp) {
        var report = noSuchHold.report();
        return RecordJson.of((json, bytes) -> {
            json.writeStringField("agent_id", report.agentId());
            json.writeStringField("hold", report.hold());
            json.writeStringField("outcome", NO_SUCH_HOLD);
            RecordJson.number(json, "used", report.usedTokens());
            json.writeNumberField("decided_at", noSuchHold.atMicros());
            RecordJson.source(json, source, timestamp);
        });
    }

    /**
     * Returns the answer to an invalid report; the parameters are those of a settlement.
     *
     * @param maxBytes the largest settlement; a digest replaces a report that would exceed it
     */
    static byte[] of(InvalidRecord unreadable, Source source, long timestamp, int maxBytes) {
        byte[] report = unreadable.bytes();
        return RecordJson.of(Math.min(report.length * 4 / 3, Rejection.MAX_BYTES), (json, bytes) -> {
            json.writeStringField("outcome", INVALID_REPORT);
            json.writeStringField("detail", unreadable.detail());
            RecordJson.source(json, source, timestamp);
            Rejection.bytes(json, "report", report, maxBytes);
        });
    }
}
