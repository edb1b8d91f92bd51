package io.tollgate.verify;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.verify.PromisedTerms.PolicyMode;
import io.tollgate.verify.PromisedTerms.PromisedHolds;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the policy that a header {@code quota-policy} names.
 *
 * <p>A policy that was compacted away, or cannot be read, is unknown; decisions under it are never violations.
 */
final class PolicyRecords {
    private static final String DEFAULT = "default";
    /** The most by which the clocks of authors of policies may be ahead. */
    private static final long GRACE_MICROS = 10_000_000;

    private final Map<String, PromisedTerms> byHeader = new HashMap<>();
    /** The time of each policy's record, by the name in the header. */
    private final Map<String, Long> writtenMicros = new HashMap<>();

    private final PolicyTimeline timeline = new PolicyTimeline();
    private final RateTimeline rates = new RateTimeline();

    PolicyRecords(double defaultCapacityTokens, double defaultRefillTokensPerSecond) {
        byHeader.put(
                DEFAULT,
                single(new PromisedLimit("", defaultCapacityTokens, defaultRefillTokensPerSecond), PolicyMode.ENFORCE));
    }

    void add(TopicRecord policy) {
        timeline.add(policy);
        PromisedTerms terms = policy.value() == null ? null : read(policy.value());
        rates.add(policy, terms);
        if (policy.key() == null) return;
        String key = new String(policy.key(), StandardCharsets.UTF_8);
        if (terms == null) return;
        String header = key + "@" + policy.partition() + "/" + policy.offset();
        byHeader.put(header, terms);
        writtenMicros.put(header, policy.timestampMillis() * 1000);
    }

    /**
     * Returns the policy that applied, or null if it is unknown. A recreated topic uses names again, so a policy
     * written after it was applied is another one.
     */
    @Nullable
    PromisedTerms terms(String header, long appliedMicros) {
        return writtenMicros.getOrDefault(header, 0L) > appliedMicros + GRACE_MICROS ? null : byHeader.get(header);
    }

    /**
     * Returns why the policy of this name cannot have applied to the agent then; null if nothing is known against it.
     */
    @Nullable
    String objection(String agentId, String header, long atMicros) {
        if (isDefault(header)) return timeline.objection(agentId, null, -1, atMicros);
        int at = header.lastIndexOf('@');
        if (at < 0) return null; // no legal name, which is a violation of its own
        long offset = Long.parseLong(header.substring(header.lastIndexOf('/') + 1));
        return timeline.objection(agentId, header.substring(0, at), offset, atMicros);
    }

    /** Returns the rates at which the agent's buckets may have filled. */
    RateTimeline.AgentRates rates(String agentId) {
        return rates.of(agentId);
    }

    PromisedTerms byDefault() {
        return single(defaultLimit(), PolicyMode.ENFORCE);
    }

    /**
     * Widens the default to cover a rejection decided by it: the pipeline may have had another default before, and the
     * topics do not show when it changed.
     *
     * @return whether the default had to change
     */
    boolean widenDefault(double capacityTokens, double refillTokensPerSecond) {
        PromisedLimit now = defaultLimit();
        var wide = new PromisedLimit(
                "",
                Math.max(now.capacityTokens(), capacityTokens),
                Math.max(now.refillTokensPerSecond(), refillTokensPerSecond));
        byHeader.put(DEFAULT, single(wide, PolicyMode.ENFORCE));
        return !wide.equals(now);
    }

    static boolean isDefault(String header) {
        return header.equals(DEFAULT);
    }

    private PromisedLimit defaultLimit() {
        PromisedTerms terms = byHeader.get(DEFAULT);
        if (terms == null) throw new IllegalStateException("the constructor sets the default");
        return terms.limits().get(0);
    }

    private static PromisedTerms single(PromisedLimit limit, PolicyMode mode) {
        return new PromisedTerms(List.of(limit), mode);
    }

    private static @Nullable PromisedTerms read(byte[] value) {
        try {
            JsonNode policy = PolicyTimeline.JSON.readTree(value);
            PolicyMode mode = switch (policy.path("mode").asText("enforce")) {
                case "enforce" -> PolicyMode.ENFORCE;
                case "shadow" -> PolicyMode.SHADOW;
                case "off" -> PolicyMode.OFF;
                default -> null;
            };
            List<PromisedLimit> limits = new ArrayList<>();
            if (policy.path("limits").isArray()) {
                for (JsonNode limit : policy.path("limits"))
                    limits.add(limit(limit.path("name").asText(""), limit));
            } else {
                limits.add(limit("", policy));
            }
            PromisedHolds holds = holds(policy.path("holds"));
            return mode == null || holds == null || limits.isEmpty() || limits.contains(null)
                    ? null
                    : new PromisedTerms(limits, mode, holds);
        } catch (IOException malformed) {
            return null;
        }
    }

    private static @Nullable PromisedHolds holds(JsonNode node) {
        if (node.isMissingNode()) return PromisedHolds.DEFAULT;
        JsonNode within = node.path("within_s");
        JsonNode maxOpen = node.path("max_open");
        Boolean returned = switch (node.path("unsettled").asText("charged")) {
            case "charged" -> false;
            case "returned" -> true;
            default -> null;
        };
        if (!node.isObject() || returned == null) return null;
        return new PromisedHolds(
                within.isNumber() ? Math.round(within.doubleValue() * 1e6) : PromisedHolds.DEFAULT.withinMicros(),
                returned,
                maxOpen.isNumber() ? maxOpen.intValue() : PromisedHolds.DEFAULT.maxOpen());
    }

    private static @Nullable PromisedLimit limit(String name, JsonNode node) {
        JsonNode capacity = node.path("capacity");
        JsonNode refillRate = node.path("refill_rate");
        if (!capacity.isNumber() || refillRate.isNumber() == node.has("period")) return null;
        if (refillRate.isNumber()) return new PromisedLimit(name, capacity.doubleValue(), refillRate.doubleValue());
        PeriodStarts periods =
                PeriodStarts.of(node.path("period").asText(), node.path("zone").asText("UTC"));
        return periods == null ? null : new PromisedLimit(name, capacity.doubleValue(), 0, periods);
    }
}
