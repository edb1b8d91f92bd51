package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketCopy;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.CopyStatus;
import io.tollgate.redis.SpendRequest;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Our copy of one agent's buckets, as a call carries it to Redis.
 *
 * @param held null: there is none
 * @param complete whether it lacks nothing that Redis was told before
 * @param unanswered null: nothing was settled that the last answer lacks
 */
record CopyToSend(
        @Nullable BucketCopy held,
        boolean complete,
        CallsUnderWay calls,
        @Nullable UnansweredSettlements unanswered) {

    /**
     * Returns the part of a call that describes the copy; null if there is neither a copy nor another call under way.
     *
     * @param place of the call's source
     * @param ofCopy its status where no other call is under way
     * @param commits how often the task has come to a commit
     */
    SpendRequest.@Nullable Copy forCall(
            Promises promises, int place, TaskSources sources, CopyStatus ofCopy, int commits) {
        boolean underWay = !calls.isEmpty();
        if (held == null && !underWay) return null;
        var status = underWay ? CopyStatus.UNDER_WAY : ofCopy;
        boolean knowsAll = held != null && !underWay;
        var adjustments = held == null ? Adjustments.NONE : held.adjustments();
        var told = unanswered == null ? adjustments : unanswered.mayBeTold(adjustments, commits);
        // Redis may have nothing: only a copy with all of them says how much of it there was no room for.
        boolean withAll = unanswered == null || !complete && !unanswered.mayBeUndone(commits);
        var inBuckets = withAll || unanswered == null ? adjustments : unanswered.inBuckets();
        var buckets = buckets(promises, withAll);
        double beyond = inBuckets.settledSince(told);
        if (told.sinceMicros()
                < inBuckets.sinceMicros()) { // the call names none of these, so the copy must not hold any
            buckets = TokenBucket.settle(buckets, promises, 0, -beyond, inBuckets.sinceSeconds());
            beyond = 0;
        }
        return new SpendRequest.Copy(
                buckets,
                status,
                held != null && knowsAll && complete ? held.foreignSeconds() : SpendRequest.Copy.INCOMPLETE,
                sentThrough(place, sources),
                held != null && knowsAll ? held.fence(sources.id(place)) : Fence.NONE,
                others(1 - place, sources, knowsAll, status == CopyStatus.SUPERSEDES),
                told,
                told.settledTokens() + beyond);
    }

    private AgentBuckets buckets(Promises promises, boolean withAll) {
        if (held == null) return AgentBuckets.full(promises.terms(), 0);
        return withAll || unanswered == null ? held.buckets() : unanswered.buckets();
    }

    /** Returns the last offset of this source that was decided here, or is on its way to be. */
    private long sentThrough(int place, TaskSources sources) {
        long sent = calls.sentThrough(place);
        return held == null ? sent : Math.max(sent, held.lastOffset(sources.id(place)));
    }

    /**
     * @param place of the other source
     * @param supersedes whether our decisions replace those of Redis: what it decided beyond all that we ever asked for
     *     is somebody else's
     */
    private List<SpendRequest.OfSource> others(int place, TaskSources sources, boolean knowsAll, boolean supersedes) {
        long through = sentThrough(place, sources);
        if (supersedes) through = Math.max(through, calls.everSent(place));
        boolean onlyOurs = held == null || held.hasOnly(sources);
        if (through < 0 && !supersedes && onlyOurs) return List.of(); // nearly always
        var others = new ArrayList<SpendRequest.OfSource>(1);
        long id = sources.id(place);
        others.add(new SpendRequest.OfSource(id, through, held != null && knowsAll ? held.fence(id) : Fence.NONE));
        if (held == null || onlyOurs) return others;
        held.fences().forEach((gone, fence) -> { // of a topic that was made anew: Redis must know them all the same
            if (!sources.holds(gone)) others.add(new SpendRequest.OfSource(gone, fence.lastOffset(), Fence.NONE));
        });
        return others;
    }
}
