package io.tollgate.bucket;

import java.util.List;

/** On the buckets that the pipeline decides on without Redis. */
class LocalLimitChangesTest extends LimitChangesContract {
    private final BucketClock clock = new BucketClock();
    private AgentBuckets held;
    private Fence fence = Fence.NONE;

    @Override
    protected Step spend(Terms terms, Charge charge) {
        long nowMicros = clock.getAsLong();
        if (held == null) held = AgentBuckets.full(terms, TokenBucket.seconds(nowMicros));
        var outcome =
                TokenBucket.spend(held, fence, Promises.of(terms), -1, List.of(charge), nowMicros, DecidedBy.LOCAL);
        held = outcome.buckets();
        fence = outcome.fence();
        return step(outcome.buckets(), outcome.decisions());
    }
}
