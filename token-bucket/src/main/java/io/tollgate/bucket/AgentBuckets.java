package io.tollgate.bucket;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An agent's buckets, one for each limit, and the terms they were left under: they refill by these since
 * then. Immutable.
 *
 * @param terms null if unknown; then there is one bucket, and the time before counts by the present terms
 */
public record AgentBuckets(@Nullable Terms terms, List<Bucket> buckets) {
    /** @throws IllegalArgumentException if there is not one bucket for each limit */
    public AgentBuckets {
        buckets = List.copyOf(buckets);
        if (buckets.size() != (terms == null ? 1 : terms.limits().size())) {
            throw new IllegalArgumentException("there is one bucket for each limit, but there are " + buckets.size());
        }
    }

    /** Returns one bucket, with unknown terms. */
    public static AgentBuckets of(Bucket bucket) {
        return new AgentBuckets(null, List.of(bucket));
    }

    /** Returns full buckets. Absent buckets are full as well. */
    public static AgentBuckets full(Terms terms, double nowSeconds) {
        var buckets = new Bucket[terms.limits().size()];
        for (int i = 0; i < buckets.length; i++) {
            buckets[i] = Bucket.full(terms.limits().get(i).limit(), nowSeconds);
        }
        return new AgentBuckets(terms, List.of(buckets));
    }

    /** Returns the bucket of the first limit, which other programs share. */
    public Bucket first() {
        return buckets.get(0);
    }

    /** Returns the fewest tokens left in any bucket: the most the agent can spend at once. */
    public double leastTokens() {
        double least = first().tokens();
        for (int i = 1; i < buckets.size(); i++) {
            double tokens = buckets.get(i).tokens();
            if (tokens < least) least = tokens;
        }
        return least;
    }

    /** Returns these with no more tokens for any limit than others of the same terms hold. */
    public AgentBuckets atMost(AgentBuckets others) {
        var smaller = new Bucket[buckets.size()];
        for (int i = 0; i < smaller.length; i++) {
            var bucket = buckets.get(i);
            double most = others.buckets.get(i).tokens();
            smaller[i] = most < bucket.tokens() ? new Bucket(most, bucket.lastRefillSeconds()) : bucket;
        }
        return new AgentBuckets(terms, List.of(smaller));
    }

    /**
     * Returns the index of the bucket that this limit of the new terms continues; -1 if the limit is new, and starts
     * full. It is the bucket of the limit with the same name. The first limit, whose bucket other programs share, also
     * continues the first bucket if that one's name is gone.
     */
    public int predecessor(Terms next, int limit) {
        if (terms == null) return limit == 0 ? 0 : -1;
        if (terms.limits().equals(next.limits())) return limit;
        int place = terms.indexOf(next.limits().get(limit).name());
        if (place >= 0) return place;
        return limit == 0 && next.indexOf(terms.limits().get(0).name()) < 0 ? 0 : -1;
    }
}
