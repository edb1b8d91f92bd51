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
    private @Nullable String agentId;
    private double costTokens;
    private @Nullable Boolean hold;

    @Override
    void begin() {
        requestId = null;
        agentId = null;
        costTokens = -1;
        hold = null;
    }

    @Override
    boolean read(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        switch (field) {
            case "agent_id" -> {
                once(agentId == null, field);
                agentId = agentId(parser, token);
            }
            case "request_id" -> {
                once(requestId == null, field);
                requestId = text(field, parser, token, MAX_REQUEST_ID_BYTES, InvalidRule.REQUEST_ID);
            }
            case "tokens" -> {
                once(costTokens < 0, field);
                costTokens = tokens(parser, token);
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
    Request end(byte[] value) throws InvalidRequestException {
        if (agentId == null) throw new InvalidRequestException(InvalidRule.AGENT_ID, "agent_id is missing");
        return new Request(
                Optional.ofNullable(requestId),
                agentId,
                costTokens < 0 ? 1 : costTokens,
                Boolean.TRUE.equals(hold),
                value);
    }
}
