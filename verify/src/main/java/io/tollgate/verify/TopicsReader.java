package io.tollgate.verify;

import io.tollgate.verify.Snapshot.OffsetSpan;
import io.tollgate.verify.Snapshot.OutputPartition;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads the topics as they are, and has them checked. Only reads: joins no group, commits nothing, creates no topic.
 *
 * <p>First reads the requests up to their topic's present end. Then reads the decided topics up to their end, and
 * on until each of these requests is decided or patience ends. Records published meanwhile count neither as lost
 * nor as invented.
 */
public final class TopicsReader {
    private static final Duration POLL = Duration.ofMillis(200);
    /** Events have the bucket's time and requests their sender's, whose clock may be ahead. */
    private static final Duration EVENTS_BEFORE = Duration.ofHours(1);

    private static final Duration STALLED = Duration.ofSeconds(60);

    private final VerifySettings settings;

    public TopicsReader(VerifySettings settings) {
        this.settings = settings;
    }

    /**
     * Reads and checks.
     *
     * @param from {@link Instant#MIN}: all that is retained; otherwise only requests with this timestamp or a later one
     * @param patience how long to wait for missing decisions
     * @param exclusive whether no other program spends, and Redis loses nothing
     * @throws CannotReadException if the brokers cannot be reached, or a topic is missing or not readable
     */
    public CheckReport verify(Instant from, Duration patience, boolean exclusive) throws CannotReadException {
        long fromMillis = from.equals(Instant.MIN) ? Long.MIN_VALUE : from.toEpochMilli();
        var checker = new Checker(
                from.equals(Instant.MIN)
                        ? CheckerSettings.ofAll(settings, exclusive)
                        : new CheckerSettings(
                                settings,
                                fromMillis,
                                Instant.now().plus(CarriedOver.FAR).toEpochMilli(),
                                exclusive));
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(consumerProperties())) {
            Snapshot snapshot = read(consumer, checker, fromMillis, patience);
            return checker.report(snapshot).withUnreadable(unreadable(consumer));
        } catch (UnknownTopicOrPartitionException gone) {
            throw new CannotReadException("a topic was deleted while it was read");
        } catch (TimeoutException unreachable) {
            throw new CannotReadException("no answer from the brokers at " + brokers());
        } catch (InterruptException interrupted) {
            throw new CannotReadException("interrupted");
        } catch (KafkaException failed) {
            Throwable cause = failed.getCause() == null ? failed : failed.getCause();
            throw new CannotReadException("cannot read from " + brokers() + ": " + oneLine(cause));
        }
    }

    private Snapshot read(Consumer<byte[], byte[]> consumer, Checker checker, long fromMillis, Duration patience)
            throws CannotReadException {
        List<TopicPartition> requests = partitions(consumer, settings.requestsTopic());
        List<TopicPartition> decided = Stream.concat(
                        partitions(consumer, settings.approvedTopic()).stream(),
                        partitions(consumer, settings.rejectedTopic()).stream())
                .toList();
        List<TopicPartition> policies = partitions(consumer, settings.policiesTopic());
        if (policies.size() != 1)
            throw new CannotReadException("topic " + settings.policiesTopic() + " has " + policies.size()
                    + " partitions, but must have exactly 1, or nobody knows which policy was the last:"
                    + " `tollgate topics check` says what to do");
        List<TopicPartition> events = partitions(consumer, settings.eventsTopic());
        List<TopicPartition> usage = partitionsIfThere(consumer, settings.usageTopic());
        List<TopicPartition> settled = partitionsIfThere(consumer, settings.settledTopic());

        // All at once, because a consumer refuses questions about partitions that it is not assigned.
        consumer.assign(Stream.of(requests, decided, policies, events, usage, settled)
                .flatMap(List::stream)
                .toList());
        Reader policy = kafka -> checker.policy(record(kafka));
        Map<TopicPartition, Long> policiesRead = readPresent(consumer, consumer.beginningOffsets(policies), policy);

        Map<TopicPartition, Long> requestsFrom = starts(consumer, requests, fromMillis);
        Map<TopicPartition, Long> requestsEnd = consumer.endOffsets(requests);
        seek(consumer, requestsFrom);
        readTo(consumer, requestsEnd, requestsEnd, kafka -> checker.request(record(kafka)));
        readPresent(consumer, starts(consumer, usage, fromMillis), kafka -> checker.reported(record(kafka)));

        Set<OutputPartition> trimmed = consumer.beginningOffsets(decided).entrySet().stream()
                .filter(begin -> begin.getValue() > 0)
                .map(begin -> output(begin.getKey()))
                .collect(Collectors.toCollection(HashSet::new));
        seek(consumer, starts(consumer, decided, fromMillis));
        readTo(consumer, consumer.endOffsets(decided), Map.of(), kafka -> checker.decided(decided(kafka)));
        long deadlineNanos = System.nanoTime() + patience.toNanos();
        while (checker.pending() > 0 && System.nanoTime() < deadlineNanos)
            consumer.poll(POLL).forEach(kafka -> checker.decided(decided(kafka)));

        // After the decisions: the decisions that spent a refund, or opened a hold, came before.
        readSettled(consumer, checker, settled, fromMillis, deadlineNanos);

        // Retention may have gone on meanwhile, and a policy may have been set just before its first decision.
        consumer.beginningOffsets(decided).forEach((partition, begin) -> {
            if (begin > 0) trimmed.add(output(partition));
        });
        Map<TopicPartition, Long> requestsBegin = consumer.beginningOffsets(requests);
        Map<TopicPartition, Long> requestsLogEnd = consumer.endOffsets(requests);
        readPresent(consumer, policiesRead, policy);
        // After the decisions: the event of a reset stands before, or beside, the decisions that spent its tokens.
        readPresent(consumer, startsOfEvents(consumer, events, fromMillis), kafka -> checker.event(kafka.value()));

        Map<Integer, OffsetSpan> ranges = new HashMap<>();
        for (TopicPartition partition : requests)
            ranges.put(
                    partition.partition(),
                    new OffsetSpan(
                            Math.max(of(requestsFrom, partition), of(requestsBegin, partition)),
                            of(requestsEnd, partition),
                            of(requestsLogEnd, partition)));
        return new Snapshot(ranges, trimmed);
    }

    private static long of(Map<TopicPartition, Long> offsets, TopicPartition partition) {
        return Objects.requireNonNull(offsets.get(partition));
    }

    /** Returns how many requests lie between the last readable one and the end of the log. */
    private long unreadable(Consumer<byte[], byte[]> committed) throws CannotReadException {
        List<TopicPartition> requests = partitions(committed, settings.requestsTopic());
        Map<String, Object> properties = consumerProperties();
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_uncommitted");
        properties.put(ConsumerConfig.CLIENT_ID_CONFIG, "tollgate-verify-ends");
        Map<TopicPartition, Long> readable = committed.endOffsets(requests);
        try (Consumer<byte[], byte[]> all = new KafkaConsumer<>(properties)) {
            all.assign(requests); // or it grumbles
            Map<TopicPartition, Long> ends = all.endOffsets(requests);
            // Two calls, between which more may be published: an open transaction was open at the first call.
            Map<TopicPartition, Long> later = committed.endOffsets(requests);
            return requests.stream()
                    .filter(partition -> of(later, partition) == of(readable, partition))
                    .mapToLong(partition -> of(ends, partition) - of(later, partition))
                    .sum();
        }
    }

    /** Reads from these offsets to the present ends, and returns the ends. */
    private static Map<TopicPartition, Long> readPresent(
            Consumer<byte[], byte[]> consumer, Map<TopicPartition, Long> from, Reader reader)
            throws CannotReadException {
        seek(consumer, from);
        Map<TopicPartition, Long> ends = consumer.endOffsets(from.keySet());
        readTo(consumer, ends, ends, reader);
        return ends;
    }

    private static Map<TopicPartition, Long> startsOfEvents(
            Consumer<byte[], byte[]> consumer, List<TopicPartition> partitions, long fromMillis) {
        boolean all = fromMillis == Long.MIN_VALUE;
        return starts(consumer, partitions, all ? fromMillis : fromMillis - EVENTS_BEFORE.toMillis());
    }

    private static void readSettled(
            Consumer<byte[], byte[]> consumer,
            Checker checker,
            List<TopicPartition> partitions,
            long fromMillis,
            long deadlineNanos)
            throws CannotReadException {
        boolean trimmed =
                consumer.beginningOffsets(partitions).values().stream().anyMatch(begin -> begin > 0);
        // The first record read of each partition tells from when nothing is missing.
        Map<Integer, Long> firstMillis = new HashMap<>();
        Reader reader = kafka -> {
            firstMillis.putIfAbsent(kafka.partition(), kafka.timestamp());
            checker.settled(record(kafka));
        };
        seek(consumer, startsOfEvents(consumer, partitions, fromMillis));
        readTo(consumer, consumer.endOffsets(partitions), Map.of(), reader);
        while (!partitions.isEmpty() && checker.unanswered() > 0 && System.nanoTime() < deadlineNanos)
            consumer.poll(POLL).forEach(reader::read);
        checker.readAt(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
        if (fromMillis == Long.MIN_VALUE && trimmed)
            checker.settledReadFrom(firstMillis.values().stream()
                            .mapToLong(Long::longValue)
                            .max()
                            .orElse(System.currentTimeMillis())
                    * 1000);
    }

    /** Seeks these offsets, so that the next poll starts exactly there. */
    private static void seek(Consumer<byte[], byte[]> consumer, Map<TopicPartition, Long> offsets) {
        consumer.pause(consumer.assignment());
        offsets.forEach(consumer::seek);
        consumer.resume(offsets.keySet());
    }

    /** Takes one record. */
    private interface Reader {
        void read(ConsumerRecord<byte[], byte[]> kafka);
    }

    /** Reads until every partition has reached {@code ends}, but nothing at or beyond {@code limits}. */
    private static void readTo(
            Consumer<byte[], byte[]> consumer,
            Map<TopicPartition, Long> ends,
            Map<TopicPartition, Long> limits,
            Reader reader)
            throws CannotReadException {
        Map<TopicPartition, Long> open = new HashMap<>(ends);
        long positions = -1;
        long movedNanos = System.nanoTime();
        while (true) {
            open.entrySet().removeIf(end -> {
                boolean reached = consumer.position(end.getKey()) >= end.getValue();
                if (reached && limits.containsKey(end.getKey())) consumer.pause(List.of(end.getKey()));
                return reached;
            });
            if (open.isEmpty()) return;
            long now = open.keySet().stream().mapToLong(consumer::position).sum();
            if (now != positions) movedNanos = System.nanoTime();
            else if (System.nanoTime() - movedNanos > STALLED.toNanos())
                throw new CannotReadException("nothing more comes from "
                        + open.keySet().iterator().next() + ", although there is more: is the broker up?");
            positions = now;
            for (ConsumerRecord<byte[], byte[]> kafka : consumer.poll(POLL)) {
                Long limit = limits.get(new TopicPartition(kafka.topic(), kafka.partition()));
                if (limit == null || kafka.offset() < limit) reader.read(kafka);
            }
        }
    }

    private static Map<TopicPartition, Long> starts(
            Consumer<byte[], byte[]> consumer, Collection<TopicPartition> partitions, long fromMillis) {
        if (fromMillis == Long.MIN_VALUE) return consumer.beginningOffsets(partitions);
        // A decided record has its request's timestamp unless that is far off, so the same cut loses no decision of a
        // request within it.
        Map<TopicPartition, Long> starts = new HashMap<>(consumer.endOffsets(partitions));
        Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(
                partitions.stream().collect(Collectors.toMap(partition -> partition, partition -> fromMillis)));
        found.forEach((partition, offset) -> {
            if (offset != null) starts.put(partition, offset.offset());
        });
        return starts;
    }

    /** Returns none if an earlier version without holds created the topics. */
    private static List<TopicPartition> partitionsIfThere(Consumer<byte[], byte[]> consumer, String topic) {
        try {
            List<PartitionInfo> partitions = consumer.partitionsFor(topic);
            return partitions == null
                    ? List.of()
                    : partitions.stream()
                            .map(partition -> new TopicPartition(topic, partition.partition()))
                            .toList();
        } catch (UnknownTopicOrPartitionException missing) {
            return List.of();
        }
    }

    private List<TopicPartition> partitions(Consumer<byte[], byte[]> consumer, String topic)
            throws CannotReadException {
        List<TopicPartition> found = partitionsIfThere(consumer, topic);
        if (found.isEmpty()) throw new CannotReadException("topic " + topic + " does not exist at " + brokers());
        return found;
    }

    private OutputPartition output(TopicPartition partition) {
        return new OutputPartition(outcome(partition.topic()), partition.partition());
    }

    private OutputTopic outcome(String topic) {
        return topic.equals(settings.approvedTopic()) ? OutputTopic.APPROVED : OutputTopic.REJECTED;
    }

    private static TopicRecord record(ConsumerRecord<byte[], byte[]> kafka) {
        return new TopicRecord(
                kafka.partition(), kafka.offset(), kafka.timestamp(), kafka.key(), kafka.value(), headers(kafka));
    }

    private OutputRecord decided(ConsumerRecord<byte[], byte[]> kafka) {
        return new OutputRecord(
                outcome(kafka.topic()),
                kafka.partition(),
                kafka.offset(),
                kafka.timestamp(),
                kafka.key(),
                kafka.value(),
                headers(kafka));
    }

    private static List<HeaderField> headers(ConsumerRecord<byte[], byte[]> kafka) {
        return StreamSupport.stream(kafka.headers().spliterator(), false)
                .map((Header header) -> new HeaderField(header.key(), header.value()))
                .toList();
    }

    private Map<String, Object> consumerProperties() {
        Map<String, Object> properties = new HashMap<>(settings.kafkaProperties());
        properties.putIfAbsent(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 15_000);
        properties.putIfAbsent(ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, 10_000);
        properties.putIfAbsent(ConsumerConfig.CLIENT_ID_CONFIG, "tollgate-verify");
        properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5_000);
        properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
        properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
        properties.remove(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG);
        properties.remove(ConsumerConfig.INTERCEPTOR_CLASSES_CONFIG);
        return properties;
    }

    private String brokers() {
        return String.valueOf(settings.kafkaProperties().get(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG));
    }

    private static String oneLine(Throwable failure) {
        String message = failure.getMessage();
        return Text.shorten(message == null ? failure.getClass().getSimpleName() : message);
    }
}
