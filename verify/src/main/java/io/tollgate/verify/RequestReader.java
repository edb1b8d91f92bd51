package io.tollgate.verify;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.tollgate.verify.Reading.Doubtful;
import io.tollgate.verify.Reading.Invalid;
import io.tollgate.verify.Reading.UsageReading;
import io.tollgate.verify.Reading.Valid;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Reads a request, or a usage report, by the letter of the contract. */
final class RequestReader {
    private static final double MOST_TOKENS = 1e12;
    private static final int LONGEST_ID_BYTES = 256;
    private static final int LONGEST_HOLD_BYTES = 512;
    private static final int DEEPEST = 1000;

    // Between these bounds either verdict is right: the contract gives no number, or leaves the edge open.
    private static final int DOUBTFUL_NUMBER_CHARACTERS = 100;
    private static final int TOO_LONG_NUMBER_CHARACTERS = 1100;
    private static final int DOUBTFUL_NAME_CHARACTERS = 50_000;
    private static final int DOUBTFUL_BYTES = 5_000_000;

    // Our own limits are checked below; the parser's would come first.
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(DEEPEST + 10)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private final boolean ofUsage;
    private boolean doubtful;
    private @Nullable String agentId;
    private @Nullable String requestId;
    private double costTokens;
    private boolean tokensSeen;
    private @Nullable Boolean hold;
    private @Nullable String holdName;

    private RequestReader(boolean ofUsage) {
        this.ofUsage = ofUsage;
    }

    /** Returns the reading of a request; never throws, whatever the bytes. */
    static Reading read(byte @Nullable [] value) {
        return read(value, false);
    }

    /**
     * Returns the reading of a usage report, {@link Reading.UsageReading} if it keeps every rule; never throws,
     * whatever the bytes.
     */
    static Reading readUsage(byte @Nullable [] value) {
        return read(value, true);
    }

    private static Reading read(byte @Nullable [] value, boolean ofUsage) {
        if (value == null) return new Invalid("the record has no value");
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(value))
                    .toString();
            if (text.startsWith("\uFEFF")) return new Invalid("begins with a byte order mark");
            return new RequestReader(ofUsage).read(text, value.length);
        } catch (CharacterCodingException malformed) {
            return new Invalid("is not UTF-8");
        } catch (BrokenRule broken) {
            return new Invalid(broken.getMessage());
        } catch (IOException malformed) {
            return new Invalid("is not JSON");
        }
    }

    private Reading read(String text, int bytes) throws IOException, BrokenRule {
        doubtful = bytes > DOUBTFUL_BYTES;
        costTokens = 1;
        try (JsonParser parser = JSON.createParser(text)) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "is not a JSON object");
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                noteLength(name.length(), DOUBTFUL_NAME_CHARACTERS);
                JsonToken token = parser.nextToken();
                switch (name) {
                    case "agent_id" -> readAgentId(parser, token);
                    case "tokens" -> readTokens(parser, token);
                    case "hold" -> {
                        if (ofUsage) readHoldName(parser, token);
                        else readHold(token);
                    }
                    case "request_id" -> {
                        if (ofUsage) skip(parser, token);
                        else readRequestId(parser, token);
                    }
                    default -> skip(parser, token);
                }
            }
            require(parser.nextToken() == null, "is followed by something else");
        }
        if (agentId == null) throw new BrokenRule("agent_id is missing");
        if (ofUsage) {
            if (holdName == null) throw new BrokenRule("hold is missing");
            require(tokensSeen, "tokens is missing");
            return new UsageReading(agentId, holdName, costTokens, doubtful);
        }
        Valid valid = new Valid(agentId, costTokens, requestId, hold != null && hold);
        return doubtful ? new Doubtful(valid) : valid;
    }

    private void readHold(JsonToken token) throws BrokenRule {
        if (hold != null) doubtful = true;
        require(token == JsonToken.VALUE_TRUE || token == JsonToken.VALUE_FALSE, "hold is not true or false");
        hold = token == JsonToken.VALUE_TRUE;
    }

    private void readHoldName(JsonParser parser, JsonToken token) throws IOException, BrokenRule {
        require(holdName == null, "hold is there twice");
        holdName = readText(parser, token, "hold", LONGEST_HOLD_BYTES);
    }

    private void readAgentId(JsonParser parser, JsonToken token) throws IOException, BrokenRule {
        require(agentId == null, "agent_id is there twice");
        String id = readText(parser, token, "agent_id", LONGEST_ID_BYTES);
        require(!hasLoneSurrogate(id), "agent_id has a lone surrogate");
        require(id.chars().noneMatch(c -> c < 0x20 || c == 0x7f), "agent_id has a control character");
        if (id.chars().anyMatch(Character::isISOControl)) doubtful = true; // 0x80 to 0x9f
        agentId = id;
    }

    private String readText(JsonParser parser, JsonToken token, String field, int longest)
            throws IOException, BrokenRule {
        require(token == JsonToken.VALUE_STRING, field + " is not a string");
        String text = parser.getText();
        if (hasLoneSurrogate(text)) doubtful = true;
        int bytes = text.getBytes(StandardCharsets.UTF_8).length;
        require(bytes >= 1 && bytes <= longest, field + " is not 1 to " + longest + " bytes");
        return text;
    }

    private void readTokens(JsonParser parser, JsonToken token) throws IOException, BrokenRule {
        require(!tokensSeen, "tokens is there twice");
        tokensSeen = true;
        require(
                token == JsonToken.VALUE_NUMBER_INT || token == JsonToken.VALUE_NUMBER_FLOAT,
                "tokens is not a finite number");
        String digits = parser.getText();
        require(digits.length() <= TOO_LONG_NUMBER_CHARACTERS, "tokens has too many digits");
        noteLength(digits.length(), DOUBTFUL_NUMBER_CHARACTERS);
        costTokens = Double.parseDouble(digits);
        require(costTokens >= 0 && costTokens <= MOST_TOKENS, "tokens is not from 0 to 1e12");
        // A minus zero, or a number that only rounding brings down to the maximum.
        if (digits.startsWith("-") || costTokens == MOST_TOKENS && digits.length() > 14) doubtful = true;
    }

    private void readRequestId(JsonParser parser, JsonToken token) throws IOException, BrokenRule {
        if (requestId != null) doubtful = true;
        requestId = readText(parser, token, "request_id", LONGEST_ID_BYTES);
    }

    private void skip(JsonParser parser, JsonToken token) throws IOException, BrokenRule {
        int open = 0;
        for (JsonToken at = token; ; at = parser.nextToken()) {
            if (at == null) throw new BrokenRule("is cut short");
            if (at.isStructStart()) {
                open++;
                require(open <= DEEPEST, "is nested too deep");
                if (open >= DEEPEST - 2) doubtful = true;
            } else if (at.isStructEnd()) {
                open--;
            } else if (at == JsonToken.FIELD_NAME) {
                noteLength(parser.currentName().length(), DOUBTFUL_NAME_CHARACTERS);
            } else if (at.isNumeric()) {
                noteLength(parser.getTextLength(), DOUBTFUL_NUMBER_CHARACTERS);
            }
            if (open == 0) return;
        }
    }

    private void noteLength(int characters, int doubtfulAbove) {
        if (characters > doubtfulAbove) doubtful = true;
    }

    private static boolean hasLoneSurrogate(String text) {
        return text.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private static void require(boolean kept, String rule) throws BrokenRule {
        if (!kept) throw new BrokenRule(rule);
    }

    private static final class BrokenRule extends Exception {
        private static final long serialVersionUID = 1L;

        BrokenRule(String rule) {
            super(rule, null, false, false);
        }

        @Override
        public String getMessage() {
            return String.valueOf(super.getMessage());
        }
    }
}
