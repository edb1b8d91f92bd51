package io.tollgate.quota;

import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.Optional;

/** One agent's part of a call to Redis. For one stream thread alone. */
final class Asked {
    private final AgentMirror mirror;
    private final Chunk chunk;
    private final int index;
    private final Spend spend;
    private final int place;
    private final int epoch;
    private boolean accepted;

    /**
     * @param mirror of the buckets that are asked for
     * @param index its place in the chunk
     * @param place of its source among {@link TaskSources}
     */
    Asked(AgentMirror mirror, Chunk chunk, int index, Spend spend, int place) {
        this.mirror = mirror;
        this.chunk = chunk;
        this.index = index;
        this.spend = spend;
        this.place = place;
        this.epoch = mirror.epoch();
    }

    AgentMirror mirror() {
        return mirror;
    }

    Chunk chunk() {
        return chunk;
    }

    Spend spend() {
        return spend;
    }

    int place() {
        return place;
    }

    /** Returns the epoch of the mirror when it was sent. */
    int epoch() {
        return epoch;
    }

    /** Returns whether this is the first time that it is asked: then the answer is to be taken over. */
    boolean isFirstUse() {
        boolean first = !accepted;
        accepted = true;
        return first;
    }

    /** Waits for the answer, until the chunk's deadline at most; empty if there is none in time. */
    Optional<Answer> await() {
        return chunk.await(index);
    }
}
