package io.tollgate.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One instance as the API shows it.
 *
 * @param state as Kafka Streams names it, or {@code UNREACHABLE}; then the rest is empty
 * @param waitsFor why it is not ready; null if it is
 * @param timeZones the version of its time zone rules; null: older than limits of the calendar
 * @param lag by partition that runs here: records published, but not yet decided and committed; also empty while
 *     brokers do not answer
 * @param mostThrottled most first
 * @param history the last minutes, a second each; only if it was asked for
 * @param shadow what policies in shadow mode would have done here; only if it was asked for
 */
record InstanceJson(
        String instance,
        String state,
        boolean ready,
        @Nullable String waitsFor,
        @Nullable String version,
        @Nullable String timeZones,
        List<ThreadJson> threads,
        @Nullable RedisJson redis,
        RatesJson rates,
        LatencyJson decisionLatency,
        Map<String, Long> lag,
        List<ThrottledJson> mostThrottled,
        List<SecondJson> history,
        @JsonInclude(Include.NON_EMPTY) List<ShadowJson> shadow) {
    InstanceJson {
        if (shadow == null) shadow = List.of(); // left out
    }

    /** @param tasks by name, such as {@code 0_3}: sub-topology and partition */
    record ThreadJson(String name, String state, List<String> tasks) {}

    /**
     * @param state {@code in_use}, {@code away} (or slow: the breaker is open), or {@code not_configured}
     * @param breaker {@code closed}, {@code open}, {@code none}
     */
    record RedisJson(String state, String breaker, @Nullable Instant since) {
        static final RedisJson NOT_CONFIGURED = new RedisJson("not_configured", "none", null);
    }

    /** Decisions in the last second. */
    record RatesJson(double approvedPerSecond, double rejectedPerSecond, double redisPerSecond, double localPerSecond) {
        static final RatesJson NONE = new RatesJson(0, 0, 0, 0);

        RatesJson plus(RatesJson other) {
            return new RatesJson(
                    approvedPerSecond + other.approvedPerSecond,
                    rejectedPerSecond + other.rejectedPerSecond,
                    redisPerSecond + other.redisPerSecond,
                    localPerSecond + other.localPerSecond);
        }
    }

    /** @param rejections at least so many within the last one to two minutes */
    record ThrottledJson(String agentId, long rejections) {}

    /**
     * @param second since the epoch
     * @param redis its state then; null: an instance that is older
     */
    record SecondJson(
            long second, RatesJson rates, @Nullable String redis) {}

    /** @param policy as in the header {@code quota-policy} */
    record ShadowJson(String policy, long requests, long wouldRefuse, Instant since) {
        ShadowJson plus(ShadowJson other) {
            return new ShadowJson(
                    policy,
                    requests + other.requests,
                    wouldRefuse + other.wouldRefuse,
                    since.isBefore(other.since) ? since : other.since);
        }
    }

    static InstanceJson unreachable(String instance) {
        return new InstanceJson(
                instance,
                "UNREACHABLE",
                false,
                "an answer",
                null,
                null,
                List.of(),
                null,
                RatesJson.NONE,
                LatencyJson.NONE,
                Map.of(),
                List.of(),
                List.of(),
                List.of());
    }
}
