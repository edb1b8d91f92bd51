package io.tollgate.route;

import com.fasterxml.jackson.core.JsonGenerator;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Decision.QuotaExceeded;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.ingest.InvalidRecord;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Source;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/** The JSON of a rejection, as {@code schemas/rejected-request.schema.json} describes it. */
public final class Rejection {
    static final String INVALID_REQUEST = "invalid_request";

    /** The size that readers with Kafka's default settings accept. */
    static final int MAX_BYTES = 1_000_000;

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
     * @param timestamp the request's, in milliseconds since the epoch
     * @param maxBytes the largest rejection; a digest replaces a request that would exceed it
     */
    public static byte[] of(DecidedRequest decided, Source source, long timestamp, int maxBytes) {
        var request = decided.request();
        var decision = decided.decision();
        var limit = limit(decided);
        return RecordJson.of(Math.min(request.bytes().length, MAX_BYTES), (json, bytes) -> {
            if (request.requestId().isPresent()) {
                json.writeStringField("request_id", request.requestId().get());
            }
            json.writeStringField("agent_id", request.agentId());
            RecordJson.number(json, "tokens", request.costTokens());
            json.writeStringField("reason", QuotaHeaders.reason(decision));
            json.writeStringField("detail", detail(decided));
            if (decision instanceof Decision.Refused
                    && decision.terms().limits().size() > 1) {
                json.writeStringField("limit", limit.name());
            }
            if (decision instanceof QuotaExceeded exceeded
                    && exceeded.retryAfter().isPresent()) {
                json.writeNumberField(
                        "retry_after_ms", exceeded.retryAfter().get().toMillis());
            }
            RecordJson.number(json, "remaining", decision.remainingTokens());
            RecordJson.limit(json, limit.limit());
            json.writeStringField("decided_by", decision.decidedBy().text());
            json.writeNumberField("decided_at", decision.decidedAtMicros());
            RecordJson.source(json, source, timestamp);
            if (request.bytes().length > maxBytes - ROOM_FOR_FIELDS) {
                digest(json, "request", request.bytes());
            } else {
                json.writeFieldName("request");
                // The agent's own JSON, which ingest has checked. It bypasses the generator, which would decode it.
                json.writeRawValue("");
                json.flush();
                bytes.write(request.bytes());
            }
        });
    }

    /** Returns the rejection of an invalid record; the parameters are those of a request's. */
    static byte[] of(InvalidRecord unreadable, Source source, long timestamp, int maxBytes) {
        byte[] request = unreadable.bytes();
        return RecordJson.of(Math.min(request.length * 4 / 3, MAX_BYTES), (json, bytes) -> {
            json.writeStringField("reason", INVALID_REQUEST);
            json.writeStringField("detail", unreadable.detail());
            RecordJson.source(json, source, timestamp);
            bytes(json, "request", request, maxBytes);
        });
    }

    /** Returns the limit that refused. */
    private static NamedLimit limit(DecidedRequest decided) {
        return decided.decision() instanceof Decision.Refused refused
                ? refused.refusedBy()
                : decided.policy().limits().get(0);
    }

    private static String detail(DecidedRequest decided) {
        if (decided.decision() instanceof Decision.TooManyOpenHolds tooMany) {
            return "opens a hold, " + tooMany.maxOpen() + " may be open at a time";
        }
        var cost = Decimal.text(decided.request().costTokens());
        var limit = limit(decided).limit();
        return decided.decision() instanceof Decision.CostExceedsCapacity
                ? "costs " + cost + " tokens, the bucket holds at most " + Decimal.text(limit.capacityTokens())
                : "costs " + cost + " tokens, "
                        + Decimal.text(decided.decision().remainingTokens()) + " are left";
    }

    /** Writes a record's exact bytes, or a digest if they would not fit. */
    static void bytes(JsonGenerator json, String what, byte[] bytes, int maxBytes) throws IOException {
        if (bytes.length > (maxBytes - ROOM_FOR_FIELDS) / 4 * 3) digest(json, what, bytes);
        else json.writeBinaryField(what + "_base64", bytes);
    }

    /** Writes the length and digest of bytes that would not fit: enough to find them again on their topic. */
    private static void digest(JsonGenerator json, String what, byte[] bytes) throws IOException {
        json.writeNumberField(what + "_bytes", bytes.length);
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            json.writeStringField(what + "_sha256", HexFormat.of().formatHex(digest));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
