package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.kafka.ClusterSourceIds;
import io.tollgate.kafka.SourceIds;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.policy.Policy;
import io.tollgate.quota.TaskOutput.BucketReset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.jspecify.annotations.Nullable;

/** Topics, transactions and a group's offsets, as those see them who read committed records. */
final class SimulatedKafka {
    static final int PARTITIONS = 2;
    static final String REQUESTS = "agent-requests";
    static final String REKEYED = "simulated-rekeyed-repartition";
    static final TaskTopics READ =
            new TaskTopics(REQUESTS, REKEYED, "simulated-usage", "simulated-rekeyed-usage-repartition");

    /** The two topics of each partition. */
    static final List<List<TopicPartition>> TOPICS = IntStream.range(0, PARTITIONS)
            .mapToObj(i -> List.of(new TopicPartition(REQUESTS, i), new TopicPartition(REKEYED, i)))
            .toList();

    /** A record that an agent has published. */
    static final class Published {
        final int number;
        final @Nullable String agent;
        final int cost;
        final int partition;
        final long offset;
        /** The partition that it was published to, of the topic that it was published to. */
        final Log log;
        /** Its topic was deleted before it was decided. */
        boolean deleted;

        Published(int number, @Nullable String agent, int cost, int partition, long offset, Log log) {
            this.number = number;
            this.agent = agent;
            this.cost = cost;
            this.partition = partition;
            this.offset = offset;
            this.log = log;
        }

        @Override
        public String toString() {
            return "r" + number + (agent == null ? " (invalid)" : " of " + agent + " cost " + cost);
        }
    }

    /** What came of a record; {@code decision} is null for one that is no request. */
    record Output(
            Published published,
            @Nullable Decision decision,
            @Nullable Policy policy) {}

    /** What a settlement gave back, or took where that is below 0. */
    record Settlement(String agent, double refundTokens, long atMicros) {}

    enum State {
        OPEN,
        COMMITTED,
        ABORTED
    }

    static final class Entry {
        final long offset;
        final byte[] value;
        final Headers headers;
        final long timestamp;
        final Published published;
        State state;

        Entry(long offset, byte[] value, Headers headers, long timestamp, Published published, State state) {
            this.offset = offset;
            this.value = value;
            this.headers = headers;
            this.timestamp = timestamp;
            this.published = published;
            this.state = state;
        }
    }

    static final class Log {
        final String topicId;
        final List<Entry> entries = new ArrayList<>();
        long next;

        Log(String topicId) {
            this.topicId = topicId;
        }
    }

    /** What an instance has written since its last commit. */
    final class Transaction {
        final List<Entry> strays = new ArrayList<>();
        final List<Log> written = new ArrayList<>();
        final List<Output> outputs = new ArrayList<>();
        final List<BucketReset> resets = new ArrayList<>();
        final List<Settlement> settlements = new ArrayList<>();
        boolean ended;

        void output(Output output) {
            if (exactlyOnce) outputs.add(output);
            else SimulatedKafka.this.outputs.add(output);
        }

        void reset(BucketReset reset) {
            if (exactlyOnce) resets.add(reset);
            else SimulatedKafka.this.resets.add(reset);
        }

        void settled(Settlement settlement) {
            if (exactlyOnce) settlements.add(settlement);
            else SimulatedKafka.this.settlements.add(settlement);
        }

        void stray(int partition, byte[] value, Headers headers, long timestamp, Published published) {
            var log = logs.get(REKEYED)[partition];
            var state = exactlyOnce ? State.OPEN : State.COMMITTED;
            var entry = new Entry(log.next++, value, new RecordHeaders(headers.toArray()), timestamp, published, state);
            log.entries.add(entry);
            strays.add(entry);
            if (!written.contains(log)) written.add(log);
        }

        void commit(Map<TopicPartition, Long> offsets, Map<Integer, Map<String, byte[]>> stored) {
            end(State.COMMITTED);
            SimulatedKafka.this.outputs.addAll(outputs);
            SimulatedKafka.this.resets.addAll(resets);
            SimulatedKafka.this.settlements.addAll(settlements);
            committed.putAll(offsets);
            store(stored);
        }

        void abort() {
            if (ended) return;
            end(State.ABORTED);
            undone.addAll(settlements);
        }

        private void end(State state) {
            ended = true;
            if (!exactlyOnce) return;
            for (var entry : strays) entry.state = state;
            for (var log : written) log.next++; // the marker
        }
    }

    final boolean exactlyOnce;
    final Map<String, Log[]> logs = new HashMap<>();
    final Map<String, Integer> incarnations = new HashMap<>();
    final Map<TopicPartition, Long> committed = new HashMap<>();
    final List<Map<String, byte[]>> changelogs = new ArrayList<>();
    final List<Published> published = new ArrayList<>();
    final List<Output> outputs = new ArrayList<>();
    /** Buckets that were filled, as committed events tell. */
    final List<BucketReset> resets = new ArrayList<>();
    /** Settlements that were aborted. */
    final List<Settlement> undone = new ArrayList<>();
    /** Committed settlements. */
    final List<Settlement> settlements = new ArrayList<>();

    SimulatedKafka(boolean exactlyOnce) {
        this.exactlyOnce = exactlyOnce;
        create(REQUESTS);
        create(REKEYED);
        for (int i = 0; i < PARTITIONS; i++) changelogs.add(new HashMap<>());
    }

    private void create(String topic) {
        var topicId = topic + "#" + incarnations.merge(topic, 1, Integer::sum);
        var partitions = new Log[PARTITIONS];
        Arrays.setAll(partitions, i -> new Log(topicId));
        logs.put(topic, partitions);
    }

    /** Deletes the topic and creates it again. */
    void recreate(String topic) {
        for (var log : logs.get(topic)) {
            for (var entry : log.entries) entry.published.deleted = true;
        }
        create(topic);
        committed.keySet().removeIf(partition -> partition.topic().equals(topic));
    }

    /** Returns the number of a partition of the topic that bore this name as the n-th; never 0. */
    private static long source(String topic, int incarnation, int partition) {
        return ((long) incarnation * 2 + (topic.equals(REKEYED) ? 1 : 0)) * PARTITIONS + partition;
    }

    /** Returns a number that no other record has. */
    static long position(String topic, int incarnation, int partition, long offset) {
        return position(source(topic, incarnation, partition), offset);
    }

    static long position(long source, long offset) {
        return source << 32 | offset;
    }

    static long source(long position) {
        return position >> 32;
    }

    /** Names sources as {@link ClusterSourceIds} does for an instance whose polls are not seen: by the topics that it asked for last. */
    private final class AskedSourceIds implements SourceIds {
        private final Map<String, Integer> asked = new HashMap<>();

        @Override
        public long idOf(String topic, int partition) {
            return source(topic, asked.computeIfAbsent(topic, name -> incarnations.getOrDefault(name, 0)), partition);
        }

        @Override
        public long askedAgain(String topic, int partition) {
            asked.put(topic, incarnations.getOrDefault(topic, 0));
            return idOf(topic, partition);
        }
    }

    /** Returns the numbers under which an instance keeps offsets. */
    SourceIds sourceIds() {
        return new AskedSourceIds();
    }

    void store(Map<Integer, Map<String, byte[]>> written) {
        written.forEach((partition, entries) -> entries.forEach((key, value) -> {
            if (value == null) changelogs.get(partition).remove(key);
            else changelogs.get(partition).put(key, value);
        }));
    }

    /** @param agent null: what is published is no request */
    Published publish(@Nullable String agent, int cost, int partition, long nowMillis) {
        var log = logs.get(REQUESTS)[partition];
        var next = new Published(published.size(), agent, cost, partition, log.next, log);
        published.add(next);
        var text = agent == null
                ? "r" + next.number + " is no request"
                : "{\"request_id\":\"r" + next.number + "\",\"agent_id\":\"" + agent + "\",\"tokens\":" + cost + "}";
        log.entries.add(new Entry(
                log.next++,
                text.getBytes(StandardCharsets.UTF_8),
                new RecordHeaders(),
                nowMillis,
                next,
                State.COMMITTED));
        return next;
    }

    /** Returns what a consumer at this position gets, without what was aborted. */
    List<Entry> fetch(TopicPartition partition, long position, int most) {
        var got = new ArrayList<Entry>();
        var entries = logs.get(partition.topic())[partition.partition()].entries;
        for (int i = firstAt(entries, position); i < entries.size() && got.size() < most; i++) {
            var entry = entries.get(i);
            if (entry.state == State.OPEN) break;
            if (entry.state == State.COMMITTED) got.add(entry);
        }
        return got;
    }

    private static int firstAt(List<Entry> entries, long position) {
        int low = 0;
        int high = entries.size();
        while (low < high) {
            int middle = (low + high) / 2;
            if (entries.get(middle).offset < position) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    long end(TopicPartition partition) {
        return logs.get(partition.topic())[partition.partition()].next;
    }

    static ConsumerRecord<byte[], byte[]> record(TopicPartition partition, Entry entry) {
        return new ConsumerRecord<>(
                partition.topic(),
                partition.partition(),
                entry.offset,
                entry.timestamp,
                TimestampType.CREATE_TIME,
                -1,
                entry.value.length,
                null,
                entry.value,
                new RecordHeaders(entry.headers.toArray()),
                Optional.of(0));
    }
}
