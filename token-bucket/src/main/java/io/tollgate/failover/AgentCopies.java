package io.tollgate.failover;

import io.tollgate.bucket.BucketClock;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The copies of all agents; those that are full again are dropped when there are many. Thread-safe. */
final class AgentCopies {
    private static final int FORGET_EVERY = 10_000;

    private final ConcurrentHashMap<String, AgentCopy> copies = new ConcurrentHashMap<>();
    private final Function<String, BucketClock> clocks;
    private final CallTime time;
    private volatile int forgetAtSize = FORGET_EVERY;

    /** @param clocks returns the clock of the node that holds the agent's bucket */
    AgentCopies(Function<String, BucketClock> clocks, CallTime time) {
        this.clocks = clocks;
        this.time = time;
    }

    /** Returns the agent's copy, whose monitor guards it; null if there is none. */
    @Nullable
    AgentCopy get(String agentId) {
        return copies.get(agentId);
    }

    int size() {
        return copies.size();
    }

    void clear() {
        copies.clear();
    }

    /** Returns what the work returns, which has the monitor of the agent's copy. */
    <T extends @Nullable Object> T with(String agentId, Function<AgentCopy, T> work) {
        while (true) {
            var copy = copies.get(agentId);
            if (copy == null) {
                copy = copies.computeIfAbsent(agentId, id -> new AgentCopy());
                if (copies.size() >= forgetAtSize) forgetTheFull();
            }
            synchronized (copy) {
                if (!copy.isForgotten()) return work.apply(copy);
            }
            copies.remove(agentId, copy);
        }
    }

    /** Drops copies that are full again, with the decisions that Redis does not know. */
    private synchronized void forgetTheFull() {
        if (copies.size() < forgetAtSize) return;
        copies.forEach((agentId, copy) -> {
            var clock = clocks.apply(agentId);
            synchronized (copy) {
                if (!copy.forgetIfFull(clock.getAsLong(), time.nanoTime() / 1000)) return;
            }
            copies.remove(agentId, copy);
        });
        forgetAtSize = copies.size() + FORGET_EVERY;
    }
}
