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

    private @Nullable String hold;

    @Override
    void begin() {
        hold = null;
    }

    @Override
    boolean read(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        if (!field.equals("hold")) return false;
        once(hold == null, field);
        hold = text(field, parser, token, MAX_HOLD_BYTES, InvalidRule.HOLD);
        return true;
    }

    @Override
    UsageReport end(String agentId, double tokens, byte[] value) throws InvalidRequestException {
        if (hold == null) throw new InvalidRequestException(InvalidRule.HOLD, "hold is missing");
        if (tokens < 0) throw new InvalidRequestException(InvalidRule.TOKENS, "tokens is missing");
        return new UsageReport(agentId, hold, tokens, value);
    }
}
