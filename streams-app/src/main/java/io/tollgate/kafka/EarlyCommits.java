package io.tollgate.kafka;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Makes an idle stream thread commit at once: consumers see a decision when its transaction commits, and Streams by
 * itself would wait for the commit interval. A busy thread commits at the interval. For one stream thread only.
 *
 * <p>Streams commits after a poll has returned, and a poll waits for records. So the next poll is short while a commit
 * is due.
 */
final class EarlyCommits {
    /** A commit takes a thread one to three milliseconds, and brokers write six records for it. */
    private static final long SHORTEST_NANOS = Duration.ofMillis(15).toNanos();

    private final @Nullable Runnable request;
    private long lastNanos;
    private long waitedNanos;
    private long polledNanos;
    private boolean isUncommitted;

    /** @param request asks for a commit after this thread's next poll; null: the thread commits only at the interval */
    EarlyCommits(@Nullable Runnable request, long nowNanos) {
        this.request = request;
        lastNanos = nowNanos;
    }

    /** Returns how long the poll that begins now may wait for records. */
    Duration beforePoll(Duration most, long nowNanos) {
        polledNanos = nowNanos;
        if (request == null || !isUncommitted) return most;
        long sinceNanos = nowNanos - lastNanos;
        if (sinceNanos < SHORTEST_NANOS) {
            var rest = Duration.ofNanos(SHORTEST_NANOS - sinceNanos);
            return rest.compareTo(most) < 0 ? rest : most;
        }
        boolean isBusy = waitedNanos < sinceNanos / 2;
        if (isBusy) return most;
        // Once only: while partitions move, Streams ignores such requests.
        committed(nowNanos);
        request.run();
        return Duration.ZERO;
    }

    /** Notes that the poll returned this many records. */
    void afterPoll(int records, long nowNanos) {
        waitedNanos += nowNanos - polledNanos;
        if (records > 0) isUncommitted = true;
    }

    /** Notes that the thread has committed what it had processed. */
    void committed(long nowNanos) {
        isUncommitted = false;
        waitedNanos = 0;
        lastNanos = nowNanos;
    }
}
