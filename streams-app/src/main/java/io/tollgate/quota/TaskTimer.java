package io.tollgate.quota;

import io.tollgate.kafka.NodeScheduler;
import java.time.Duration;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.jspecify.annotations.Nullable;

/**
 * What one task does between records: often while there is something to do, hardly ever while it is idle. For one
 * stream thread alone.
 *
 * <p>Streams takes each punctuation for work that must be committed, so that a task with a short interval commits for
 * ever. A timer that is idle is woken by the next record, or by a question of another thread, before the next poll.
 */
final class TaskTimer {
    private static final Duration BUSY_INTERVAL = Duration.ofMillis(50);
    private static final Duration IDLE_INTERVAL = Duration.ofSeconds(10);
    /** Where polls are not seen, nobody wakes the timer for a question. */
    private static final Duration UNSEEN_INTERVAL = Duration.ofSeconds(1);

    private static final long IDLE_AFTER_NANOS = Duration.ofSeconds(2).toNanos();
    /** The mirror's age where few agents are active; many take longer, because each round is bounded. */
    private static final long WRITE_BEHIND_MILLIS = Duration.ofMillis(250).toMillis();

    private static final long PUBLISH_AND_SWEEP_MILLIS = Duration.ofSeconds(1).toMillis();

    private final Thread thread = Thread.currentThread();
    private final ProcessorContext<?, ?> context;
    private final NodeScheduler scheduler;
    private final QuotaContext shared;
    private final AgentCache cache;
    private final TaskActivity activity;
    private final AgentQueries queries;
    private final TaskHolds holds;
    private @Nullable Cancellable schedule;
    private boolean isIdle;
    private long lastWorkNanos;
    private long lastWriteMillis;
    private long lastSweepMillis;

    /** Starts; to be called while the processor is being initialized. */
    TaskTimer(
            ProcessorContext<?, ?> context,
            QuotaContext shared,
            AgentCache cache,
            TaskActivity activity,
            AgentQueries queries,
            TaskHolds holds) {
        this.context = context;
        this.scheduler = new NodeScheduler(context);
        this.shared = shared;
        this.cache = cache;
        this.activity = activity;
        this.queries = queries;
        this.holds = holds;
        lastWorkNanos = shared.time().nanoTime();
        repeat(BUSY_INTERVAL);
    }

    /** Notes that there is work. */
    void wake(long nowNanos) {
        lastWorkNanos = nowNanos;
        if (!isIdle) return;
        isIdle = false;
        repeat(BUSY_INTERVAL);
    }

    /**
     * Wakes it if somebody has asked the task something, or a deadline has passed; does nothing on another thread than
     * the task's.
     */
    void wakeIfAsked() {
        if (isIdle && thread == Thread.currentThread() && isCalledFor()) {
            wake(shared.time().nanoTime());
        }
    }

    /** Asks for a commit; does nothing on another thread than the task's. */
    void requestCommit() {
        if (thread == Thread.currentThread()) context.commit();
    }

    private boolean isCalledFor() {
        return !queries.isIdle() || holds.isDue();
    }

    private void repeat(Duration interval) {
        if (schedule != null) schedule.cancel();
        schedule = scheduler.every(interval, this::tick);
    }

    private void tick(long wallMillis) {
        long now = shared.time().nanoTime();
        shared.watch().beat(now);
        if (isCalledFor()) lastWorkNanos = now;
        queries.answer();
        holds.expire();
        if (wallMillis - lastWriteMillis >= WRITE_BEHIND_MILLIS) {
            lastWriteMillis = wallMillis;
            cache.writeBehind();
        }
        if (wallMillis - lastSweepMillis >= PUBLISH_AND_SWEEP_MILLIS) {
            lastSweepMillis = wallMillis;
            activity.publish();
            cache.sweep();
        }
        if (!isIdle && now - lastWorkNanos > IDLE_AFTER_NANOS && cache.isWritten()) {
            isIdle = true;
            repeat(shared.watch().seesPolls() ? IDLE_INTERVAL : UNSEEN_INTERVAL);
        }
    }
}
