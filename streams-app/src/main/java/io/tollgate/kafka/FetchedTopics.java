package io.tollgate.kafka;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.Metadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.jspecify.annotations.Nullable;

/**
 * The ids of the topics one consumer reads: an offset is valid only for the topic it was counted in. For the consumer's
 * thread only.
 *
 * <p>A consumer keeps its position when a topic is deleted and created again, and so skips the new topic's first
 * records. Neither records nor committed offsets name the id of their topic. So each committed offset carries that id,
 * and the id the consumer fetches by is compared with the one its tasks began with. The consumer holds its id in a
 * field that is not public.
 */
final class FetchedTopics {
    private static final String MARK = "#";
    /** The metadata that Streams commits with an offset, followed by the id of the topic. */
    private static final Pattern MARKED = Pattern.compile("(.*)" + MARK + "([-_A-Za-z0-9]{22})");

    private final Metadata metadata;
    /** The topics in which the thread's tasks count offsets. An id is kept while its topic is missing. */
    private final Map<String, Uuid> known = new HashMap<>();
    /** Partitions whose committed offset belongs to a deleted topic. */
    private final Set<TopicPartition> outdated = new HashSet<>();

    FetchedTopics(KafkaConsumer<?, ?> consumer) {
        try {
            var delegate = field(KafkaConsumer.class, "delegate", consumer);
            metadata = (Metadata) field(delegate.getClass(), "metadata", delegate);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this version of kafka-clients keeps topic ids elsewhere", e);
        }
    }

    private static Object field(Class<?> type, String name, Object of) throws ReflectiveOperationException {
        var field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    /** Returns the id that this topic has for the thread's tasks; empty if the consumer does not know the topic. */
    Optional<Uuid> id(String topic) {
        return Optional.ofNullable(known.computeIfAbsent(topic, this::fetched));
    }

    private @Nullable Uuid fetched(String topic) {
        return metadata.topicIds().get(topic);
    }

    /** Notes an id from another source, for a topic the consumer does not know yet. */
    void expect(String topic, Uuid id) {
        known.putIfAbsent(topic, id);
    }

    /**
     * Returns whether the consumer fetches from a recreated topic while the thread's tasks count offsets in the
     * old one.
     */
    boolean isAnyMadeAnew() {
        return firstMadeAnew() != null;
    }

    private @Nullable String firstMadeAnew() {
        for (var topic : metadata.topicIds().entrySet()) {
            var before = known.get(topic.getKey());
            if (before != null && !before.equals(topic.getValue())) return topic.getKey();
        }
        return null;
    }

    /** Returns a recreated topic and adopts its new id; null if there is none. See {@link #isAnyMadeAnew}. */
    @Nullable
    String takeMadeAnew() {
        var anew = firstMadeAnew();
        known.putAll(metadata.topicIds());
        if (anew != null) outdated.clear(); // all tasks begin again, and fetch their committed offsets
        return anew;
    }

    /**
     * Returns the offsets to commit, each with its topic's id. Deleted topics are left out: brokers would delay the
     * commit until a topic of that name exists again.
     */
    Map<TopicPartition, OffsetAndMetadata> marked(Map<TopicPartition, OffsetAndMetadata> offsets) {
        var marked = new HashMap<TopicPartition, OffsetAndMetadata>();
        offsets.forEach((partition, offset) -> {
            var id = id(partition.topic());
            if (id.isEmpty()) marked.put(partition, offset);
            else if (id.get().equals(fetched(partition.topic()))) marked.put(partition, marked(offset, id.get()));
        });
        return marked;
    }

    private static OffsetAndMetadata marked(OffsetAndMetadata offset, Uuid id) {
        return new OffsetAndMetadata(offset.offset(), offset.leaderEpoch(), offset.metadata() + MARK + id);
    }

    /** Returns whether a committed offset may belong to this topic: it does if it names this topic, or none. */
    static boolean isOf(OffsetAndMetadata offset, @Nullable Uuid topic) {
        var marked = MARKED.matcher(offset.metadata());
        return !marked.matches() || marked.group(2).equals(String.valueOf(topic));
    }

    /**
     * Returns the committed offsets as they were before {@link #marked}. An offset of a deleted topic becomes null, as
     * if nothing had been committed, and {@link #takeOutdated} then returns its partition.
     */
    Map<TopicPartition, OffsetAndMetadata> current(Map<TopicPartition, @Nullable OffsetAndMetadata> committed) {
        var current = new HashMap<TopicPartition, @Nullable OffsetAndMetadata>();
        committed.forEach((partition, offset) -> current.put(partition, current(partition, offset)));
        return current;
    }

    private @Nullable OffsetAndMetadata current(TopicPartition partition, @Nullable OffsetAndMetadata offset) {
        outdated.remove(partition);
        if (offset == null) return null;
        var marked = MARKED.matcher(offset.metadata());
        if (!marked.matches()) return offset; // committed by an earlier version, or by a reset tool
        var fetched = fetched(partition.topic());
        if (fetched == null) expect(partition.topic(), Uuid.fromString(marked.group(2)));
        if (!isOf(offset, fetched != null ? fetched : known.get(partition.topic()))) {
            outdated.add(partition);
            return null;
        }
        return new OffsetAndMetadata(offset.offset(), offset.leaderEpoch(), marked.group(1));
    }

    /** Returns those of the partitions that must be read from the beginning, and forgets them. */
    Set<TopicPartition> takeOutdated(Collection<TopicPartition> assigned) {
        if (outdated.isEmpty()) return Set.of();
        var taken = new HashSet<>(assigned);
        taken.retainAll(outdated);
        outdated.clear(); // other instances fetch the committed offsets of the rest
        return taken;
    }
}
