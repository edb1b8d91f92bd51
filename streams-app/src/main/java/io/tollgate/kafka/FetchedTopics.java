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
 * The topics one consumer reads, by id: an offset counts only for the topic it was counted in. For the consumer's thread alone.
 *
 * <p>A consumer keeps its position when a topic is deleted and created again, and leaves out what stands before it in the new topic;
 * neither records nor committed offsets say which topic they are of. So each committed offset carries the id of its topic, and the id by
 * which the consumer fetches is compared with the one that its tasks began with. The consumer has that id in a field that is not public.
 */
final class FetchedTopics {
    private static final String MARK = "#";
    /** What Streams commits beside an offset, and the id of its topic. */
    private static final Pattern MARKED = Pattern.compile("(.*)" + MARK + "([-_A-Za-z0-9]{22})");

    private final Metadata metadata;
    /** By which the thread's tasks count offsets. Kept while a topic is gone. */
    private final Map<String, Uuid> known = new HashMap<>();
    /** Of these, what is committed counts for a topic that is gone. */
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

    /** Returns the id of the topic that bears this name for the thread's tasks; empty if the consumer has not heard of it. */
    Optional<Uuid> id(String topic) {
        return Optional.ofNullable(known.computeIfAbsent(topic, this::fetched));
    }

    private @Nullable Uuid fetched(String topic) {
        return metadata.topicIds().get(topic);
    }

    /** Notes an id that was heard elsewhere, of a topic that the consumer has not heard of. */
    void expect(String topic, Uuid id) {
        known.putIfAbsent(topic, id);
    }

    /** Returns whether the consumer fetches from another topic of some name than the thread's tasks count offsets in. */
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

    /** Returns a topic for which {@link #isAnyMadeAnew} is so, and knows it from here by its new id; null if there is none. */
    @Nullable
    String takeMadeAnew() {
        var anew = firstMadeAnew();
        known.putAll(metadata.topicIds());
        if (anew != null) outdated.clear(); // all tasks begin again, and ask for what is committed
        return anew;
    }

    /**
     * Returns the offsets as they are to be committed: each with its topic's id. Without those of topics that are gone: brokers would let a
     * commit wait until there is a topic of that name again.
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

    /** Returns whether an offset that was committed may be one of this topic: as far as it says which one it is of. */
    static boolean isOf(OffsetAndMetadata offset, @Nullable Uuid topic) {
        var marked = MARKED.matcher(offset.metadata());
        return !marked.matches() || marked.group(2).equals(String.valueOf(topic));
    }

    /**
     * Returns what was committed, as it was before it was {@link #marked}. An offset of a topic that is gone is null, as if nothing had been
     * committed; its partition is then among those of {@link #takeOutdated}.
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
        if (!marked.matches()) return offset; // as an earlier version committed it, or a person who reset it
        var fetched = fetched(partition.topic());
        if (fetched == null) expect(partition.topic(), Uuid.fromString(marked.group(2)));
        if (!isOf(offset, fetched != null ? fetched : known.get(partition.topic()))) {
            outdated.add(partition);
            return null;
        }
        return new OffsetAndMetadata(offset.offset(), offset.leaderEpoch(), marked.group(1));
    }

    /** Returns which of these partitions are to be read from the beginning, and forgets that. */
    Set<TopicPartition> takeOutdated(Collection<TopicPartition> assigned) {
        if (outdated.isEmpty()) return Set.of();
        var taken = new HashSet<>(assigned);
        taken.retainAll(outdated);
        outdated.clear(); // of others, whoever has them asks for what is committed
        return taken;
    }
}
