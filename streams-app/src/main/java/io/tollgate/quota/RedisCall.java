package io.tollgate.quota;

import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One call to Redis for several agents, under way or answered. Falls back as a whole, once: what was not answered by the deadline
 * counts as failed for every request in it. For one stream thread alone.
 */
final class RedisCall {
    private final CompletableFuture<SpendResults> call;
    private final long deadlineNanos;
    private final TaskTime time;
    private @Nullable SpendResults answers;
    private boolean failed;
    private long awaitedNanos;

    /** @param deadlineNanos by {@link TaskTime#nanoTime}: until when its requests may wait */
    RedisCall(CompletableFuture<SpendResults> call, long deadlineNanos, TaskTime time) {
        this.time = time;
        this.call = call;
        this.deadlineNanos = deadlineNanos;
    }

    /** Returns whether it was answered, or failed. */
    boolean isDone() {
        return call.isDone();
    }

    /** Waits until the deadline at most; returns what Redis answered to the spend at this index, empty if it did not. */
    Optional<SpendResult> await(int index) {
        if (answers == null && !failed) awaitCall();
        return answers == null
                ? Optional.empty()
                : Optional.of(answers.answers().get(index));
    }

    /** Returns when the answer was first asked for, by {@link TaskTime#nanoTime}: one reading of the clock for all of its agents. */
    long awaitedNanos() {
        return awaitedNanos;
    }

    private void awaitCall() {
        try {
            awaitedNanos = time.nanoTime();
            answers = time.await(call, Math.max(0, deadlineNanos - awaitedNanos));
        } catch (ExecutionException e) {
            failed = true;
        } catch (TimeoutException late) {
            // If it is answered after all, nobody listens. Redis may have charged; the fence knows these offsets.
            failed = true;
            call.completeExceptionally(late);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            failed = true;
        }
    }

    /** One agent's part of a call to Redis. For one stream thread alone. */
    static final class Part {
        private final AgentState state;
        private final RedisCall call;
        private final int index;
        private final SpendRequest spend;
        private final int place;
        private final int epoch;
        private boolean accepted;
        /** The next call for the same buckets that is under way. */
        private @Nullable Part next;

        /**
         * @param mirror of the buckets that are asked for
         * @param index its place in the call
         * @param place of its source among {@link TaskSources}
         */
        Part(AgentState state, RedisCall call, int index, SpendRequest spend, int place) {
            this.state = state;
            this.call = call;
            this.index = index;
            this.spend = spend;
            this.place = place;
            this.epoch = state.epoch();
        }

        AgentState state() {
            return state;
        }

        RedisCall call() {
            return call;
        }

        SpendRequest spend() {
            return spend;
        }

        int place() {
            return place;
        }

        /** Returns the epoch of the agent's state when it was sent. */
        int epoch() {
            return epoch;
        }

        /** Returns whether its answer was taken over. */
        boolean isAccepted() {
            return accepted;
        }

        void accepted() {
            accepted = true;
        }

        /** Returns whether Redis has decided its requests, as far as is known without waiting. */
        boolean isDecided() {
            return call.isDone() && await().orElse(null) instanceof SpendResult.Decided;
        }

        @Nullable
        Part next() {
            return next;
        }

        /** Puts a later call behind this one and those behind it: a few at most. */
        void append(Part later) {
            var last = this;
            while (last.next != null) last = last.next;
            last.next = later;
        }

        /** Returns this one and those behind it, without the given one. */
        @Nullable
        Part without(Part gone) {
            if (this == gone) return next;
            if (next != null) next = next.without(gone);
            return this;
        }

        /** Waits for the answer, until the call's deadline at most; empty if there is none in time. */
        Optional<SpendResult> await() {
            return call.await(index);
        }
    }
}
