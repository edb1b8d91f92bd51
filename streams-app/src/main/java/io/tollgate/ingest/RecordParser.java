package io.tollgate.ingest;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Limit;
import io.tollgate.metrics.InvalidRule;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Reads the few fields of a record that matter, without building the rest. Not thread-safe: one for each task.
 *
 * <p>Memory is bounded by the record itself: numbers are never expanded, skipped values never copied.
 *
 * @param <T> the contents of the record
 */
abstract class RecordParser<T> {
    private static final int MAX_NESTING = 1000;
    private static final int MAX_STRING_BYTES = 16 * 1024 * 1024;
    /** Jackson keeps names to recognise them again. */
    private static final int MAX_NAME_CHARACTERS = 50_000;

    /** No double needs more digits. A longer number is an attack on the parser, not a cost. */
    private static final int MAX_NUMBER_CHARACTERS = 1000;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    // Numbers in unused fields are carried, never converted, and may be of any length.
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(MAX_STRING_BYTES)
                    .maxNameLength(MAX_NAME_CHARACTERS)
                    .build())
            // Agents choose the names. They must not fill the JVM's table of strings, and colliding hashes must not
            // make Jackson throw an IllegalStateException, which would end the thread. This table stays bounded.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            // An error message must not show what the agent wrote.
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();

    private static final VarHandle EIGHT_BYTES =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private @Nullable String agentId;
    private double tokens;

    private final CharsetDecoder strictUtf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);

    /**
     * Returns the contents of the bytes.
     *
     * @throws InvalidRequestException if they break a rule
     */
    T parse(byte @Nullable [] value) throws InvalidRequestException {
        if (value == null)
            throw new InvalidRequestException(InvalidRule.EMPTY, "value must be a JSON object, but is null");
        if (value.length == 0)
            throw new InvalidRequestException(InvalidRule.EMPTY, "value must be a JSON object, but is empty");
        checkEncoding(value);
        try (var parser = JSON.createParser(value)) {
            return readObject(parser, value);
        } catch (StreamConstraintsException e) {
            throw new InvalidRequestException(
                    InvalidRule.TOO_LARGE,
                    "value must not nest deeper than " + MAX_NESTING
                            + " levels, nor hold names above " + MAX_NAME_CHARACTERS + " characters or strings above "
                            + MAX_STRING_BYTES + " bytes");
        } catch (IOException e) {
            throw new InvalidRequestException(InvalidRule.JSON, "value must be JSON: broken at byte " + position(e));
        }
    }

    /** Forgets the record before. */
    abstract void begin();

    /** Reads a field of this kind of record, at whose value the parser stands; returns false for an unused one. */
    abstract boolean read(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException;

    /**
     * Returns the contents, once all fields have been read.
     *
     * @param tokens below 0: not named
     */
    abstract T end(String agentId, double tokens, byte[] value) throws InvalidRequestException;

    private T readObject(JsonParser parser, byte[] value) throws IOException, InvalidRequestException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw new InvalidRequestException(InvalidRule.JSON, "value must be a JSON object");
        }
        agentId = null;
        tokens = -1;
        begin();
        boolean longStringsPossible = value.length > MAX_STRING_BYTES;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            var field = parser.currentName();
            var token = parser.nextToken();
            if (readShared(field, parser, token) || read(field, parser, token)) continue;
            if (longStringsPossible) skipMeasured(parser);
            else parser.skipChildren();
        }
        if (parser.nextToken() != null)
            throw new InvalidRequestException(InvalidRule.JSON, "value must end after the JSON object");
        if (agentId == null) throw new InvalidRequestException(InvalidRule.AGENT_ID, "agent_id is missing");
        return end(agentId, tokens, value);
    }

    /** Reads a field that all records have; returns false for any other. */
    private boolean readShared(String field, JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        if (field.equals("agent_id")) {
            once(agentId == null, field);
            agentId = agentId(parser, token);
        } else if (field.equals("tokens")) {
            once(tokens < 0, field);
            tokens = tokens(parser, token);
        } else {
            return false;
        }
        return true;
    }

    private static long position(IOException e) {
        return e instanceof com.fasterxml.jackson.core.JsonProcessingException json && json.getLocation() != null
                ? Math.max(0, json.getLocation().getByteOffset())
                : 0;
    }

    /** Jackson would guess UTF-16 and UTF-32, skip a byte order mark, and not check skipped strings. */
    private void checkEncoding(byte[] value) throws InvalidRequestException {
        if (isAsciiWithoutZeros(value)) return;
        boolean ascii = true;
        for (byte b : value) {
            if (b == 0)
                throw new InvalidRequestException(InvalidRule.ENCODING, "value must be UTF-8 without zero bytes");
            ascii &= b > 0;
        }
        if (ascii) return;
        if (value.length >= 3 && value[0] == (byte) 0xEF && value[1] == (byte) 0xBB && value[2] == (byte) 0xBF) {
            throw new InvalidRequestException(InvalidRule.ENCODING, "value must not begin with a byte order mark");
        }
        try {
            strictUtf8.decode(ByteBuffer.wrap(value));
        } catch (CharacterCodingException e) {
            throw new InvalidRequestException(InvalidRule.ENCODING, "value must be UTF-8");
        }
    }

    /**
     * Tests eight bytes at a time: subtracting one from each leaves its highest bit set if it was zero or above 127.
     */
    private static boolean isAsciiWithoutZeros(byte[] value) {
        int at = 0;
        for (; at <= value.length - Long.BYTES; at += Long.BYTES) {
            long eight = (long) EIGHT_BYTES.get(value, at);
            if (((eight | eight - 0x0101010101010101L) & 0x8080808080808080L) != 0) return false;
        }
        for (; at < value.length; at++) if (value[at] <= 0) return false;
        return true;
    }

    /** Skips a value, and refuses strings that are too long: Jackson measures only strings it converts. */
    private static void skipMeasured(JsonParser parser) throws IOException, InvalidRequestException {
        int depth = 0;
        do {
            var token = parser.currentToken();
            if (token == null) return;
            if (token.isStructStart()) depth++;
            if (token.isStructEnd()) depth--;
            long start = parser.currentTokenLocation().getByteOffset();
            parser.finishToken();
            if (parser.currentLocation().getByteOffset() - start > MAX_STRING_BYTES && token.isScalarValue()) {
                throw new InvalidRequestException(
                        InvalidRule.TOO_LARGE, "value must not hold strings above " + MAX_STRING_BYTES + " bytes");
            }
            if (depth > 0) parser.nextToken();
        } while (depth > 0);
    }

    static void once(boolean first, String field) throws InvalidRequestException {
        if (!first) throw new InvalidRequestException(InvalidRule.DUPLICATE_FIELD, field + " must not appear twice");
    }

    private static String agentId(JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        if (token != JsonToken.VALUE_STRING)
            throw new InvalidRequestException(InvalidRule.AGENT_ID, "agent_id must be a string");
        var text = parser.getText();
        var brokenRule = AgentId.brokenRule(text);
        if (brokenRule.isPresent())
            throw new InvalidRequestException(InvalidRule.AGENT_ID, "agent_id " + brokenRule.get());
        return text;
    }

    /** Returns a text that our records can carry. */
    static String text(String field, JsonParser parser, @Nullable JsonToken token, int mostBytes, InvalidRule rule)
            throws IOException, InvalidRequestException {
        if (token != JsonToken.VALUE_STRING) throw new InvalidRequestException(rule, field + " must be a string");
        var text = parser.getText();
        if (text.isEmpty()) throw new InvalidRequestException(rule, field + " must not be empty");
        boolean surelyFits = text.length() <= mostBytes / 3; // no character takes more than three bytes
        if (!surelyFits && text.getBytes(StandardCharsets.UTF_8).length > mostBytes) {
            throw new InvalidRequestException(rule, field + " must be at most " + mostBytes + " bytes of UTF-8");
        }
        // UTF-8 cannot express it, so no record could carry it.
        if (holdsLoneSurrogate(text)) {
            throw new InvalidRequestException(rule, field + " must not contain a lone surrogate");
        }
        return text;
    }

    private static boolean holdsLoneSurrogate(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) continue;
            boolean pair = i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1));
            if (!pair) return true;
            i++;
        }
        return false;
    }

    private static double tokens(JsonParser parser, @Nullable JsonToken token)
            throws IOException, InvalidRequestException {
        if (token != JsonToken.VALUE_NUMBER_INT && token != JsonToken.VALUE_NUMBER_FLOAT) {
            throw new InvalidRequestException(InvalidRule.TOKENS, "tokens must be a number");
        }
        if (parser.getTextLength() > MAX_NUMBER_CHARACTERS) {
            throw new InvalidRequestException(
                    InvalidRule.TOKENS, "tokens must have at most " + MAX_NUMBER_CHARACTERS + " digits");
        }
        // Never through BigDecimal, which would expand 1e999999999.
        double cost = Double.parseDouble(parser.getText());
        if (!(cost >= 0 && cost <= Limit.LARGEST)) {
            throw new InvalidRequestException(InvalidRule.TOKENS, "tokens must be a finite number from 0 to 1e12");
        }
        return cost + 0.0; // -0 is 0
    }
}
