package io.tollgate.quota;

import io.tollgate.bucket.Adjustments;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.SpendRequest;
import java.util.ArrayList;
import java.util.List;

/** The calls for one agent's buckets whose answers were not taken over yet. For one stream thread alone. */
final class CallsUnderWay {
    /** In the order of sending; mostly none, and a few at most. */
    private List<RedisCall.Part> parts = List.of();
    /** The last offset of each source that any call asked for, those included that were given up; -1: none. */
    private long everSent = -1;

    private long everSentRekeyed = -1;
    private int epoch;

    boolean isEmpty() {
        return parts.isEmpty();
    }

    /** Returns them in the order of sending. */
    List<RedisCall.Part> inOrder() {
        return List.copyOf(parts);
    }

    /** Notes a call that is sent now, and returns this agent's part of it. */
    RedisCall.Part send(RedisCall call, int index, SpendRequest spend, int place) {
        var part = new RedisCall.Part(call, index, spend, place, epoch);
        if (parts.isEmpty()) parts = new ArrayList<>(2);
        parts.add(part);
        if (place == TaskSources.REQUESTS) everSent = Math.max(everSent, part.lastOffset());
        else everSentRekeyed = Math.max(everSentRekeyed, part.lastOffset());
        return part;
    }

    /** Notes a call without requests that is sent now, while no other is under way. */
    RedisCall.Part ask(RedisCall call, SpendRequest spend, int place) {
        var part = new RedisCall.Part(call, 0, spend, place, epoch);
        parts = List.of(part);
        return part;
    }

    /** Gives up the calls: their answers know nothing of what was decided here. */
    void giveUp() {
        epoch++;
        parts = List.of();
    }

    /** Returns whether nothing has been decided without Redis since the call was sent. */
    boolean isUsable(RedisCall.Part part) {
        return part.epoch() == epoch;
    }

    /**
     * Returns the calls before this one whose answers were not taken over, and this one: its buckets hold what those
     * charged. Empty if its answer was taken over or given up.
     */
    List<RedisCall.Part> through(RedisCall.Part asked) {
        int place = parts.indexOf(asked);
        if (place < 0) return List.of();
        if (parts.size() == 1) return parts; // nearly always; noting that its answer was taken over leaves it as it is
        return List.copyOf(parts.subList(0, place + 1));
    }

    /** Returns whether Redis is being told of these adjustments. */
    boolean tell(Adjustments adjustments) {
        for (var part : parts) {
            var copy = part.spend().copy();
            if (copy != null && copy.adjustments().equals(adjustments)) return true;
        }
        return false;
    }

    /** Notes that the answer was taken over. */
    void accepted(RedisCall.Part part) {
        if (parts.size() > 1) parts.remove(part);
        else parts = List.of();
    }

    /** Returns the last offset of a source under way; -1 if there is none. */
    long sentThrough(int place) {
        long through = -1;
        for (var part : parts) if (part.place() == place) through = Math.max(through, part.lastOffset());
        return through;
    }

    /** Returns the last offset of a source that any call asked for; -1 if there is none. */
    long everSent(int place) {
        return place == TaskSources.REQUESTS ? everSent : everSentRekeyed;
    }
}
