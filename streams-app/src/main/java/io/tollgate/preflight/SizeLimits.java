package io.tollgate.preflight;

import java.util.List;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The largest records that the topics behind those of requests and of usage reports accept. Thread-safe. */
record SizeLimits(Brokers brokers, PipelineTopics topics) {
    /** Kafka's own default of max.message.bytes, assumed for a topic that does not show its settings. */
    static final int DEFAULT_TOPIC_BYTES = 1_048_588;

    /** Room for the headers and the key that a decided record gains, and for the batch around it. */
    private static final int ROOM_BYTES = 4_096;

    /** Room for a rejection's fields beside its request, or in its place. */
    static final int ROOM_FOR_REJECTION_BYTES = 4_096;

    /** The least that a topic must take which Tollgate writes to: both rooms above, twice. */
    static final int LEAST_TOPIC_BYTES = 2 * (ROOM_BYTES + ROOM_FOR_REJECTION_BYTES);

    /**
     * Share that compression may add to incompressible bytes. Little, so that the room that
     * {@code topics create} leaves for headers is enough on topics of many megabytes as well.
     */
    private static final int COMPRESSION_PART = 1_024;

    /** Returns the largest records that the topics on their way accept once they are decided. */
    RecordLimits look() {
        return new RecordLimits(largest(topics.carryingRequests()), largest(topics.carryingReports()));
    }

    private int largest(List<String> carrying) {
        long fitting = fitting(topics.largestSentBytes());
        for (String topic : carrying) fitting = Math.min(fitting, fitting(limit(topic)));
        return (int) fitting;
    }

    /** Returns the largest record that a topic with this limit accepts once it is decided; 0 if none fits. */
    static long fitting(long topicBytes) {
        return Math.max(0, topicBytes - topicBytes / COMPRESSION_PART - ROOM_BYTES - ROOM_FOR_REJECTION_BYTES);
    }

    /** Returns the least limit that lets a record of this size pass. */
    static long needed(long recordBytes) {
        return (recordBytes + ROOM_BYTES + ROOM_FOR_REJECTION_BYTES) * COMPRESSION_PART / (COMPRESSION_PART - 1) + 2;
    }

    private long limit(String topic) {
        long otherwise = DEFAULT_TOPIC_BYTES;
        // A missing or silent internal topic is assumed to be as Kafka Streams creates it.
        var told = topics.topicSettings().get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
        if (topics.repartition().contains(topic) && told != null) otherwise = Long.parseLong(told);
        try {
            return brokers.maxMessageBytes(topic).orElse(otherwise);
        } catch (UnknownTopicOrPartitionException notYet) {
            return otherwise;
        }
    }
}
