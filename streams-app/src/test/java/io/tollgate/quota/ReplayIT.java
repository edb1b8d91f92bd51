package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.ingest.Request;
import io.tollgate.kafka.CommittedOffsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One agent's requests from two sources, decided by a task that dies again and again, on a real Redis. */
@Execution(ExecutionMode.CONCURRENT)
class ReplayIT extends TasksOnRedis {
    private static final Limit LIMIT = new Limit(2, 20);
    private static final List<String> TOPICS = List.of(TOPIC, REKEYED);
    private static final int REQUESTS = 400;

    private record Seen(int life, double cost, Decision decision) {}

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void replayDecidesLikeOneBucket(long seed) {
        var random = new Random(seed);
        double[][] costs = new double[TOPICS.size()][REQUESTS];
        for (var ofTopic : costs) for (int i = 0; i < REQUESTS; i++) ofTopic[i] = random.nextBoolean() ? 0.5 : 1;
        List<List<Seen>> seen = List.of(new ArrayList<>(), new ArrayList<>());
        int[] committed = {0, 0};
        boolean done = false;
        for (int life = 0; !done; life++) {
            var offsets = new CommittedOffsets();
            var task = task(shared(LIMIT, offsets), store());
            for (int source = 0; source < TOPICS.size(); source++) cut(seen.get(source), committed[source]);
            do {
                int source = random.nextInt(TOPICS.size());
                decide(task, source, 1 + random.nextInt(6), costs[source], seen.get(source), life);
                LockSupport.parkNanos(random.nextInt(15_000_000)); // lets the bucket fill a little
                if (random.nextInt(8) == 0) {
                    for (int i = 0; i < TOPICS.size(); i++) {
                        committed[i] = Math.max(committed[i], seen.get(i).size() - random.nextInt(4));
                        var partition = new TopicPartition(TOPICS.get(i), 0);
                        offsets.note(Map.of(partition, new OffsetAndMetadata(committed[i])));
                    }
                }
                done = seen.stream().allMatch(all -> all.size() == REQUESTS);
            } while (!done && random.nextInt(15) > 0);
        }

        seen.forEach(ReplayIT::keepOrder);
        followOneBucket(seen.stream().flatMap(List::stream).toList());
    }

    /** What was not committed is forgotten by everybody but Redis. */
    private static void cut(List<Seen> seen, int committed) {
        seen.subList(committed, seen.size()).clear();
    }

    private static void decide(Task task, int source, int count, double[] costs, List<Seen> seen, int life) {
        var polled = new ArrayList<PendingDecision>();
        for (int offset = seen.size(); offset < Math.min(REQUESTS, seen.size() + count); offset++) {
            var request = new Request(Optional.empty(), "agent", costs[offset], new byte[0]);
            polled.add(new PendingDecision(request, source, offset, 0, true));
        }
        if (polled.isEmpty()) return;
        task.queue().prefetch(source, polled, -1);
        for (var pending : polled) {
            seen.add(new Seen(
                    life,
                    pending.charge().costTokens(),
                    task.decider().decide(pending).decision()));
        }
    }

    private static void keepOrder(List<Seen> seen) {
        for (int offset = 1; offset < seen.size(); offset++) {
            var before = seen.get(offset - 1);
            var now = seen.get(offset);
            assertThat(now.decision().decidedAtMicros())
                    .as("offset %s: %s after %s", offset, now, before)
                    .isGreaterThanOrEqualTo(before.decision().decidedAtMicros());
        }
    }

    /** What one bucket would have said at those times. */
    private static void followOneBucket(List<Seen> all) {
        var byTime = all.stream()
                .sorted(Comparator.comparing(one -> one.decision().decidedAtMicros()))
                .toList();
        var bucket =
                Bucket.full(LIMIT, TokenBucket.seconds(byTime.get(0).decision().decidedAtMicros()));
        for (int from = 0, to; from < byTime.size(); from = to) {
            long now = byTime.get(from).decision().decidedAtMicros();
            bucket = TokenBucket.refill(bucket, LIMIT, TokenBucket.seconds(now));
            double spent = 0;
            for (to = from; to < byTime.size() && byTime.get(to).decision().decidedAtMicros() == now; to++) {
                if (byTime.get(to).decision().isApproved())
                    spent += byTime.get(to).cost();
            }
            double left = bucket.tokens() - spent;
            assertThat(left).as("tokens left at %s", now).isGreaterThan(-1e-4);
            assertThat(byTime.subList(from, to))
                    .as("nothing is refused that %s tokens cover", left)
                    .noneMatch(one -> !one.decision().isApproved() && one.cost() < left - 1e-4);
            bucket = new Bucket(left, bucket.lastRefillSeconds());
        }
    }
}
