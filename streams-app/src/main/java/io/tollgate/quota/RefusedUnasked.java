package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.mirror.TaskSources;
import java.util.stream.Stream;

/**
 * One agent's requests refused without a decision of Redis, since its last answer. Immutable.
 *
 * @param requests of the source at {@link TaskSources#REQUESTS}
 * @param rekeyed of the other one
 */
record RefusedUnasked(Fence requests, Fence rekeyed) {
    static final RefusedUnasked NONE = new RefusedUnasked(Fence.NONE, Fence.NONE);

    /** Refusals made without Redis within this window share one timestamp. */
    private static final long TOGETHER_MICROS = 20_000;

    /** Returns the refusals of the source at this place, as its fence keeps them. */
    Fence fence(int place) {
        return place == TaskSources.REQUESTS ? requests : rekeyed;
    }

    boolean isNone(int place) {
        return fence(place) == Fence.NONE;
    }

    /** Returns these without the refusals of the source at this place. */
    RefusedUnasked without(int place) {
        return isNone(place) ? this : with(place, Fence.NONE);
    }

    /** Returns these with one more, and without committed ones. */
    RefusedUnasked plus(int place, long offset, Decision refusal, long committedOffset) {
        return with(place, fence(place).uncommitted(committedOffset).plusRefused(offset, refusal));
    }

    private RefusedUnasked with(int place, Fence refused) {
        return place == TaskSources.REQUESTS
                ? new RefusedUnasked(refused, rekeyed)
                : new RefusedUnasked(requests, refused);
    }

    /**
     * Returns the time of a refusal: now, or that of the one before, if that is a moment ago and nothing else was
     * decided since.
     *
     * @param lastMicros the time of the agent's last decision
     */
    long at(int place, long nowMicros, long lastMicros) {
        var groups = fence(place).groups();
        boolean isLast = !groups.isEmpty() && groups.get(0).decidedAtMicros() == lastMicros;
        return isLast && nowMicros - lastMicros < TOGETHER_MICROS ? lastMicros : Math.max(nowMicros, lastMicros);
    }

    /** Returns the given fence, with these refusals. */
    Fence over(int place, Fence asked) {
        var refused = fence(place);
        if (refused.lastOffset() <= asked.lastOffset()) return asked;
        return new Fence(Stream.concat(refused.groups().stream(), asked.groups().stream())
                .toList());
    }
}
