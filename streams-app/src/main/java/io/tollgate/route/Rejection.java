package io.tollgate.route;

import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Decision.QuotaExceeded;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Source;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/** The JSON of a rejection, as {@code schemas/rejected-request.schema.json} describes it. */
public final class Rejection {
    static final String INVALID_REQUEST = "invalid_request";

    /** The size that readers with Kafka's default settings accept. */
    private static final int MAX_BYTES = 1_000_000;

    private static final int ROOM_FOR_FIELDS = 4_096;

    private Rejection() {}

    /**
     * Returns the largest size of a rejection's value.
     *
     * @param maxRecordBytes size of the largest record, with key and headers, that the topic takes
     */
    static int maxBytes(int maxRecordBytes, byte @Nullable [] key, Headers headers) {
        long baggage = RecordClassifier.length(key) + RecordClassifier.bytes(headers);
        return (int) Math.max(0, Math.min(MAX_BYTES, maxRecordBytes - baggage));
    }

    /**
     * Returns the rejection of a readable request.
     *
     * @param remaining the text of the remaining tokens
     * @param timestamp the request's, in milliseconds since the epoch
     * @param maxBytes the largest rejection; a digest replaces a request that would exceed it
     */
    public static byte[] of(DecidedRequest decided, String remaining, Source source, long timestamp, int maxBytes) {
        var request = decided.request();
        var decision = decided.decision();
        var limit = limit(decided);
        var cost = Decimal.text(request.costTokens());
        boolean fits = request.bytes().length <= maxBytes - ROOM_FOR_FIELDS;
        var json = new RecordJson(fits ? request.bytes().length : 0);
        if (request.requestId().isPresent())
            json.text("request_id", request.requestId().get());
        json.text("agent_id", request.agentId())
                .number("tokens", cost)
                .text("reason", QuotaHeaders.reason(decision))
                .text("detail", detail(decision, cost, remaining, limit.limit()));
        if (decision instanceof Decision.Refused && decision.terms().limits().size() > 1) {
            json.text("limit", limit.name());
        }
        if (decision instanceof QuotaExceeded exceeded && exceeded.retryAfter().isPresent()) {
            json.number("retry_after_ms", exceeded.retryAfter().get().toMillis());
        }
        json.number("remaining", remaining)
                .limit(limit.limit())
                .text("decided_by", decision.decidedBy().text())
                .number("decided_at", decision.decidedAtMicros())
                .source(source, timestamp);
        if (fits) json.json("request", request.bytes()); // the agent's own JSON, which ingest has checked
        else digest(json, "request", request.bytes());
        return json.end();
    }

    /** Returns the rejection of an invalid record; the parameters are those of a request's. */
    static byte[] of(InvalidRecord unreadable, Source source, long timestamp, int maxBytes) {
        byte[] request = unreadable.bytes();
        var json = new RecordJson()
                .text("reason", INVALID_REQUEST)
                .text("detail", unreadable.detail())
                .source(source, timestamp);
        bytes(json, "request", request, maxBytes);
        return json.end();
    }

    /** Returns the limit that refused. */
    private static NamedLimit limit(DecidedRequest decided) {
        return decided.decision() instanceof Decision.Refused refused
                ? refused.refusedBy()
                : decided.policy().limits().get(0);
    }

    private static String detail(Decision decision, String cost, String remaining, Limit limit) {
        if (decision instanceof Decision.TooManyOpenHolds) {
            return "opens a hold, and as many are open as the policy allows";
        }
        return decision instanceof Decision.CostExceedsCapacity
                ? "costs " + cost + " tokens, the bucket holds at most " + Decimal.text(limit.capacityTokens())
                : "costs " + cost + " tokens, " + remaining + " are left";
    }

    /** Writes a record's exact bytes, or a digest if they would not fit. */
    static void bytes(RecordJson json, String what, byte[] bytes, int maxBytes) {
        if (bytes.length > (maxBytes - ROOM_FOR_FIELDS) / 4 * 3) digest(json, what, bytes);
        else json.text(what + "_base64", Base64.getEncoder().encodeToString(bytes));
    }

    /** Writes the length and digest of bytes that would not fit: enough to find them again on their topic. */
    private static void digest(RecordJson json, String what, byte[] bytes) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            json.number(what + "_bytes", bytes.length)
                    .text(what + "_sha256", HexFormat.of().formatHex(digest));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
