package io.tollgate.mirror;

import io.tollgate.kafka.SourceIds;
import org.apache.kafka.common.TopicPartition;

/**
 * The two partitions whose records one task decides, by place: that of the topic of requests, and that of the internal topic through which
 * strays come home. Immutable.
 *
 * @param requestsId the id under which fences keep its offsets, {@link SourceIds}
 * @param rekeyedId the same for strays
 */
public record TaskSources(TopicPartition requests, TopicPartition rekeyed, long requestsId, long rekeyedId) {
    public static final int REQUESTS = 0;
    public static final int REKEYED = 1;
    public static final int COUNT = 2;

    public static TaskSources of(SourceIds sources, String requestsTopic, String rekeyedTopic, int partition) {
        return new TaskSources(
                new TopicPartition(requestsTopic, partition),
                new TopicPartition(rekeyedTopic, partition),
                sources.idOf(requestsTopic, partition),
                sources.idOf(rekeyedTopic, partition));
    }

    public int placeOf(String topic) {
        return topic.equals(requests.topic()) ? REQUESTS : REKEYED;
    }

    public TopicPartition partition(int place) {
        return place == REQUESTS ? requests : rekeyed;
    }

    public long id(int place) {
        return place == REQUESTS ? requestsId : rekeyedId;
    }

    public boolean holds(long id) {
        return id == requestsId || id == rekeyedId;
    }
}
