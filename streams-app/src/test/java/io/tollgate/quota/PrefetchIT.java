package io.tollgate.quota;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.ingest.Request;
import io.tollgate.kafka.CommittedOffsets;
import io.tollgate.mirror.BucketCopy;
import io.tollgate.mirror.TaskSources;
import io.tollgate.redis.SpendResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** The consumer's side of one task, polled and processed by hand, on a real Redis. */
class PrefetchIT extends TasksOnRedis {
    private static final double CAPACITY = 100;
    private static final Limit TWO = new Limit(2, 0);
    private static final String KEY = "quota:agent:tokens";
    private static final Request REQUEST = new Request(Optional.empty(), "agent", 1, new byte[0]);

    @Test
    void earlyPollIsChargedOnce() {
        decideAll(10, 5);
        var again = decideAll(10, 0);

        assertThat(again).allMatch(Decision::isApproved);
        assertThat(again.get(9).remainingTokens()).isEqualTo(CAPACITY - 10);
        assertThat(registry.get("tollgate.replays").counter().count()).isEqualTo(10);
    }

    /** A stray overtakes a request at home that has been polled, but not sent: what was polled before it had been missed. */
    @Test
    void overtakingStrayIsChargedOnce() {
        var limit = new Limit(CAPACITY, 0);
        var task = task(shared(limit), store());
        var home = prefetched(task, TOPIC, 1, 0);
        var stray = prefetched(task, REKEYED, 0, -1);
        task.decider().decide(stray);
        var next = prefetched(task, TOPIC, 2, -1);
        task.decider().decide(home);
        task.decider().decide(next);

        var again = task(shared(limit), store());
        var last = List.of(
                        prefetched(again, TOPIC, 1, -1),
                        prefetched(again, TOPIC, 2, -1),
                        prefetched(again, REKEYED, 0, -1))
                .stream()
                .map(request -> again.decider().decide(request).decision())
                .toList();
        assertThat(last).allMatch(Decision::isApproved);
        assertThat(registry.get("tollgate.replays").counter().count()).isEqualTo(3);
    }

    /** The first answer says that nothing is left, because what follows has been charged as well. */
    @Test
    void replayOneByOneRefusesNothingNew() {
        var limit = new Limit(2, 0);
        var before = decideOneByOne(task(shared(limit), store()), 4);
        var after = decideOneByOne(task(shared(limit), store()), 4);

        assertThat(before).extracting(Decision::isApproved).containsExactly(true, true, false, false);
        assertThat(after).extracting(Decision::isApproved).containsExactly(true, true, false, false);
    }

    /** What Redis knows of the others would stand after the local decision, with the time of before the crash. */
    @Test
    void localDecisionComesBeforeTheOthers() {
        decideOneByOne(task(shared(TWO), store()), 4);
        var after = decideTheFirstWithoutRedis(task(shared(TWO), store()), 4);

        assertThat(after)
                .extracting(Decision::decidedBy)
                .containsExactly(DecidedBy.LOCAL, DecidedBy.REDIS, DecidedBy.REDIS, DecidedBy.REDIS);
        assertThat(after).extracting(Decision::decidedAtMicros).isSorted();
        assertThat(after).extracting(Decision::isApproved).containsExactly(true, true, false, false);
    }

    /** The answers of before the crash may have gone out. */
    @Test
    void localDecisionKeepsOtherAnswers_atLeastOnce() {
        var shared = shared(TWO, new CommittedOffsets(), false);
        var before = decideOneByOne(task(shared, store()), 4);
        var after = decideTheFirstWithoutRedis(task(shared, store()), 4);

        assertThat(after.subList(1, 4)).isEqualTo(before.subList(1, 4));
    }

    private List<Decision> decideTheFirstWithoutRedis(Task task, int count) {
        askRedis("RENAME " + KEY + " kept");
        askRedis("SET " + KEY + " text");
        var decisions = new ArrayList<>(decideOneByOne(task, 1));
        askRedis("RENAME kept " + KEY);
        var others = IntStream.range(1, count)
                .mapToObj(offset -> prefetched(task, TOPIC, offset, -1))
                .toList();
        for (var request : others) decisions.add(task.decider().decide(request).decision());
        return decisions;
    }

    /** Redis hears of a refusal with the next call, when the bucket holds enough for it. */
    @Test
    void refusalIsRepeatedAtItsOldTime() {
        var limit = new Limit(1, 2);
        var task = task(shared(limit), store());
        var before = decideOneByOne(task, 2);
        long filled = clock.getAsLong() + 600_000;
        await().until(() -> clock.getAsLong() > filled);
        assertThat(task.decider()
                        .decide(prefetched(task, TOPIC, 2, -1))
                        .decision()
                        .isApproved())
                .isTrue();
        var after = decideOneByOne(task(shared(limit), store()), 2);

        assertThat(before).extracting(Decision::isApproved).containsExactly(true, false);
        assertThat(after).isEqualTo(before);
    }

    /** Kafka's committed offset has gone back: what is polled again was charged, and its fence is gone. */
    @Test
    void committedRecordsDoNotAskRedis() {
        var store = store();
        var shared = shared(new Limit(CAPACITY, 0));
        var running = new RunningTasks(shared);
        var before = task(shared, store);
        before.offsets().take(new SimulatedContext.Position(TOPIC, 0, 9));
        before.beforeCommit();
        var prefetch = new Prefetch();
        prefetch.configure(Map.of(Prefetch.TASKS_CONFIG, running));
        var task = task(shared, store);
        running.byPartition().put(0, task);

        var noted = poll(prefetch, 0, 12).stream()
                .map(record -> PendingDecision.take(record.headers()))
                .toList();

        assertThat(noted.subList(0, 10)).containsOnlyNulls();
        assertThat(noted.subList(10, 12)).doesNotContainNull();
        assertThat(task.decider().decide(noted.get(10)).decision().remainingTokens())
                .isEqualTo(CAPACITY - 1);
        assertThat(task.decider().decide(noted.get(11)).decision().remainingTokens())
                .isEqualTo(CAPACITY - 2);
    }

    /** What waits for a single Redis is what others wait for, too: it gets the next call when it has answered the one before. */
    @Test
    void twoCallsAtATimeDecideEverything() {
        int agents = 1_280;
        var task = task(shared(new Limit(1, 0)), store());
        var polled = new ArrayList<PendingDecision>();
        for (int offset = 0; offset < 2 * agents; offset++) {
            var request = pending(task, "agent-" + offset % agents, offset);
            polled.add(request);
        }
        task.queue().prefetch(TaskSources.REQUESTS, polled, -1);
        var sent = polled.stream().filter(request -> request.asked() != null).toList();
        var decisions = new ArrayList<Decision>();
        for (var request : polled) decisions.add(task.decider().decide(request).decision());

        assertThat(sent).hasSize(2 * 128 * 2);
        assertThat(decisions).extracting(Decision::decidedBy).containsOnly(DecidedBy.REDIS);
        assertThat(decisions.subList(0, agents)).allMatch(Decision::isApproved);
        assertThat(decisions.subList(agents, 2 * agents)).noneMatch(Decision::isApproved);
    }

    /** At low load a poll brings a few records of each partition. */
    @Test
    void pollOfSeveralPartitionsIsOneCall() {
        var shared = shared(new Limit(CAPACITY, 0));
        var polled = new ArrayList<PendingDecision>();
        var queues = new ArrayList<SendQueue>();
        for (int partition = 0; partition < 3; partition++) {
            var task = task(shared, store(), partition);
            for (int i = 0; i < 5; i++) polled.add(pending(task, "agent-" + partition + "-" + i, i));
            task.queue().prefetch(TaskSources.REQUESTS, polled.subList(5 * partition, polled.size()), -1);
            queues.add(task.queue());
        }
        SendQueue.sendPolled(queues);

        assertThat(polled.stream().map(request -> request.asked().call()).distinct())
                .hasSize(1);
        assertThat(polled).allSatisfy(request -> {
            var answer = (SpendResult.Decided) request.asked().await().orElseThrow();
            assertThat(answer.decisions().get(0).remainingTokens()).isEqualTo(CAPACITY - 1);
        });
    }

    /** What the store holds is committed with the decisions: a crash then loses nothing of it. */
    @Test
    void firstAgentsAreStoredWithDecisions() {
        var store = store();
        var task = task(shared(new Limit(CAPACITY, 0)), store);
        decideForEach(task, 0, 520);
        task.cache().beforeCommit();
        long withTheirDecisions = store.wrapped().approximateNumEntries();
        decideForEach(task, 520, 512);
        task.cache().beforeCommit();
        byte[] twiceSpent = store.wrapped().get("agent-0");
        task.cache().writeBehind();

        assertThat(withTheirDecisions).isEqualTo(512);
        assertThat(BucketCopy.decode(twiceSpent).buckets().leastTokens()).isEqualTo(CAPACITY - 2);
        assertThat(store.wrapped().approximateNumEntries()).isEqualTo(520);
    }

    /** Decides one request of each of so many agents. */
    private static void decideForEach(Task task, long firstOffset, int agents) {
        for (int i = 0; i < agents; i++) {
            var pending = pending(task, "agent-" + i, firstOffset + i);
            task.queue().prefetch(TaskSources.REQUESTS, List.of(pending), -1);
            task.decider().decide(pending);
        }
    }

    private static PendingDecision pending(Task task, String agentId, long offset) {
        var request = new Request(Optional.empty(), agentId, 1, new byte[0]);
        return new PendingDecision(request, TaskSources.REQUESTS, offset, 0, true);
    }

    private static List<Decision> decideOneByOne(Task task, int count) {
        var decisions = new ArrayList<Decision>();
        for (int offset = 0; offset < count; offset++) {
            decisions.add(
                    task.decider().decide(prefetched(task, TOPIC, offset, -1)).decision());
        }
        return decisions;
    }

    private static PendingDecision prefetched(Task task, String topic, long offset, long missedThrough) {
        var request = new PendingDecision(REQUEST, task.offsets().sources().placeOf(topic), offset, 0, true);
        task.queue().prefetch(request.place(), List.of(request), missedThrough);
        return request;
    }

    private QuotaContext shared(Limit limit) {
        return shared(limit, new CommittedOffsets());
    }

    /** As a fresh process: polls the first {@code missed} of {@code count} requests before the task runs, the others after. */
    private List<Decision> decideAll(int count, int missed) {
        var shared = shared(new Limit(CAPACITY, 0));
        var running = new RunningTasks(shared);
        var prefetch = new Prefetch();
        prefetch.configure(Map.of(Prefetch.TASKS_CONFIG, running));
        var polled = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        polled.addAll(poll(prefetch, 0, missed));
        var task = task(shared, store());
        running.byPartition().put(0, task);
        polled.addAll(poll(prefetch, missed, count));
        var decisions = new ArrayList<Decision>();
        for (var record : polled) {
            var pending = PendingDecision.take(record.headers());
            if (pending == null) pending = new PendingDecision(REQUEST, TaskSources.REQUESTS, record.offset(), 0, true);
            decisions.add(task.decider().decide(pending).decision());
        }
        return decisions;
    }

    private static List<ConsumerRecord<byte[], byte[]>> poll(Prefetch prefetch, int from, int to) {
        var partition = new TopicPartition(TOPIC, 0);
        var records = LongStream.range(from, to)
                .mapToObj(offset -> new ConsumerRecord<>(
                        TOPIC, 0, offset, "agent".getBytes(UTF_8), "{\"agent_id\":\"agent\"}".getBytes(UTF_8)))
                .toList();
        if (!records.isEmpty()) prefetch.onConsume(new ConsumerRecords<>(Map.of(partition, records), Map.of()));
        return records;
    }
}
