package io.tollgate.kafka;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.errors.TaskMigratedException;
import org.jspecify.annotations.Nullable;

/**
 * Notices that a stream thread stood still for so long that its partitions have gone to another instance. Thread-safe; each thread is
 * watched for itself.
 *
 * <p>A process that was frozen (a stopped container, a laptop's lid, a pause of the garbage collector) goes on in the middle of a batch. Kafka
 * aborts its transaction, but hears of it only with the next commit; what is asked of Redis until then cannot be taken back.
 */
public final class StreamThreadWatch {
    /** Of the session timeout: brokers count from the last heartbeat, which was sent before the thread stood still. */
    private static final double SURE_OF = 0.8;

    private static final class Pulse {
        private boolean beats;
        private @Nullable FetchedTopics topics;
        private @Nullable EarlyCommits commits;
        private long lastNanos;
    }

    private final ThreadLocal<Pulse> pulses = ThreadLocal.withInitial(Pulse::new);
    private final long longestNanos;

    /** @param sessionTimeout after which brokers give a silent member's partitions to others */
    public StreamThreadWatch(Duration sessionTimeout) {
        longestNanos = (long) (sessionTimeout.toNanos() * SURE_OF);
    }

    /**
     * Notes that this thread is at work.
     *
     * @param nowNanos by {@link System#nanoTime}
     * @throws TaskMigratedException if it stood still since the last time: Streams then gives up the thread's tasks and joins anew
     */
    public void beat(long nowNanos) {
        var pulse = pulses.get();
        long still = nowNanos - pulse.lastNanos;
        boolean late = pulse.beats && still > longestNanos;
        pulse.beats = true;
        pulse.lastNanos = nowNanos;
        if (late) {
            throw new TaskMigratedException("the thread stood still for " + still / 1_000_000
                    + " ms: its partitions have gone to others, and nothing more is decided for them here");
        }
    }

    /** As {@link #beat}, of a thread that is about to poll these topics, and commits like this. */
    void beatBeforePoll(long nowNanos, FetchedTopics topics, EarlyCommits commits) {
        pulses.get().topics = topics;
        pulses.get().commits = commits;
        beat(nowNanos);
    }

    /** Returns whether a topic that this thread polls was made anew since its tasks began: then nothing that it has just polled is to be used. */
    public boolean isAnyTopicMadeAnew() {
        var topics = pulses.get().topics;
        return topics != null && topics.isAnyMadeAnew();
    }

    /** Returns what this thread knows of the topics that it polls; empty where {@link #seesPolls} is false. */
    Optional<FetchedTopics> topics() {
        return Optional.ofNullable(pulses.get().topics);
    }

    /** Returns the offsets as this thread is to commit them. */
    Map<TopicPartition, OffsetAndMetadata> marked(Map<TopicPartition, OffsetAndMetadata> offsets) {
        return topics().map(topics -> topics.marked(offsets)).orElse(offsets);
    }

    /** Notes that brokers have just committed a transaction of this thread: its partitions are its own, however long that took. */
    void committed(long nowNanos) {
        var pulse = pulses.get();
        if (pulse.commits != null) pulse.commits.committed(nowNanos);
        pulse.beats = true;
        pulse.lastNanos = nowNanos;
    }

    /** Returns whether this thread's polls are seen: not with the streams group protocol, which makes its own consumer. */
    public boolean seesPolls() {
        return pulses.get().topics != null;
    }
}
