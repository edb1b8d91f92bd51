package io.tollgate.mirror;

import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.SourceIds;
import io.tollgate.kafka.TopicMadeAnewException;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.metrics.ThrottledWarning;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.errors.TaskMigratedException;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One task's knowledge of the offsets of its sources: their ids, the last decided and the committed ones. For one
 * stream thread alone.
 *
 * <p>A stored offset counts only for the topic it was stored for. So with the first records, and whenever an offset
 * repeats, it asks the cluster whether the topic is still the same one.
 */
public final class TaskOffsets {
    private static final Logger log = LoggerFactory.getLogger(TaskOffsets.class);

    private final ThrottledWarning goneBack = new ThrottledWarning(log);
    private final SourceIds ids;
    private final CommittedOffsets committed;
    private final PipelineMetrics metrics;
    private final TaskSources sources;
    private final ProcessedOffsets[] progress;
    private final long[] polledThrough;
    private boolean isMadeAnew;

    /**
     * Reads the task's progress.
     *
     * @param ids tells which topics have the names of its sources now
     * @param store holds the progress under exactly-once; null: nothing is known of earlier results
     */
    public TaskOffsets(
            TaskSources sources,
            SourceIds ids,
            CommittedOffsets committed,
            @Nullable KeyValueStore<String, byte[]> store,
            PipelineMetrics metrics) {
        this.sources = sources;
        this.ids = ids;
        this.committed = committed;
        this.metrics = metrics;
        progress = new ProcessedOffsets[sources.count()];
        polledThrough = new long[sources.count()];
        Arrays.fill(polledThrough, -1);
        for (int place = 0; place < progress.length; place++) {
            var partition = sources.partition(place);
            committed.forget(partition); // may be of an earlier topic with this name
            progress[place] = store == null
                    ? ProcessedOffsets.atLeastOnce()
                    : ProcessedOffsets.exactlyOnce(store, partition.topic(), sources.id(place));
        }
    }

    public TaskSources sources() {
        return sources;
    }

    /** Returns the highest committed offset of a source; -1 if none is known. */
    public long committed(int place) {
        return committed.of(sources.partition(place));
    }

    /**
     * Notes the polled batch, before any of its records is noted.
     *
     * @throws TaskMigratedException if the topic was recreated
     */
    public void polled(int place, List<ConsumerRecord<byte[], byte[]>> records) {
        long first = records.get(0).offset();
        boolean isFirst = polledThrough[place] < 0;
        if (isFirst || first <= polledThrough[place] || !isNew(place, first)) askWhetherMadeAnew(place);
        polledThrough[place] = records.get(records.size() - 1).offset();
        progress[place].polled(records);
    }

    /** Returns whether the record at this offset must be processed. */
    public boolean isNew(int place, long offset) {
        return progress[place].isNew(offset);
    }

    /** Returns the last offset taken; -1 if there is none. */
    public long takenThrough(int place) {
        return progress[place].takenThrough();
    }

    /**
     * Takes a record, in the order of offsets.
     *
     * @return false if it was processed before with a committed result
     * @throws TaskMigratedException if the topic was recreated
     */
    public boolean take(RecordMetadata position) {
        int place = sources.placeOf(position.topic());
        if (isMadeAnew) throw new TopicMadeAnewException(position.topic());
        if (progress[place].take(position.offset())) return true;
        askWhetherMadeAnew(place);
        metrics.decidedBefore();
        goneBack.warn(
                "{}-{} is read again from offset {}, but was decided through {}: Kafka's committed offset has gone back. Nothing "
                        + "is decided twice; what was is left out",
                position.topic(),
                position.partition(),
                position.offset(),
                progress[place].takenThrough());
        return false;
    }

    private void askWhetherMadeAnew(int place) {
        var partition = sources.partition(place);
        long now = ids.askedAgain(partition.topic(), partition.partition());
        if (now == sources.id(place)) return;
        isMadeAnew = true;
        throw new TopicMadeAnewException(partition.topic());
    }

    /** Writes the progress to the store, for the task's present commit. */
    public void beforeCommit() {
        for (var each : progress) each.beforeCommit();
    }
}
