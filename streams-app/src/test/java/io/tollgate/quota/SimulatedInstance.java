package io.tollgate.quota;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.tollgate.bucket.BucketClock;
import io.tollgate.ingest.Branches;
import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.ParsePublished;
import io.tollgate.ingest.ParseRekeyed;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Stray;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.kafka.StreamThreadWatch;
import io.tollgate.metrics.PipelineMetrics;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.policy.Policies;
import io.tollgate.quota.SimulatedContext.Position;
import io.tollgate.quota.SimulatedKafka.Output;
import io.tollgate.quota.SimulatedKafka.Published;
import io.tollgate.quota.SimulatedKafka.Report;
import io.tollgate.quota.SimulatedKafka.SettledRecord;
import io.tollgate.quota.SimulatedKafka.Settlement;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.quota.TaskOutput.Ending;
import io.tollgate.quota.TaskOutput.HoldEnded;
import io.tollgate.redis.BucketKind;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.errors.TaskMigratedException;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/** One process of the pipeline with one stream thread: the real processors, in the hands of a history. */
final class SimulatedInstance {
    static final Duration TIMEOUT = Duration.ofMillis(100);
    static final Duration SESSION_TIMEOUT = Duration.ofSeconds(10);
    private static final Branches PARSED = new Branches("readable", "stray", "unreadable");
    private static final DecideRequests.DecisionBranches DECIDED =
            new DecideRequests.DecisionBranches("approved", "rejected", "settled", "all");
    /** Counts for all: to make the meters takes longer than a history. */
    private static final PipelineMetrics METRICS = new PipelineMetrics(new SimpleMeterRegistry());

    private final SimulatedTime time;
    private final SimulatedKafka kafka;
    private final StreamThreadWatch watch = new StreamThreadWatch(SESSION_TIMEOUT);
    private final RunningTasks running;
    private final Prefetch prefetch = new Prefetch();
    final SimulatedConnection connection;
    final SimulatedBreaker breaker;
    private final Policies policies;
    private final Simulation.Ledger ledger;
    private final Map<Integer, Task> tasks = new TreeMap<>();
    private final Map<TopicPartition, Long> positions = new HashMap<>();
    private final Map<TopicPartition, Deque<Buffered>> buffers = new HashMap<>();
    private final Map<TopicPartition, Long> consumed = new HashMap<>();
    /** Partitions of topics that were made anew, from which it has polled nothing since. */
    private final Set<TopicPartition> anew = new HashSet<>();

    private SimulatedKafka.Transaction transaction;
    /** Has lost its partitions, and does not know. */
    boolean zombie;

    boolean dead;
    /** The longest that requests waited for a Redis that did not answer, in one outage. */
    long longestOutageMicros;

    private long outageMicros;
    private int closings;
    /** How often a request waited for an answer. */
    long waits;

    private @Nullable Runnable standstillInPoll;
    private @Nullable Runnable standstillInWait;
    private ConsumerRecord<byte[], byte[]> current;
    private int incarnation;

    /** A record that was polled, and of which topic of its name. */
    private record Buffered(ConsumerRecord<byte[], byte[]> record, int incarnation) {}

    private final class Task {
        final int partition;
        final List<TopicPartition> topics;
        final SimulatedStore stored;
        final BucketStore store;
        final SimulatedStore held;
        final SimulatedContext<byte[], Incoming> requestsContext;
        final SimulatedContext<byte[], Incoming> rekeyedContext;
        final SimulatedContext<byte[], Incoming> reportsContext;
        final SimulatedContext<byte[], Incoming> rekeyedReportsContext;
        final SimulatedContext<byte[], TaskOutput> decideContext;
        final ParsePublished requests = new ParsePublished(requests(), PARSED, METRICS::invalid, METRICS);
        final ParseRekeyed rekeyed = new ParseRekeyed(requests(), PARSED, METRICS::invalid);
        final ParsePublished reports = new ParsePublished(reports(), PARSED, rule -> {}, METRICS);
        final ParseRekeyed rekeyedReports = new ParseRekeyed(reports(), PARSED, rule -> {});
        final DecideRequests decide = new DecideRequests(running, SimulatedKafka.READ, DECIDED);

        Task(int partition) {
            this.partition = partition;
            topics = topicsOf(partition);
            stored = new SimulatedStore(BucketStore.NAME, kafka.changelogs.get(partition));
            store = BucketStore.over(stored);
            held = new SimulatedStore(OpenHolds.STORE, kafka.held.get(partition));
            Map<String, StateStore> stores = Map.of(BucketStore.NAME, store, OpenHolds.STORE, held);
            requestsContext = new SimulatedContext<>(partition, stores, time, this::parsed);
            rekeyedContext = new SimulatedContext<>(partition, stores, time, this::parsed);
            reportsContext = new SimulatedContext<>(partition, stores, time, this::reported);
            rekeyedReportsContext = new SimulatedContext<>(partition, stores, time, this::reported);
            decideContext = new SimulatedContext<>(partition, stores, time, this::decided);
            requests.init(requestsContext);
            rekeyed.init(rekeyedContext);
            reports.init(reportsContext);
            rekeyedReports.init(rekeyedReportsContext);
            decide.init(decideContext);
        }

        private static RecordClassifier requests() {
            return RecordClassifier.ofRequests(SimulatedKafka.PARTITIONS, () -> 1_000_000);
        }

        private static RecordClassifier reports() {
            return RecordClassifier.ofReports(SimulatedKafka.PARTITIONS, () -> 1_000_000);
        }

        private void parsed(Record<byte[], Incoming> record, String child) {
            switch (child) {
                case "readable" -> decide.process(record);
                case "stray" -> sendHome(record, SimulatedKafka.REKEYED, published());
                default -> transaction.output(new Output(kafka.next(), published(), null, null, null));
            }
        }

        private void reported(Record<byte[], Incoming> record, String child) {
            switch (child) {
                case "readable" -> decide.process(record);
                case "stray" -> sendHome(record, SimulatedKafka.REKEYED_USAGE, null);
                default -> transaction.ended(new SettledRecord(kafka.next(), report(), null));
            }
        }

        private void sendHome(Record<byte[], Incoming> record, String topic, Published request) {
            var stray = (Stray) record.value();
            int home = RecordClassifier.partitionOf(stray.key(), SimulatedKafka.PARTITIONS);
            transaction.stray(topic, home, stray.bytes(), record.headers(), record.timestamp(), request);
        }

        private void decided(Record<byte[], TaskOutput> record, String child) {
            if (record.value() instanceof BucketReset reset) transaction.reset(reset);
            if (child.equals("all")) return;
            if (record.value() instanceof TaskOutput.Settlement settlement) {
                settled(settlement);
                return;
            }
            var decided = (DecidedRequest) record.value();
            ledger.decided(
                    published().agent,
                    SimulatedKafka.position(current.topic(), incarnation, current.partition(), current.offset()),
                    decided.decision());
            transaction.output(new Output(
                    kafka.next(),
                    published(),
                    decided.decision(),
                    decided.policy(),
                    decided.hold().orElse(null)));
        }

        private void settled(TaskOutput.Settlement settlement) {
            boolean expired = settlement instanceof HoldEnded ended && ended.ending() == Ending.EXPIRED;
            transaction.ended(new SettledRecord(kafka.next(), expired ? null : report(), settlement));
            if (!(settlement instanceof HoldEnded ended)) return;
            transaction.settled(new Settlement(
                    ended.hold().agentId(),
                    ended.refundedTokens(),
                    ended.settled().decidedAtMicros(),
                    isConfirmed(partition, ended.hold().agentId())));
        }

        void process(ConsumerRecord<byte[], byte[]> record) {
            var position = new Position(record.topic(), record.partition(), record.offset());
            requestsContext.at(position);
            rekeyedContext.at(position);
            reportsContext.at(position);
            rekeyedReportsContext.at(position);
            decideContext.at(position);
            var streamed = new Record<>(record.key(), record.value(), record.timestamp(), record.headers());
            switch (record.topic()) {
                case SimulatedKafka.REQUESTS -> requests.process(streamed);
                case SimulatedKafka.REKEYED -> rekeyed.process(streamed);
                case SimulatedKafka.USAGE -> reports.process(streamed);
                default -> rekeyedReports.process(streamed);
            }
        }

        void punctuate() {
            requestsContext.punctuate();
            rekeyedContext.punctuate();
            decideContext.punctuate();
        }

        void close() {
            requests.close();
            rekeyed.close();
            reports.close();
            rekeyedReports.close();
            decide.close();
        }
    }

    /**
     * Starts without any task.
     *
     * @param hostAheadMicros of the clock of this host
     * @param coldCalls that may take longer than the timeout
     */
    SimulatedInstance(
            SimulatedTime time,
            SimulatedKafka kafka,
            SimulatedRedis redis,
            Simulation.Ledger ledger,
            Policies policies,
            CallLimits limits,
            long hostAheadMicros,
            int coldCalls) {
        this.time = time;
        this.kafka = kafka;
        this.policies = policies;
        this.ledger = ledger;
        connection = new SimulatedConnection(time, redis, ledger);
        var clock = new BucketClock(SimulatedRedis.wallMicros(time.nowMicros()) + hostAheadMicros, time::nanoTime);
        breaker = new SimulatedBreaker(
                time,
                clock,
                TIMEOUT.toNanos(),
                connection.answersWithin(1_000_000),
                () -> connection.answersWithin(TIMEOUT.toNanos() / 1000));
        var own = new OwnTime();
        var calls = new RedisGateway(connection, (agent, kept) -> breaker, TIMEOUT, null, METRICS, own, coldCalls);
        running = new RunningTasks(new QuotaContext(
                SimulatedKafka.REQUESTS,
                SimulatedKafka.PARTITIONS,
                () -> 1_000_000,
                kafka.exactlyOnce,
                Optional.of(calls),
                clock,
                policies,
                kafka.sourceIds(),
                new CommittedOffsets(),
                METRICS,
                watch,
                own,
                limits));
        prefetch.configure(Map.of(Prefetch.TASKS_CONFIG, running));
        transaction = kafka.new Transaction();
    }

    Policies policies() {
        return policies;
    }

    AgentInspector inspector() {
        return new AgentInspector(running);
    }

    /** Settles a hold of an agent, as a report of its use does, where the agent's partition is this instance's. */
    void settle(String agent, double refundTokens) {
        int partition = RecordClassifier.partitionOf(agent.getBytes(StandardCharsets.UTF_8), SimulatedKafka.PARTITIONS);
        var task = running.byPartition().get(partition);
        if (task == null) return;
        beat();
        task.timer().wake(time.nanoTime());
        var settled = task.decider()
                .settle(agent, BucketKind.ENFORCED, refundTokens, task.decider().settlesAt(agent, BucketKind.ENFORCED));
        if (hasStoodStill()) return;
        transaction.settled(
                new Settlement(agent, refundTokens, settled.decidedAtMicros(), isConfirmed(partition, agent)));
    }

    /** Whether Redis has answered all that the agent has asked for: a call that has failed may have been charged. */
    private boolean isConfirmed(int partition, String agent) {
        var cache = running.byPartition().get(partition).cache();
        var buckets = cache.of(cache.agent(agent), BucketKind.ENFORCED);
        return !buckets.mayBeBehind() && buckets.calls().isEmpty();
    }

    private Published published() {
        return kafka.published.get(numberOfCurrent());
    }

    private Report report() {
        return kafka.reports.get(numberOfCurrent());
    }

    private int numberOfCurrent() {
        var value = current.value();
        int at = 0;
        while (value[at] != 'r' || value[at + 1] < '0' || value[at + 1] > '9') at++;
        int number = 0;
        while (value[++at] >= '0' && value[at] <= '9') number = 10 * number + value[at] - '0';
        return number;
    }

    private static List<TopicPartition> topicsOf(int partition) {
        return SimulatedKafka.TOPICS.get(partition);
    }

    /** Takes a partition up, from what was committed. */
    void assign(int partition) {
        for (var topic : topicsOf(partition)) {
            long from = kafka.committed.getOrDefault(topic, 0L);
            positions.put(topic, from > kafka.end(topic) ? 0 : from); // out of range: the earliest
            buffers.put(topic, new ArrayDeque<>());
        }
        tasks.put(partition, new Task(partition));
    }

    boolean runs(int partition) {
        return tasks.containsKey(partition);
    }

    /** The topic was made anew: what is committed of the old one does not count, and the consumer begins at the start of the new one. */
    void recreated(String topic) {
        for (var partition : positions.keySet()) if (partition.topic().equals(topic)) anew.add(partition);
        anew.forEach(partition -> positions.put(partition, 0L));
        consumed.keySet().removeIf(partition -> partition.topic().equals(topic));
    }

    /**
     * Has it stand still the next time that it polls or waits for Redis.
     *
     * @param meanwhile what happens then
     */
    void standStill(boolean waiting, Runnable meanwhile) {
        if (waiting) standstillInWait = meanwhile;
        else standstillInPoll = meanwhile;
    }

    /** Notes that its thread is at work, also where the history gives it nothing to do. */
    void beat() {
        try {
            watch.beat(time.nanoTime());
        } catch (TaskMigratedException idle) {
            // From now on it counts as at work.
        }
    }

    /** Returns whether it has lost its partitions since its last beat: then it rejoins. */
    private boolean hasStoodStill() {
        try {
            watch.beat(time.nanoTime());
            return false;
        } catch (TaskMigratedException migrated) {
            rejoin();
            return true;
        }
    }

    /** @return how many records came */
    int poll(int most, boolean reversed) {
        if (zombie) {
            loseAll();
            return 0;
        }
        beat();
        var polled = new LinkedHashMap<TopicPartition, List<ConsumerRecord<byte[], byte[]>>>();
        var partitions = new ArrayList<TopicPartition>(4);
        for (var task : tasks.values()) partitions.addAll(task.topics);
        if (reversed) java.util.Collections.reverse(partitions);
        int count = 0;
        for (var partition : partitions) {
            var entries = kafka.fetch(partition, positions.get(partition), most);
            if (entries.isEmpty()) continue;
            if (anew.remove(partition) && entries.get(0).offset > 0) {
                // The consumer always notices. Here it says so only where offsets do not tell the tasks.
                running.shared().sources().askedAgain(partition.topic(), partition.partition());
                rejoin();
                return 0;
            }
            var records = new ArrayList<ConsumerRecord<byte[], byte[]>>(entries.size());
            for (var entry : entries) records.add(SimulatedKafka.record(partition, entry));
            polled.put(partition, records);
            positions.put(partition, entries.get(entries.size() - 1).offset + 1);
            count += entries.size();
        }
        if (count == 0) return 0;
        var meanwhile = standstillInPoll;
        standstillInPoll = null;
        if (meanwhile != null) meanwhile.run();
        prefetch.onConsume(new ConsumerRecords<>(polled, Map.of()));
        if (hasStoodStill()) return 0;
        polled.forEach((partition, records) -> {
            int incarnation = kafka.incarnations.get(partition.topic());
            for (var record : records) buffers.get(partition).add(new Buffered(record, incarnation));
        });
        return count;
    }

    /**
     * Processes records that were polled.
     *
     * @param order bits that say from which of two partitions each comes
     * @return how many there were
     */
    int process(int most, int order) {
        punctuate();
        int count = 0;
        var waiting = new ArrayList<TopicPartition>(4);
        for (; count < most; count++) {
            waiting.clear();
            for (var task : tasks.values()) {
                for (int i = 0; i < task.topics.size(); i++) {
                    var topic = task.topics.get(i);
                    if (!buffers.get(topic).isEmpty()) waiting.add(topic);
                }
            }
            if (waiting.isEmpty()) break;
            int pick = order >> (count % 12) * 2 & 3;
            var partition = waiting.get(pick % waiting.size());
            var buffered = buffers.get(partition).removeFirst();
            current = buffered.record();
            incarnation = buffered.incarnation();
            try {
                tasks.get(partition.partition()).process(current);
            } catch (TaskMigratedException migrated) {
                rejoin();
                return count;
            }
            if (buffered.incarnation() == kafka.incarnations.get(partition.topic())) {
                consumed.put(partition, current.offset() + 1);
            }
        }
        return count;
    }

    /** The time of all, and how long this instance waits in it. */
    private final class OwnTime implements TaskTime {
        @Override
        public long nanoTime() {
            return time.nanoTime();
        }

        @Override
        public <T> CompletableFuture<T> within(CompletableFuture<T> call, long timeoutNanos) {
            return time.within(call, timeoutNanos);
        }

        @Override
        public <T> T await(CompletableFuture<T> call, long timeoutNanos)
                throws ExecutionException, TimeoutException, InterruptedException {
            var meanwhile = standstillInWait;
            if (!call.isDone() && meanwhile != null) {
                standstillInWait = null;
                meanwhile.run();
            }
            if (!call.isDone()) waits++;
            if (breaker.closings() != closings) outageMicros = 0;
            closings = breaker.closings();
            long before = time.nowMicros();
            boolean answered = false;
            try {
                T answer = time.await(call, timeoutNanos);
                answered = true;
                return answer;
            } finally {
                long waited = time.nowMicros() - before;
                outageMicros = answered ? 0 : outageMicros + waited;
                longestOutageMicros = Math.max(longestOutageMicros, Math.max(outageMicros, waited));
            }
        }
    }

    void punctuate() {
        beat();
        for (var task : tasks.values()) task.punctuate();
    }

    /** @return false if it is another's turn, and nothing was committed */
    boolean commit(boolean notNoticed) {
        var stored = new HashMap<Integer, Map<String, byte[]>>();
        var held = new HashMap<Integer, Map<String, byte[]>>();
        for (var task : tasks.values()) {
            task.store.flushCache();
            stored.put(task.partition, task.stored.takeWritten());
            held.put(task.partition, task.held.takeWritten());
        }
        if (zombie) {
            if (!kafka.exactlyOnce) kafka.store(stored, held);
            loseAll();
            return false;
        }
        transaction.commit(consumed, stored, held);
        transaction = kafka.new Transaction();
        if (!notNoticed) {
            var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
            consumed.forEach((partition, next) -> offsets.put(partition, new OffsetAndMetadata(next)));
            if (kafka.exactlyOnce) running.shared().committed().note(offsets);
            else prefetch.onCommit(offsets);
        }
        consumed.clear();
        return true;
    }

    /** Gives a partition up, after a commit. */
    void revoke(int partition) {
        ledger.lostPartition(partition);
        var task = tasks.remove(partition);
        if (task == null) return;
        task.close();
        for (var topic : topicsOf(partition)) {
            positions.remove(topic);
            anew.remove(topic);
            buffers.remove(topic);
        }
    }

    /** Learns that others have its partitions by now. */
    private void loseAll() {
        anew.clear();
        for (int partition : List.copyOf(tasks.keySet())) revoke(partition);
        transaction.abort();
        transaction = kafka.new Transaction();
        consumed.clear();
        zombie = false;
    }

    /** Gives everything up that is not committed, and starts again, as Streams does. */
    private void rejoin() {
        var mine = List.copyOf(tasks.keySet());
        boolean others = zombie;
        loseAll();
        if (!others) mine.forEach(this::assign);
    }

    /** Ends without a word. Its transaction stays open until somebody aborts it. */
    void crash() {
        dead = true;
        breaker.end();
        connection.abandon();
        var open = transaction;
        time.after(10_000_000, open::abort);
    }

    /** The broker ends what the instance left open: it starts again, or its time is over. */
    void abortTransaction() {
        transaction.abort();
    }
}
