package io.tollgate.mirror;

import io.tollgate.kafka.SourceIds;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;

/**
 * The partitions that one task processes, by place: of the requests topic, of the internal topic for strays, and then
 * the same two of usage reports. Immutable.
 *
 * @param ids the ids under which their offsets are kept, {@link SourceIds}
 */
public record TaskSources(List<TopicPartition> partitions, List<Long> ids) {
    public static final int REQUESTS = 0;
    public static final int REKEYED = 1;
    public static final int USAGE = 2;
    public static final int REKEYED_USAGE = 3;

    public TaskSources {
        partitions = List.copyOf(partitions);
        ids = List.copyOf(ids);
    }

    public static TaskSources of(SourceIds sources, TaskTopics topics, int partition) {
        var partitions = Stream.of(topics.requests(), topics.rekeyed(), topics.usage(), topics.rekeyedUsage())
                .map(topic -> new TopicPartition(topic, partition))
                .toList();
        var ids = partitions.stream()
                .map(of -> sources.idOf(of.topic(), partition))
                .toList();
        return new TaskSources(partitions, ids);
    }

    /** Returns the number of sources. */
    int count() {
        return partitions.size();
    }

    public int placeOf(String topic) {
        int place = 0;
        while (!topic.equals(partitions.get(place).topic())) place++;
        return place;
    }

    /** Returns whether the records of this place are requests, whose decisions the fence remembers. */
    public static boolean holdsRequests(int place) {
        return place < USAGE;
    }

    public TopicPartition partition(int place) {
        return partitions.get(place);
    }

    public TopicPartition requests() {
        return partitions.get(REQUESTS);
    }

    public long id(int place) {
        return ids.get(place);
    }

    /** Returns whether a fence with this id belongs to one of these. */
    public boolean holds(long id) {
        return id == id(REQUESTS) || id == id(REKEYED);
    }
}
