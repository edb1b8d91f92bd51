package io.tollgate.quota;

import io.tollgate.redis.Answer;
import io.tollgate.redis.Answers;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One call to Redis for several agents, under way or answered. Falls back as a whole, once: what was not answered by the deadline
 * counts as failed for every request in it. For one stream thread alone.
 */
final class Chunk {
    private final CompletableFuture<Answers> call;
    private final long deadlineNanos;
    private final TaskTime time;
    private @Nullable Answers answers;
    private boolean failed;
    private long awaitedNanos;

    /** @param deadlineNanos by {@link TaskTime#nanoTime}: until when its requests may wait */
    Chunk(CompletableFuture<Answers> call, long deadlineNanos, TaskTime time) {
        this.time = time;
        this.call = call;
        this.deadlineNanos = deadlineNanos;
    }

    /** Returns whether it was answered, or failed. */
    boolean isDone() {
        return call.isDone();
    }

    /** Waits until the deadline at most; returns what Redis answered to the spend at this index, empty if it did not. */
    Optional<Answer> await(int index) {
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
}
