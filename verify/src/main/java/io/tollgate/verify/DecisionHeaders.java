package io.tollgate.verify;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The pipeline's own headers of one decided record, and their problems. */
final class DecisionHeaders {
    static final String DECISION = "quota-decision";
    static final String REASON = "quota-reason";
    static final String REMAINING = "quota-remaining";
    static final String DECIDED_BY = "quota-decided-by";
    static final String DECIDED_AT = "quota-decided-at";
    static final String POLICY = "quota-policy";
    static final String LIMIT = "quota-limit";
    static final String SOURCE = "quota-source";
    static final String TIMESTAMP = "quota-timestamp";
    static final String HOLD = "quota-hold";
    static final String OUTCOME = "quota-outcome";

    private static final Set<String> KNOWN =
            Set.of(DECISION, REASON, REMAINING, DECIDED_BY, DECIDED_AT, POLICY, LIMIT, SOURCE, TIMESTAMP, HOLD);
    private static final Set<String> OF_INVALID = Set.of(DECISION, REASON, SOURCE);
    private static final Pattern SOURCE_FORMAT = Pattern.compile("([a-zA-Z0-9._-]+)/([0-9]{1,9})/([0-9]{1,18})");
    private static final Pattern POLICY_FORMAT = Pattern.compile("default|(.+)@[0-9]{1,9}/[0-9]{1,18}", Pattern.DOTALL);
    private static final Pattern DECIMAL = Pattern.compile("-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?");

    private final Map<String, String> values = new HashMap<>();
    private final Set<String> problems = new LinkedHashSet<>();

    /** The request that a decided record answers. */
    record RequestPosition(String topic, int partition, long offset) {}

    DecisionHeaders(List<HeaderField> headers) {
        for (HeaderField header : headers) {
            if (!header.isQuota()) continue;
            if (!KNOWN.contains(header.name())) {
                problems.add("carries the forged header " + Text.shorten(header.name()));
            } else if (header.value() == null) {
                problems.add("header " + header.name() + " has no value");
            } else if (values.put(header.name(), new String(header.value(), StandardCharsets.UTF_8)) != null) {
                problems.add("header " + header.name() + " is there twice");
            }
        }
    }

    /** Returns the problems so far; the other methods add to them. */
    Set<String> problems() {
        return problems;
    }

    @Nullable
    String get(String name) {
        return values.get(name);
    }

    /** Returns the source, or null without a readable one. */
    @Nullable
    RequestPosition source() {
        return source(values.getOrDefault(SOURCE, ""));
    }

    /** Returns the source that the text names, or null if it names none. */
    static @Nullable RequestPosition source(String text) {
        Matcher matcher = SOURCE_FORMAT.matcher(text);
        if (!matcher.matches()) return null;
        return new RequestPosition(
                matcher.group(1), Integer.parseInt(matcher.group(2)), Long.parseLong(matcher.group(3)));
    }

    double remaining() {
        String text = values.getOrDefault(REMAINING, "");
        double remaining = DECIMAL.matcher(text).matches() ? Double.parseDouble(text) : Double.NaN;
        if (!Double.isFinite(remaining)) wrong(REMAINING, "a decimal number");
        return remaining;
    }

    boolean local() {
        String by = values.getOrDefault(DECIDED_BY, "");
        if (!by.equals("redis") && !by.equals("local")) wrong(DECIDED_BY, "redis or local");
        return by.equals("local");
    }

    long decidedAtMicros() {
        String text = values.getOrDefault(DECIDED_AT, "");
        if (text.matches("[0-9]{1,18}")) return Long.parseLong(text);
        wrong(DECIDED_AT, "epoch microseconds");
        return -1;
    }

    String policy(String agentId) {
        String text = values.getOrDefault(POLICY, "");
        Matcher matcher = POLICY_FORMAT.matcher(text);
        if (!matcher.matches() || matcher.group(1) != null && !isFor(agentId, matcher.group(1)))
            wrong(POLICY, "default, or the key, partition and offset of a policy of this agent");
        return text;
    }

    /** Returns whether a policy with this key may apply to the agent: its own, or that of a prefix of its id. */
    private static boolean isFor(String agentId, String key) {
        return key.equals(agentId) || key.endsWith("*") && agentId.startsWith(key.substring(0, key.length() - 1));
    }

    void requireDecision(String decision) {
        if (!decision.equals(values.get(DECISION))) wrong(DECISION, decision);
    }

    void requireOnlyThoseOfInvalid() {
        for (String name : values.keySet())
            if (!OF_INVALID.contains(name)) problems.add("an invalid request must not have header " + name);
    }

    void wrong(String name, String rule) {
        String value = values.get(name);
        problems.add("header " + name
                + (value == null ? " is missing" : " must be " + rule + ", but is \"" + Text.shorten(value) + "\""));
    }
}
