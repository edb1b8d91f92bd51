package io.tollgate.policy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Terms;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads and writes policies as {@code schemas/agent-quota.schema.json} describes them. Thread-safe. */
public final class PolicyJson {
    /** The largest policy, in bytes: eight limits and a note of 1000 characters need 14 000 at most. */
    public static final int MAX_BYTES = 65_536;

    private static final int MAX_NESTING = 10;
    private static final int MAX_NOTE_CHARACTERS = 1000;
    private static final int MAX_NUMBER_CHARACTERS = 1000;
    private static final int MAX_ECHOED = 60;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxNumberLength(MAX_BYTES)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            // An error message must not show the value.
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();

    /** The names of the periods, for messages. */
    public static final String PERIODS = LimitFields.periods();

    private PolicyJson() {}

    /** Returns a question that suggests the nearest zone; empty if none is near. */
    public static String zoneMeant(String unknown) {
        return LimitFields.meant(unknown);
    }

    /**
     * Returns the policy in these bytes.
     *
     * @throws InvalidPolicyException if they are not a policy; its message names field and rule, and echoes at most
     *     100 characters
     */
    public static PolicyDocument parse(byte[] value) throws InvalidPolicyException {
        if (value.length == 0) throw new InvalidPolicyException("value must be a JSON object, but is empty");
        if (value.length > MAX_BYTES) {
            throw new InvalidPolicyException(
                    "value must have at most " + MAX_BYTES + " bytes, but has " + value.length);
        }
        try (var json = JSON.createParser(decode(value))) {
            return document(json);
        } catch (StreamConstraintsException e) {
            throw new InvalidPolicyException("value must not nest deeper than " + MAX_NESTING + " levels");
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            var location = e.getLocation();
            throw new InvalidPolicyException("value must be JSON: broken at character "
                    + (location == null ? 0 : Math.max(0, location.getCharOffset())));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }

    /** Jackson would guess UTF-16 and UTF-32, and skip a byte order mark. */
    private static String decode(byte[] value) throws InvalidPolicyException {
        try {
            var text = StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(value))
                    .toString();
            if (text.startsWith("\uFEFF")) {
                throw new InvalidPolicyException("value must not begin with a byte order mark");
            }
            return text;
        } catch (CharacterCodingException e) {
            throw new InvalidPolicyException("value must be UTF-8");
        }
    }

    private static PolicyDocument document(JsonParser json) throws IOException, InvalidPolicyException {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw new InvalidPolicyException("value must be a JSON object");
        }
        var seen = new HashSet<String>();
        var fields = new LimitFields("");
        Mode mode = Mode.ENFORCE;
        List<NamedLimit> limits = null;
        HoldRules holds = null;
        String note = null;
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var field = once(seen, json.currentName(), "");
            var token = json.nextToken();
            switch (field) {
                case "capacity" -> fields.capacity(capacity(json, token, field));
                case "refill_rate" -> fields.refillRate(refillRate(json, token, field));
                case "period" -> fields.period(text(json, token, field));
                case "zone" -> fields.zone(text(json, token, field));
                case "mode" -> mode = mode(json, token);
                case "limits" -> limits = limits(json, token);
                case "holds" -> holds = holds(json, token);
                case "note" -> note = note(json, token);
                default -> throw unknown("", field, LimitFields.NAMES + ", mode, limits, holds, note");
            }
        }
        if (json.nextToken() != null) throw new InvalidPolicyException("value must end after the JSON object");
        if (limits != null) {
            if (!fields.isEmpty()) {
                throw new InvalidPolicyException("limits must not stand beside capacity, refill_rate, period or zone");
            }
        } else {
            limits = List.of(NamedLimit.only(fields.limit()));
        }
        return new PolicyDocument(mode, limits, Optional.ofNullable(holds), Optional.ofNullable(note));
    }

    private static String once(Set<String> seen, String field, String prefix) throws InvalidPolicyException {
        if (!seen.add(field)) throw new InvalidPolicyException(prefix + shown(field) + " must not appear twice");
        return field;
    }

    private static InvalidPolicyException unknown(String prefix, String field, String known) {
        return new InvalidPolicyException(prefix + shown(field) + " is not a field of a policy; there are " + known);
    }

    private static double capacity(JsonParser json, @Nullable JsonToken token, String field)
            throws IOException, InvalidPolicyException {
        double capacity = number(json, token, field);
        if (!(capacity > 0 && capacity <= Limit.LARGEST)) {
            throw new InvalidPolicyException(field + " must be above 0 and at most 1e12");
        }
        return capacity;
    }

    private static double refillRate(JsonParser json, @Nullable JsonToken token, String field)
            throws IOException, InvalidPolicyException {
        double rate = number(json, token, field);
        if (!(rate >= 0 && rate <= Limit.LARGEST)) {
            throw new InvalidPolicyException(field + " must be from 0 to 1e12");
        }
        return rate + 0.0; // -0 is 0
    }

    private static double number(JsonParser json, @Nullable JsonToken token, String field)
            throws IOException, InvalidPolicyException {
        if (token != JsonToken.VALUE_NUMBER_INT && token != JsonToken.VALUE_NUMBER_FLOAT) {
            throw new InvalidPolicyException(field + " must be a number");
        }
        if (json.getTextLength() > MAX_NUMBER_CHARACTERS) {
            throw new InvalidPolicyException(field + " must have at most " + MAX_NUMBER_CHARACTERS + " digits");
        }
        return Double.parseDouble(json.getText()); // never through BigDecimal, which would expand 1e999999999
    }

    private static Mode mode(JsonParser json, @Nullable JsonToken token) throws IOException, InvalidPolicyException {
        var mode = token == JsonToken.VALUE_STRING ? Mode.of(json.getText()) : Optional.<Mode>empty();
        return mode.orElseThrow(() -> new InvalidPolicyException("mode must be enforce, shadow or off"));
    }

    private static HoldRules holds(JsonParser json, @Nullable JsonToken token)
            throws IOException, InvalidPolicyException {
        if (token != JsonToken.START_OBJECT) throw new InvalidPolicyException("holds must be an object");
        var seen = new HashSet<String>();
        int withinSeconds = HoldRules.DEFAULT.withinSeconds();
        var unsettled = HoldRules.DEFAULT.unsettled();
        int maxOpen = HoldRules.DEFAULT.maxOpen();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var field = once(seen, json.currentName(), "holds.");
            var value = json.nextToken();
            switch (field) {
                case "within_s" -> withinSeconds = whole(json, value, "holds.within_s", HoldRules.LONGEST_SECONDS);
                case "unsettled" -> unsettled = unsettled(json, value);
                case "max_open" -> maxOpen = whole(json, value, "holds.max_open", HoldRules.MOST_OPEN);
                default -> throw unknown("holds.", field, "within_s, unsettled, max_open");
            }
        }
        return new HoldRules(withinSeconds, unsettled, maxOpen);
    }

    private static int whole(JsonParser json, @Nullable JsonToken token, String field, int most)
            throws IOException, InvalidPolicyException {
        double number = number(json, token, field);
        if (!(number >= 1 && number <= most) || number != Math.rint(number)) {
            throw new InvalidPolicyException(field + " must be a whole number from 1 to " + most);
        }
        return (int) number;
    }

    private static Unsettled unsettled(JsonParser json, @Nullable JsonToken token)
            throws IOException, InvalidPolicyException {
        var unsettled = token == JsonToken.VALUE_STRING ? Unsettled.of(json.getText()) : Optional.<Unsettled>empty();
        return unsettled.orElseThrow(() -> new InvalidPolicyException("holds.unsettled must be charged or returned"));
    }

    private static String note(JsonParser json, @Nullable JsonToken token) throws IOException, InvalidPolicyException {
        if (token != JsonToken.VALUE_STRING) throw new InvalidPolicyException("note must be a string");
        var note = json.getText();
        if (note.codePointCount(0, note.length()) > MAX_NOTE_CHARACTERS) {
            throw new InvalidPolicyException("note must have at most " + MAX_NOTE_CHARACTERS + " characters");
        }
        // UTF-8 cannot express it, so it could not be written back.
        if (note.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            throw new InvalidPolicyException("note must not contain a lone surrogate");
        }
        return note;
    }

    private static List<NamedLimit> limits(JsonParser json, @Nullable JsonToken token)
            throws IOException, InvalidPolicyException {
        if (token != JsonToken.START_ARRAY) throw new InvalidPolicyException("limits must be an array");
        var limits = new ArrayList<NamedLimit>();
        var names = new HashSet<String>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            var prefix = "limits[" + limits.size() + "].";
            if (limits.size() == Terms.MAX_LIMITS) {
                throw new InvalidPolicyException("limits must be at most " + Terms.MAX_LIMITS);
            }
            if (json.currentToken() != JsonToken.START_OBJECT) {
                throw new InvalidPolicyException("limits[" + limits.size() + "] must be an object");
            }
            var limit = namedLimit(json, prefix);
            if (!names.add(limit.name())) {
                throw new InvalidPolicyException(prefix + "name must not appear twice: " + limit.name());
            }
            limits.add(limit);
        }
        if (limits.isEmpty()) throw new InvalidPolicyException("limits must not be empty");
        return limits;
    }

    private static NamedLimit namedLimit(JsonParser json, String prefix) throws IOException, InvalidPolicyException {
        var seen = new HashSet<String>();
        String name = null;
        var fields = new LimitFields(prefix);
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var field = once(seen, json.currentName(), prefix);
            var token = json.nextToken();
            switch (field) {
                case "name" -> name = name(json, token, prefix);
                case "capacity" -> fields.capacity(capacity(json, token, prefix + field));
                case "refill_rate" -> fields.refillRate(refillRate(json, token, prefix + field));
                case "period" -> fields.period(text(json, token, prefix + field));
                case "zone" -> fields.zone(text(json, token, prefix + field));
                default -> throw unknown(prefix, field, "name, " + LimitFields.NAMES);
            }
        }
        if (name == null) throw new InvalidPolicyException(prefix + "name is missing");
        return new NamedLimit(name, fields.limit());
    }

    private static String text(JsonParser json, @Nullable JsonToken token, String field)
            throws IOException, InvalidPolicyException {
        if (token != JsonToken.VALUE_STRING) throw new InvalidPolicyException(field + " must be a string");
        return json.getText();
    }

    private static String name(JsonParser json, @Nullable JsonToken token, String prefix)
            throws IOException, InvalidPolicyException {
        var name = text(json, token, prefix + "name");
        if (!NamedLimit.isLegal(name)) {
            throw new InvalidPolicyException(prefix + "name must be 1 to " + NamedLimit.MAX_NAME
                    + " lower case letters, digits, - and _, and begin with a letter or digit");
        }
        return name;
    }

    private static String shown(String field) {
        var plain = field.replaceAll("[^\\x20-\\x7e]", "?");
        return plain.length() <= MAX_ECHOED ? plain : plain.substring(0, MAX_ECHOED) + "…";
    }

    /** Returns the policy's canonical JSON, which {@link #parse} reads back. */
    public static byte[] write(PolicyDocument policy) {
        var bytes = new ByteArrayOutputStream(128);
        try (var json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            var first = policy.limits().get(0);
            if (first.name().isEmpty()) {
                limit(json, first.limit());
            } else {
                json.writeArrayFieldStart("limits");
                for (var limit : policy.limits()) {
                    json.writeStartObject();
                    json.writeStringField("name", limit.name());
                    limit(json, limit.limit());
                    json.writeEndObject();
                }
                json.writeEndArray();
            }
            json.writeStringField("mode", policy.mode().text());
            if (policy.holds().isPresent()) holds(json, policy.holds().get());
            if (policy.note().isPresent()) {
                json.writeStringField("note", policy.note().get());
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        return bytes.toByteArray();
    }

    private static void limit(JsonGenerator json, Limit limit) throws IOException {
        number(json, "capacity", limit.capacityTokens());
        if (limit.refill() instanceof CalendarRefill calendar) {
            json.writeStringField("period", calendar.period().text());
            json.writeStringField("zone", calendar.zone().getId());
        } else {
            number(json, "refill_rate", limit.refillTokensPerSecond());
        }
    }

    private static void holds(JsonGenerator json, HoldRules holds) throws IOException {
        json.writeObjectFieldStart("holds");
        json.writeNumberField("within_s", holds.withinSeconds());
        json.writeStringField("unsettled", holds.unsettled().text());
        json.writeNumberField("max_open", holds.maxOpen());
        json.writeEndObject();
    }

    private static void number(JsonGenerator json, String field, double value) throws IOException {
        if (value == Math.rint(value)) json.writeNumberField(field, (long) value);
        else json.writeNumberField(field, value);
    }
}
