package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.kafka.ClusterSourceIds;
import io.tollgate.kafka.SourceIds;
import io.tollgate.mirror.Hold;
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
    static final String USAGE = "agent-usage";
    static final String REKEYED_USAGE = "simulated-rekeyed-usage-repartition";
    static final TaskTopics READ = new TaskTopics(REQUESTS, REKEYED, USAGE, REKEYED_USAGE);
    private static final List<String> NAMES = List.of(REQUESTS, REKEYED, USAGE, REKEYED_USAGE);

    /** The topics of each partition. */
    static final List<List<TopicPartition>> TOPICS = IntStream.range(0, PARTITIONS)
            .mapToObj(
                    i -> NAMES.stream().map(name -> new TopicPartition(name, i)).toList())
            .toList();

    /** A record that an agent has published. */
    static final class Published {
        final int number;
        final @Nullable String agent;
        final int cost;
        final boolean holds;
        final int partition;
        final long offset;
        /** The partition that it was published to, of the topic that it was published to. */
        final Log log;
        /** Its topic was deleted before it was decided. */
        boolean deleted;

        Published(int number, @Nullable String agent, int cost, boolean holds, int partition, long offset, Log log) {
            this.number = number;
            this.agent = agent;
            this.cost = cost;
            this.holds = holds;
            this.partition = partition;
            this.offset = offset;
            this.log = log;
        }

        /** Returns the name of the hold that it opens. */
        String name() {
            return REQUESTS + "/" + partition + "/" + offset;
        }

        @Override
        public String toString() {
            return "r" + number
                    + (agent == null ? " (invalid)" : " of " + agent + (holds ? " holds " : " cost ") + cost);
        }
    }

    /** A record that a worker has published of what a hold has used; {@code agent} is null for one that is no report. */
    record Report(int number, @Nullable String agent, String hold, int used) {
        @Override
        public String toString() {
            return "report " + number + (agent == null ? " (invalid)" : " of " + agent + ": " + hold + " used " + used);
        }
    }

    /**
     * What came of a report or a deadline.
     *
     * @param number in the order in which it and decisions were made
     * @param report null: it was a deadline
     * @param settlement null: the report was none
     */
    record SettledRecord(long number, @Nullable Report report, TaskOutput.@Nullable Settlement settlement) {}

    /**
     * What came of a record.
     *
     * @param number in the order in which it and what came of reports was made
     * @param decision null for one that is no request
     * @param hold what it has opened
     */
    record Output(
            long number,
            Published published,
            @Nullable Decision decision,
            @Nullable Policy policy,
            @Nullable Hold hold) {}

    /**
     * What a settlement gave back, or took where that is below 0.
     *
     * @param onConfirmed whether it was settled on what Redis holds; not where Redis has not answered since the partition has moved
     */
    record Settlement(String agent, double refundTokens, long atMicros, boolean onConfirmed) {}

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
        /** Null for what is of reports. */
        final @Nullable Published published;

        State state;

        Entry(long offset, byte[] value, Headers headers, long timestamp, @Nullable Published published, State state) {
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
        final List<SettledRecord> holds = new ArrayList<>();
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

        void ended(SettledRecord hold) {
            if (exactlyOnce) holds.add(hold);
            else SimulatedKafka.this.holds.add(hold);
        }

        void stray(
                String topic,
                int partition,
                byte[] value,
                Headers headers,
                long timestamp,
                @Nullable Published published) {
            var log = logs.get(topic)[partition];
            var state = exactlyOnce ? State.OPEN : State.COMMITTED;
            var entry = new Entry(log.next++, value, new RecordHeaders(headers.toArray()), timestamp, published, state);
            log.entries.add(entry);
            strays.add(entry);
            if (!written.contains(log)) written.add(log);
        }

        void commit(
                Map<TopicPartition, Long> offsets,
                Map<Integer, Map<String, byte[]>> stored,
                Map<Integer, Map<String, byte[]>> held) {
            end(State.COMMITTED);
            SimulatedKafka.this.outputs.addAll(outputs);
            SimulatedKafka.this.resets.addAll(resets);
            SimulatedKafka.this.settlements.addAll(settlements);
            SimulatedKafka.this.holds.addAll(holds);
            committed.putAll(offsets);
            store(stored, held);
        }

        void abort() {
            if (ended) return;
            end(State.ABORTED);
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
    /** Of open holds. */
    final List<Map<String, byte[]>> held = new ArrayList<>();

    final List<Published> published = new ArrayList<>();
    final List<Report> reports = new ArrayList<>();
    final List<Output> outputs = new ArrayList<>();
    /** Buckets that were filled, as committed events tell. */
    final List<BucketReset> resets = new ArrayList<>();
    /** Committed settlements. */
    final List<Settlement> settlements = new ArrayList<>();
    /** What came of reports and deadlines, and was committed. */
    final List<SettledRecord> holds = new ArrayList<>();

    private long made;

    SimulatedKafka(boolean exactlyOnce) {
        this.exactlyOnce = exactlyOnce;
        NAMES.forEach(this::create);
        for (int i = 0; i < PARTITIONS; i++) {
            changelogs.add(new HashMap<>());
            held.add(new HashMap<>());
        }
    }

    /** Returns the number of what is made next. */
    long next() {
        return made++;
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
        return ((long) incarnation * NAMES.size() + NAMES.indexOf(topic)) * PARTITIONS + partition;
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

    void store(Map<Integer, Map<String, byte[]>> buckets, Map<Integer, Map<String, byte[]>> openHolds) {
        store(buckets, changelogs);
        store(openHolds, held);
    }

    private static void store(Map<Integer, Map<String, byte[]>> written, List<Map<String, byte[]>> changelogs) {
        written.forEach((partition, entries) -> entries.forEach((key, value) -> {
            if (value == null) changelogs.get(partition).remove(key);
            else changelogs.get(partition).put(key, value);
        }));
    }

    /** @param agent null: what is published is no request */
    Published publish(@Nullable String agent, int cost, int partition, long nowMillis) {
        return publish(agent, cost, false, partition, nowMillis);
    }

    /** @param holds whether it asks for a hold */
    Published publish(@Nullable String agent, int cost, boolean holds, int partition, long nowMillis) {
        var log = logs.get(REQUESTS)[partition];
        var next = new Published(published.size(), agent, cost, holds, partition, log.next, log);
        published.add(next);
        var text = agent == null
                ? "r" + next.number + " is no request"
                : "{\"request_id\":\"r" + next.number + "\",\"agent_id\":\"" + agent + "\",\"tokens\":" + cost
                        + (holds ? ",\"hold\":true" : "") + "}";
        append(log, text, nowMillis, next);
        return next;
    }

    /** @param agent null: what is published is no report */
    void report(@Nullable String agent, String hold, int used, int partition, long nowMillis) {
        int number = reports.size();
        reports.add(new Report(number, agent, hold, used));
        var text = agent == null
                ? "r" + number + " is no report"
                : "{\"report\":\"r" + number + "\",\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":"
                        + used + "}";
        append(logs.get(USAGE)[partition], text, nowMillis, null);
    }

    private static void append(Log log, String text, long nowMillis, @Nullable Published published) {
        var value = text.getBytes(StandardCharsets.UTF_8);
        log.entries.add(new Entry(log.next++, value, new RecordHeaders(), nowMillis, published, State.COMMITTED));
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
