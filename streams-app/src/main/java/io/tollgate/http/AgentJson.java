package io.tollgate.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.Hold;
import io.tollgate.quota.AgentView;
import io.tollgate.quota.RecentDecision;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** An agent as the API shows it. */
record AgentJson(
        String agentId,
        boolean known,
        BucketJson bucket,
        AppliedPolicyJson policy,
        int openHolds,
        List<HoldJson> holds,
        List<DecisionJson> recentDecisions,
        String instance) {
    /**
     * What a limit promises.
     *
     * @param period at whose start the bucket is full; null if it refills steadily
     */
    @JsonInclude(Include.NON_NULL)
    record TermsJson(
            double capacity,
            double refillRate,
            @Nullable String period,
            @Nullable String zone) {
        static TermsJson of(Limit limit) {
            var calendar = limit.refill() instanceof CalendarRefill each ? each : null;
            return new TermsJson(
                    limit.capacityTokens(),
                    limit.refillTokensPerSecond(),
                    calendar == null ? null : calendar.period().text(),
                    calendar == null ? null : calendar.zone().getId());
        }
    }

    /**
     * The bucket now.
     *
     * @param tokens of the first limit, which other programs share; so are its terms
     * @param timeToFullMs of all limits; null if one never fills
     * @param limits null if there is only one
     */
    record BucketJson(
            double tokens,
            @JsonUnwrapped TermsJson terms,
            @Nullable Long timeToFullMs,
            String readFrom,
            Instant readAt,
            @JsonInclude(Include.NON_NULL) @Nullable List<LimitJson> limits) {}

    /** One of several limits; {@code tokens} is null in a policy. */
    @JsonInclude(Include.NON_NULL)
    record LimitJson(
            String name,
            @Nullable Double tokens,
            @JsonUnwrapped TermsJson terms) {}

    /**
     * The policy in force.
     *
     * @param name as in the header {@code quota-policy}
     * @param terms of the first limit
     * @param limits null if there is only one
     */
    @JsonInclude(Include.NON_NULL)
    record AppliedPolicyJson(
            String name,
            String mode,
            @JsonUnwrapped TermsJson terms,
            @Nullable List<LimitJson> limits) {}

    /**
     * What an approved request has reserved, until it is settled.
     *
     * @param hold its name, what {@code quota-source} says of the request
     */
    @JsonInclude(Include.NON_NULL)
    record HoldJson(
            String hold,
            double reserved,
            Instant openedAt,
            Instant deadline,
            @Nullable String requestId) {
        static HoldJson of(Hold hold) {
            return new HoldJson(
                    hold.name(),
                    hold.reservedTokens(),
                    instant(hold.openedMicros()),
                    instant(hold.deadlineMicros()),
                    hold.requestId().orElse(null));
        }
    }

    /**
     * One of the agent's last decisions.
     *
     * @param reason null if approved, unless a shadow policy would have refused
     * @param source as in the header {@code quota-source}; null for a stray
     */
    @JsonInclude(Include.NON_NULL)
    record DecisionJson(
            Instant decidedAt,
            String decision,
            @Nullable String reason,
            double tokens,
            double remaining,
            String decidedBy,
            @Nullable Long retryAfterMs,
            @Nullable String source) {
        static DecisionJson of(RecentDecision recent) {
            var decision = recent.decision();
            String reason = null;
            Long retryAfterMs = null;
            if (decision instanceof Decision.QuotaExceeded exceeded) {
                reason = "quota_exceeded";
                retryAfterMs = exceeded.retryAfter().map(Duration::toMillis).orElse(null);
            } else if (decision instanceof Decision.CostExceedsCapacity) {
                reason = "cost_exceeds_capacity";
            } else if (decision instanceof Decision.TooManyOpenHolds) {
                reason = "too_many_open_holds";
            }
            boolean approved = decision.isApproved() || !recent.enforced();
            if (approved && reason != null) reason = "shadow:" + reason;
            return new DecisionJson(
                    instant(decision.decidedAtMicros()),
                    approved ? "approved" : "rejected",
                    reason,
                    recent.costTokens(),
                    decision.remainingTokens(),
                    decision.decidedBy().text(),
                    retryAfterMs,
                    recent.source().orElse(null));
        }
    }

    static AgentJson of(String agentId, AgentView view, String instance) {
        var terms = TermsJson.of(view.policy().limit());
        boolean several = view.policy().limits().size() > 1;
        var bucket = new BucketJson(
                view.buckets().first().tokens(),
                terms,
                millisToFull(view),
                view.readFrom().text(),
                instant(view.nowMicros()),
                several ? limits(view, true) : null);
        var policy = new AppliedPolicyJson(
                view.policy().name(), view.policy().mode().text(), terms, several ? limits(view, false) : null);
        var recent = view.recent().stream().map(DecisionJson::of).toList();
        var holds = view.holds().stream().map(HoldJson::of).toList();
        return new AgentJson(agentId, view.known(), bucket, policy, view.openHolds(), holds, recent, instance);
    }

    private static List<LimitJson> limits(AgentView view, boolean withTokens) {
        return IntStream.range(0, view.policy().limits().size())
                .mapToObj(i -> {
                    var named = view.policy().limits().get(i);
                    var tokens = withTokens ? view.buckets().buckets().get(i).tokens() : null;
                    return new LimitJson(named.name(), tokens, TermsJson.of(named.limit()));
                })
                .toList();
    }

    private static @Nullable Long millisToFull(AgentView view) {
        double longest = 0;
        double nowSeconds = TokenBucket.seconds(view.nowMicros());
        for (int i = 0; i < view.policy().limits().size(); i++) {
            var limit = view.policy().limits().get(i).limit();
            double missing =
                    limit.capacityTokens() - view.buckets().buckets().get(i).tokens();
            if (missing > 0) longest = Math.max(longest, Math.ceil(limit.waitSeconds(missing, nowSeconds) * 1000));
        }
        return longest < 9e15 ? (long) longest : null;
    }

    private static Instant instant(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }
}
