package io.tollgate.kafka;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.errors.TaskMigratedException;
import org.jspecify.annotations.Nullable;

/**
 * Notices that a stream thread stood still for so long that another instance has its partitions. Thread-safe; each
 * thread is watched separately.
 *
 * <p>A frozen process (a stopped container, a closed laptop, a long garbage collection) continues in the middle of a
 * batch. Kafka aborts its transaction, but only at the next commit; charges in Redis until then cannot be undone.
 */
public final class StreamThreadWatch {
    /**
     * The share of the session timeout that counts: brokers measure from the last heartbeat, sent before the thread
     * stood still.
     */
    private static final double SURE_OF = 0.8;

    private static final class Pulse {
        private boolean beats;
        private @Nullable FetchedTopics topics;
        private @Nullable EarlyCommits commits;
        private long lastNanos;
    }

    private final ThreadLocal<Pulse> pulses = ThreadLocal.withInitial(Pulse::new);
    private final long longestNanos;

    /** @param sessionTimeout the time after which brokers give a silent member's partitions to others */
    public StreamThreadWatch(Duration sessionTimeout) {
        longestNanos = (long) (sessionTimeout.toNanos() * SURE_OF);
    }

    /**
     * Notes that this thread is at work.
     *
     * @param nowNanos by {@link System#nanoTime}
     * @throws TaskMigratedException if the thread stood still since the last beat: Streams then drops its tasks and
     *     rejoins the group
     */
    public void beat(long nowNanos) {
        var pulse = pulses.get();
        long still = nowNanos - pulse.lastNanos;
        boolean late = stoodStill(pulse, nowNanos);
        pulse.beats = true;
        pulse.lastNanos = nowNanos;
        if (late) {
            throw new TaskMigratedException("the thread stood still for " + still / 1_000_000
                    + " ms: its partitions have gone to others, and nothing more is decided for them here");
        }
    }

    /** Returns whether this thread stood still since its last beat, as its next beat will say. */
    public boolean stoodStill(long nowNanos) {
        return stoodStill(pulses.get(), nowNanos);
    }

    private boolean stoodStill(Pulse pulse, long nowNanos) {
        return pulse.beats && nowNanos - pulse.lastNanos > longestNanos;
    }

    /** As {@link #beat}, before a poll of these topics; {@code commits} decides about early commits. */
    void beatBeforePoll(long nowNanos, FetchedTopics topics, EarlyCommits commits) {
        pulses.get().topics = topics;
        pulses.get().commits = commits;
        beat(nowNanos);
    }

    /**
     * Returns whether a polled topic was created anew since the thread's tasks began: the records just polled must then
     * be ignored.
     */
    public boolean isAnyTopicMadeAnew() {
        var topics = pulses.get().topics;
        return topics != null && topics.isAnyMadeAnew();
    }

    /** Returns the topics this thread polls; empty if {@link #seesPolls} is false. */
    Optional<FetchedTopics> topics() {
        return Optional.ofNullable(pulses.get().topics);
    }

    /** Returns the offsets to commit for this thread, each with its topic's id. */
    Map<TopicPartition, OffsetAndMetadata> marked(Map<TopicPartition, OffsetAndMetadata> offsets) {
        return topics().map(topics -> topics.marked(offsets)).orElse(offsets);
    }

    /**
     * Notes that brokers have just committed a transaction of this thread: it still owns its partitions, however long
     * the commit took.
     */
    void committed(long nowNanos) {
        var pulse = pulses.get();
        if (pulse.commits != null) pulse.commits.committed(nowNanos);
        pulse.beats = true;
        pulse.lastNanos = nowNanos;
    }

    /**
     * Returns whether this thread's polls are observed. They are not with the streams group protocol, which creates its
     * own consumer.
     */
    public boolean seesPolls() {
        return pulses.get().topics != null;
    }
}
