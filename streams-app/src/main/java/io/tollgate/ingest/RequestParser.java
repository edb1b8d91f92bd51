package io.tollgate.ingest;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.tollgate.metrics.InvalidRule;
import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads requests. Not thread-safe: one for each task. */
final class RequestParser extends RecordParser<Request> {
    private static final int MAX_REQUEST_ID_BYTES = 256;

    private @Nullable String requestId;
    private @Nullable Boolean hold;

    @Override
    void begin() {
        requestId = null;
        hold = null;
    }

    @Override
    boolean read(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        switch (field) {
            case "request_id" -> {
                once(requestId == null, field);
                requestId = text(field, parser, token, MAX_REQUEST_ID_BYTES, InvalidRule.REQUEST_ID);
            }
            case "hold" -> {
                once(hold == null, field);
                hold = hold(token);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    private static boolean hold(@Nullable JsonToken token) throws InvalidRequestException {
        if (token == JsonToken.VALUE_TRUE) return true;
        if (token == JsonToken.VALUE_FALSE) return false;
        throw new InvalidRequestException(InvalidRule.HOLD, "hold must be true or false");
    }

    @Override
    Request end(String agentId, double tokens, byte[] value) {
        return new Request(
                Optional.ofNullable(requestId), agentId, tokens < 0 ? 1 : tokens, Boolean.TRUE.equals(hold), value);
    }
}
