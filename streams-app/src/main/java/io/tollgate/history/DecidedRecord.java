package io.tollgate.history;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * A record of the approved or the rejected topic. Immutable.
 *
 * @param agentId the record's key; for an invalid request its original key, empty if it had none
 * @param source topic, partition and offset of the request, from {@code quota-source}; empty if the header is missing
 * @param reason the value of {@code quota-reason}; empty for an approval, unless a shadow policy would have refused
 * @param remainingTokens NaN if the record lacks it, as for an invalid request
 * @param decidedAtMicros microseconds since the epoch on the bucket's clock; -1 if the record lacks it
 * @param limit which of several limits refused; empty if there is only one, or none did
 * @param heldUntilMicros deadline of the hold it opened, microseconds since the epoch on the bucket's clock; -1 if it
 *     opened none
 */
public record DecidedRecord(
        String topic,
        int partition,
        long offset,
        long timestampMillis,
        boolean approved,
        String agentId,
        String source,
        String reason,
        double remainingTokens,
        String decidedBy,
        long decidedAtMicros,
        String policy,
        String limit,
        long heldUntilMicros,
        byte[] value) {
    static final String SHADOW = "shadow:";
    static final String COST_EXCEEDS_CAPACITY = "cost_exceeds_capacity";
    /** The reason of a refusal by {@code max_open}, which charges nothing. */
    public static final String TOO_MANY_OPEN_HOLDS = "too_many_open_holds";

    private static final JsonFactory JSON = new JsonFactory();

    /** @param approvedTopic the name of the approved topic, which identifies approvals */
    static DecidedRecord of(ConsumerRecord<byte[], byte[]> kafka, String approvedTopic) {
        var headers = kafka.headers();
        return new DecidedRecord(
                kafka.topic(),
                kafka.partition(),
                kafka.offset(),
                kafka.timestamp(),
                kafka.topic().equals(approvedTopic),
                text(kafka.key()),
                text(headers, "quota-source"),
                text(headers, "quota-reason"),
                number(text(headers, "quota-remaining")),
                text(headers, "quota-decided-by"),
                micros(text(headers, "quota-decided-at")),
                text(headers, "quota-policy"),
                text(headers, "quota-limit"),
                micros(text(headers, "quota-hold")),
                kafka.value() == null ? new byte[0] : kafka.value());
    }

    /** Returns whether the decision concerned an agent's bucket; an invalid request has none. */
    public boolean isCharged() {
        return decidedAtMicros >= 0 && !policy.isEmpty() && Double.isFinite(remainingTokens);
    }

    /** Returns whether it was approved only because the policy is not enforced. */
    boolean isShadow() {
        return reason.startsWith(SHADOW);
    }

    /** Returns the partition the request was published on; -1 if the record lacks it. */
    int sourcePartition() {
        int end = source.lastIndexOf('/');
        int begin = source.lastIndexOf('/', end - 1);
        return begin < 0 ? -1 : (int) whole(source, begin + 1, end);
    }

    /** Returns the offset the request was published at; -1 if the record lacks it. */
    long sourceOffset() {
        return whole(source, source.lastIndexOf('/') + 1, source.length());
    }

    private static long whole(String text, int from, int to) {
        try {
            return Long.parseLong(text, from, to, 10);
        } catch (NumberFormatException notOurs) {
            return -1;
        }
    }

    /** Returns the cost of the request, from the field {@code tokens} of a request or a rejection. */
    public double costTokens() {
        return number("tokens", 1);
    }

    /** Returns a number from the top level of the value. */
    public double number(String field, double otherwise) {
        try (var json = JSON.createParser(value)) {
            if (find(json, field) && json.currentToken().isNumeric()) return json.getDoubleValue();
        } catch (IOException notOurs) {
            // below
        }
        return otherwise;
    }

    /** Returns a text from the top level of the value; empty if there is none. */
    public String text(String field) {
        try (var json = JSON.createParser(value)) {
            if (find(json, field) && json.currentToken() == JsonToken.VALUE_STRING) return json.getText();
        } catch (IOException notOurs) {
            // below
        }
        return "";
    }

    private static boolean find(JsonParser json, String field) throws IOException {
        if (json.nextToken() != JsonToken.START_OBJECT) return false;
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            boolean found = json.currentName().equals(field);
            json.nextToken();
            if (found) return true;
            json.skipChildren();
        }
        return false;
    }

    private static String text(Headers headers, String name) {
        var header = headers.lastHeader(name);
        return header == null ? "" : text(header.value());
    }

    private static String text(byte @Nullable [] bytes) {
        return bytes == null ? "" : new String(bytes, StandardCharsets.UTF_8);
    }

    private static double number(String text) {
        try {
            return text.isEmpty() ? Double.NaN : Double.parseDouble(text);
        } catch (NumberFormatException notOurs) {
            return Double.NaN;
        }
    }

    private static long micros(String text) {
        return text.isEmpty() ? -1 : whole(text, 0, text.length());
    }
}
