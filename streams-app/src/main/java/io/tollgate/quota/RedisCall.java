package io.tollgate.quota;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One call to Redis for several agents, under way or answered. It fails as a whole: without an answer by the deadline,
 * every request in it has failed. For one stream thread alone.
 */
final class RedisCall {
    private final CompletableFuture<SpendResults> call;
    private final long deadlineNanos;
    private final TaskTime time;
    private @Nullable Optional<SpendResults> answers;
    private long awaitedNanos;
    /** Nearly always none: for each of its agents, whether its answer without decisions was noted. */
    private @Nullable BitSet noted;

    /** @param deadlineNanos the end of its requests' wait, by {@link TaskTime#nanoTime} */
    RedisCall(CompletableFuture<SpendResults> call, long deadlineNanos, TaskTime time) {
        this.time = time;
        this.call = call;
        this.deadlineNanos = deadlineNanos;
    }

    /** Returns whether it was answered, or failed. */
    boolean isDone() {
        return call.isDone();
    }

    /**
     * Waits until the deadline at most; returns the answer of Redis to the request at this index, empty without one.
     */
    Optional<SpendResult> await(int index) {
        if (answers == null) answers = awaitCall();
        return answers.map(all -> all.answers().get(index));
    }

    /**
     * Returns the time at which the answer was first asked for, by {@link TaskTime#nanoTime}: one reading of the clock
     * for all of its agents.
     */
    long awaitedNanos() {
        return awaitedNanos;
    }

    private boolean isFirstLook(int index) {
        if (noted == null) noted = new BitSet();
        boolean first = !noted.get(index);
        noted.set(index);
        return first;
    }

    private Optional<SpendResults> awaitCall() {
        try {
            awaitedNanos = time.nanoTime();
            return Optional.of(time.await(call, Math.max(0, deadlineNanos - awaitedNanos)));
        } catch (ExecutionException e) {
            return Optional.empty();
        } catch (TimeoutException late) {
            // A later answer is ignored. Redis may have charged; the fence knows these offsets.
            call.completeExceptionally(late);
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    /**
     * One agent's part of a call to Redis. For one stream thread alone.
     *
     * @param index its place in the call
     * @param place of its source among {@link TaskSources}
     * @param epoch of the agent's calls when it was sent
     */
    record Part(RedisCall call, int index, SpendRequest spend, int place, int epoch) {
        /** Returns the last offset that it asks for. */
        long lastOffset() {
            var charges = spend.charges();
            return charges.get(charges.size() - 1).offset();
        }

        /** Returns whether this is called for the first time: each request that waits for the answer looks at it. */
        boolean isFirstLook() {
            return call.isFirstLook(index);
        }

        /** Waits for the answer, until the call's deadline at most; empty if there is none in time. */
        Optional<SpendResult> await() {
            return call.await(index);
        }

        /**
         * Returns the groups for the fence beyond this offset, oldest first: one group for all decisions of one moment
         * under the same terms; refused holds have groups of their own.
         */
        List<Fence.Group> groups(SpendResult.Decided answer, long fenceOffset) {
            var charges = spend.charges();
            var decisions = answer.decisions();
            int count = decisions.size();
            int from = 0;
            while (from < count && charges.get(from).offset() <= fenceOffset) from++; // ascending
            var groups = new ArrayList<Fence.Group>(1);
            for (int to = from + 1; to <= count; to++) {
                if (to < count && together(decisions.get(from), decisions.get(to))) continue;
                var after = tokensAfter(decisions.get(to - 1), answer);
                groups.add(Fence.Group.of(charges.subList(from, to), decisions.subList(from, to), after));
                from = to;
            }
            return groups;
        }

        private static boolean together(Decision one, Decision other) {
            return one.decidedAtMicros() == other.decidedAtMicros()
                    && one.terms().equals(other.terms())
                    && one instanceof Decision.TooManyOpenHolds == other instanceof Decision.TooManyOpenHolds;
        }

        private List<Double> tokensAfter(Decision newest, SpendResult.Decided answer) {
            var terms = newest.terms();
            if (terms.limits().size() == 1) return List.of(newest.remainingTokens());
            // Decided before a crash, under the terms of that time: Redis tells only what was left.
            return terms.equals(spend.terms())
                    ? answer.buckets().buckets().stream().map(Bucket::tokens).toList()
                    : Collections.nCopies(terms.limits().size(), newest.remainingTokens());
        }
    }
}
