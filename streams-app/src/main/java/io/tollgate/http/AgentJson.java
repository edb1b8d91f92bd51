package io.tollgate.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.quota.AgentView;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** An agent, as the API shows it. */
record AgentJson(
        String agentId, BucketJson bucket, PolicyJson policy, List<DecisionJson> recentDecisions, String instance) {
    /**
     * The bucket now.
     *
     * @param timeToFullMs null if it never fills
     */
    record BucketJson(
            double tokens,
            double capacity,
            double refillRate,
            @Nullable Long timeToFullMs,
            String readFrom,
            Instant readAt) {}

    /** @param name as in the header {@code quota-policy} */
    record PolicyJson(String name, String mode, double capacity, double refillRate) {}

    /** @param reason null if approved */
    @JsonInclude(Include.NON_NULL)
    record DecisionJson(
            Instant decidedAt,
            String decision,
            @Nullable String reason,
            double tokens,
            double remaining,
            String decidedBy,
            @Nullable Long retryAfterMs) {
        static DecisionJson of(double costTokens, Decision decision) {
            String reason = null;
            Long retryAfterMs = null;
            if (decision instanceof Decision.QuotaExceeded exceeded) {
                reason = "quota_exceeded";
                if (!exceeded.retryAfter().equals(Decision.NEVER)) {
                    retryAfterMs = exceeded.retryAfter().toMillis();
                }
            } else if (decision instanceof Decision.CostExceedsCapacity) {
                reason = "cost_exceeds_capacity";
            }
            return new DecisionJson(
                    instant(decision.decidedAtMicros()),
                    decision.isApproved() ? "approved" : "rejected",
                    reason,
                    costTokens,
                    decision.remainingTokens(),
                    decision.decidedBy().text(),
                    retryAfterMs);
        }
    }

    static AgentJson of(String agentId, AgentView view, String instance) {
        var limit = view.policy().limit();
        double tokens = view.bucket().tokens();
        var bucket = new BucketJson(
                tokens,
                limit.capacityTokens(),
                limit.refillTokensPerSecond(),
                millisToFull(tokens, limit),
                view.readFrom().text(),
                instant(view.nowMicros()));
        var policy = new PolicyJson(
                view.policy().name(),
                view.policy().mode().text(),
                limit.capacityTokens(),
                limit.refillTokensPerSecond());
        var recent = view.recent().stream()
                .map(one -> DecisionJson.of(one.costTokens(), one.decision()))
                .toList();
        return new AgentJson(agentId, bucket, policy, recent, instance);
    }

    private static @Nullable Long millisToFull(double tokens, Limit limit) {
        double missing = limit.capacityTokens() - tokens;
        if (missing <= 0) return 0L;
        double millis = Math.ceil(missing / limit.refillTokensPerSecond() * 1000);
        return millis < 9e15 ? (long) millis : null;
    }

    private static Instant instant(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }
}
