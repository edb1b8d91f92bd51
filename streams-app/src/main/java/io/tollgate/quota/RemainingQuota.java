package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.NamedLimit;
import java.util.Collections;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/** The rest of one of an agent's limits. Immutable. */
public record RemainingQuota(NamedLimit limit, double tokens) {
    private static final Comparator<NamedLimit> BY_CAPACITY =
            Comparator.comparingDouble(named -> named.limit().capacityTokens());

    /** Returns the part of its capacity that is left, from 0 to 1. */
    public double share() {
        return tokens / limit.limit().capacityTokens();
    }

    /**
     * Returns the rest of the limit that a decision is about: the one that refused, else the one with the smallest
     * share left.
     *
     * @param buckets the agent's buckets after the decision's call; null or of other terms if unknown, as after a
     *     crash: then the smallest limit is assumed to hold the fewest tokens
     */
    public static RemainingQuota of(Decision decision, @Nullable AgentBuckets buckets) {
        double fewest = decision.remainingTokens();
        if (decision instanceof Decision.Refused refused) return new RemainingQuota(refused.refusedBy(), fewest);
        var limits = decision.terms().limits();
        if (limits.size() == 1) return new RemainingQuota(limits.get(0), fewest);
        if (buckets == null || !decision.terms().equals(buckets.terms())) {
            return new RemainingQuota(Collections.min(limits, BY_CAPACITY), fewest);
        }
        var scarcest = new RemainingQuota(limits.get(0), Double.POSITIVE_INFINITY);
        for (int i = 0; i < limits.size(); i++) {
            // Within a call each approval costs every limit the same, so the difference between two limits stays the
            // same.
            double more = buckets.buckets().get(i).tokens() - buckets.leastTokens();
            var left = new RemainingQuota(limits.get(i), fewest + more);
            if (left.share() < scarcest.share()) scarcest = left;
        }
        return scarcest;
    }
}
