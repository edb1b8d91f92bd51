package io.tollgate.ingest;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.tollgate.metrics.InvalidRule;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Reads usage reports. Not thread-safe: one for each task. */
final class ReportParser extends RecordParser<UsageReport> {
    /** A position is shorter; any longer text names no hold. */
    private static final int MAX_HOLD_BYTES = 512;

    private @Nullable String agentId;
    private @Nullable String hold;
    private double usedTokens;

    @Override
    void begin() {
        agentId = null;
        hold = null;
        usedTokens = -1;
    }

    @Override
    boolean read(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        switch (field) {
            case "agent_id" -> {
                once(agentId == null, field);
                agentId = agentId(parser, token);
            }
            case "hold" -> {
                once(hold == null, field);
                hold = text(field, parser, token, MAX_HOLD_BYTES, InvalidRule.HOLD);
            }
            case "tokens" -> {
                once(usedTokens < 0, field);
                usedTokens = tokens(parser, token);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    @Override
    UsageReport end(byte[] value) throws InvalidRequestException {
        if (agentId == null) throw new InvalidRequestException(InvalidRule.AGENT_ID, "agent_id is missing");
        if (hold == null) throw new InvalidRequestException(InvalidRule.HOLD, "hold is missing");
        if (usedTokens < 0) throw new InvalidRequestException(InvalidRule.TOKENS, "tokens is missing");
        return new UsageReport(agentId, hold, usedTokens, value);
    }
}
