package io.tollgate.verify;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A rejection as it was written.
 *
 * @param fields all but {@code request}
 * @param requestFrom where the bytes of {@code request} begin in the value; -1 where it is absent
 * @param requestTo one after its last byte
 */
record RejectionBody(Map<String, JsonNode> fields, int requestFrom, int requestTo) {
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(2000)
                            .maxStringLength(Integer.MAX_VALUE)
                            .maxNumberLength(Integer.MAX_VALUE)
                            .maxNameLength(Integer.MAX_VALUE)
                            .build())
                    .build())
            .build();

    /** Returns the rejection, or null if the bytes are not one JSON object. */
    static @Nullable RejectionBody read(byte @Nullable [] value) {
        if (value == null) return null;
        try (JsonParser parser = JSON.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) return null;
            Map<String, JsonNode> fields = new HashMap<>();
            int from = -1;
            int to = -1;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                JsonToken token = parser.nextToken();
                if (fields.containsKey(name) || name.equals("request") && from >= 0) return null; // twice
                if (name.equals("request") && token == JsonToken.START_OBJECT) {
                    from = (int) parser.currentTokenLocation().getByteOffset();
                    parser.skipChildren();
                    to = (int) parser.currentLocation().getByteOffset();
                } else {
                    fields.put(name, parser.readValueAsTree());
                }
            }
            return parser.nextToken() == null ? new RejectionBody(fields, from, to) : null;
        } catch (IOException malformed) {
            return null;
        }
    }

    boolean has(String name) {
        return name.equals("request") ? requestFrom >= 0 || fields.containsKey(name) : fields.containsKey(name);
    }

    @Nullable
    String text(String name) {
        JsonNode node = fields.get(name);
        return node != null && node.isTextual() ? node.textValue() : null;
    }

    /** Returns the bytes of a text in Base64, or null without such a text. */
    byte @Nullable [] base64(String name) {
        try {
            String text = text(name);
            return text == null ? null : Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException malformed) {
            return null;
        }
    }

    /** Returns the number, or NaN without one. */
    double number(String name) {
        JsonNode node = fields.get(name);
        return node != null && node.isNumber() ? node.doubleValue() : Double.NaN;
    }

    /** Returns the whole number, or {@code otherwise} without one. */
    long whole(String name, long otherwise) {
        return whole(fields.get(name), otherwise);
    }

    static long whole(@Nullable JsonNode node, long otherwise) {
        return node != null && node.isIntegralNumber() && node.canConvertToLong() ? node.longValue() : otherwise;
    }
}
