package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.metrics.RareWarning;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.redis.Answer;
import io.tollgate.redis.Spend;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides the requests of one task's agents. For one stream thread alone: the one that polls the task's records and processes
 * them.
 *
 * <p>Three ways, in this order: what Redis answered to the call that was sent when the records were polled; a call made now, for
 * all of the agent's requests that wait; the mirror. A request whose call failed is never sent again: Redis may have charged it.
 */
final class TaskBuckets {
    private static final Logger log = LoggerFactory.getLogger(TaskBuckets.class);

    private final RareWarning unusableKeys = new RareWarning(log);
    private final RareWarning repairs = new RareWarning(log);
    private final RareWarning goneBack = new RareWarning(log);
    private final Questions questions = new Questions();
    private final TaskActivity activity = new TaskActivity();
    private final Refills refills;
    private Consumer<BucketReset> resets = reset -> {};
    private final Shared shared;
    private final CallLimits limits;
    private final Mirror mirror;
    private final long requestsSource;
    private final long rekeyedSource;
    private final TopicPartition requests;
    private final TopicPartition rekeyed;
    private final Deque<Unsent> unsent = new ArrayDeque<>();
    private final Deque<Chunk> unanswered = new ArrayDeque<>();
    /** The agents of the batch that is being polled. */
    private final List<Agent> polled = new ArrayList<>();

    private final Progress requestsProgress;
    private final Progress rekeyedProgress;

    TaskBuckets(Shared shared, KeyValueStore<String, byte[]> store, int partition, String rekeyedTopic) {
        this.shared = shared;
        this.limits = shared.callLimits();
        this.mirror = new Mirror(store, shared.policies(), shared.partitions());
        this.requests = new TopicPartition(shared.requestsTopic(), partition);
        this.rekeyed = new TopicPartition(rekeyedTopic, partition);
        this.requestsSource = shared.sources().idOf(shared.requestsTopic(), partition);
        this.rekeyedSource = shared.sources().idOf(rekeyedTopic, partition);
        this.requestsProgress = progress(store, requests, requestsSource);
        this.rekeyedProgress = progress(store, rekeyed, rekeyedSource);
        this.refills = new Refills(mirror, questions);
    }

    private Progress progress(KeyValueStore<String, byte[]> store, TopicPartition partition, long source) {
        return shared.exactlyOnce() ? Progress.exactlyOnce(store, partition.topic(), source) : Progress.atLeastOnce();
    }

    /** Returns where other threads ask for this task's state; answered by {@link #answerQuestions}. */
    Questions questions() {
        return questions;
    }

    /** Says who is told of each bucket that is filled, at once and on the stream thread: what it writes is committed with the filling. */
    void tellResets(Consumer<BucketReset> resets) {
        this.resets = resets;
    }

    TaskActivity activity() {
        return activity;
    }

    /** Answers other threads' questions, and tells Redis of buckets that were filled while it was away. */
    void answerQuestions() {
        // No commit is under way here: the last has succeeded, or this task would be no more.
        refills.committed();
        questions.answer();
        shared.redis()
                .ifPresent(redis -> refills.tell(
                        redis, agentId -> shared.policies().of(agentId).terms()));
    }

    /** Shows an agent: what Redis holds, as it will continue with our copy; the mirror while Redis is not in use. */
    void look(String agentId, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = mirror.of(agent, kept(policy));
        var mirrored = viewOfMirror(buckets, policy);
        var redis = redisFor(buckets);
        if (redis.isEmpty() || buckets.isRefillUntold()) {
            answer.complete(mirrored);
            return;
        }
        redis.get()
                .look(buckets.spend(List.of(), policy.terms(), requestsSource, committed(requestsSource)))
                .whenComplete((held, failure) -> answer.complete(failure != null ? mirrored : mirrored.inRedis(held)));
    }

    private AgentView viewOfMirror(AgentMirror buckets, Policy policy) {
        long nowMicros = shared.clock().getAsLong();
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = TokenBucket.refill(buckets.bucketsOrFull(policy.terms(), nowSeconds), policy.terms(), nowSeconds);
        var recent = activity.recent(buckets.agent());
        return new AgentView(policy, held, DecidedBy.LOCAL, nowMicros, isKnown(buckets.agent()), recent);
    }

    private boolean isKnown(Agent agent) {
        if (agent.lastDecidedMicros() > 0 || agent.isAwaited()) return true;
        for (var kept : Spend.Kept.values()) {
            if (mirror.of(agent, kept).bucket() != null) return true;
        }
        return false;
    }

    /**
     * Fills an agent's buckets: at once in the mirror, and once that is committed in Redis, as soon as it answers. An answer comes
     * after the commit: what is undone was never told.
     *
     * @param by who
     */
    void reset(String agentId, String by, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = mirror.of(agent, kept(policy));
        // A moment of its own, so that every reader knows what was decided before.
        long nowMicros = agent.notBeforeLast(Math.max(shared.clock().getAsLong(), agent.lastDecidedMicros() + 1));
        buckets.fill(
                AgentBuckets.full(policy.terms(), TokenBucket.seconds(nowMicros)),
                shared.redis().isPresent());
        mirror.storeWithCommit(buckets);
        refills.afterCommit(buckets, () -> tellFilled(agentId, kept(policy), answer));
        resets.accept(new BucketReset(agentId, policy, nowMicros, by));
    }

    private void tellFilled(String agentId, Spend.Kept kept, CompletableFuture<AgentView> answer) {
        var agent = mirror.agent(agentId);
        var policy = agent.policy(shared.policies());
        var buckets = mirror.of(agent, kept);
        if (buckets.isRefillUntold()) refills.note(buckets);
        redisFor(buckets)
                .ifPresentOrElse(
                        redis -> refills.tell(redis, buckets, policy.terms(), () -> look(agentId, answer)),
                        () -> look(agentId, answer));
    }

    Mirror mirror() {
        return mirror;
    }

    /** Returns the source of offsets on this topic of the task. */
    long source(String topic) {
        return topic.equals(shared.requestsTopic()) ? requestsSource : rekeyedSource;
    }

    private long committed(long source) {
        return shared.committed().of(source == requestsSource ? requests : rekeyed);
    }

    private Progress progress(long source) {
        return source == requestsSource ? requestsProgress : rekeyedProgress;
    }

    /** Notes the batch that is being polled, before any of it is noted. */
    void polled(long source, List<ConsumerRecord<byte[], byte[]>> records) {
        progress(source).polled(records);
    }

    /** Returns whether the record is to be decided, or was before. */
    boolean isNew(long source, long offset) {
        return progress(source).isNew(offset);
    }

    /** Takes a record in, as {@link io.tollgate.ingest.Intake} says. */
    boolean take(RecordMetadata position) {
        var progress = progress(source(position.topic()));
        if (progress.take(position.offset())) return true;
        shared.metrics().decidedBefore();
        goneBack.say(
                "{}-{} is read again from offset {}, but was decided through {}: Kafka's committed offset has gone back. Nothing "
                        + "is decided twice; what was is left out",
                position.topic(),
                position.partition(),
                position.offset(),
                progress.takenThrough());
        return false;
    }

    /** Writes to the store what must be committed with what the task commits now. */
    void beforeCommit() {
        mirror.beforeCommit();
        refills.beforeCommit();
        requestsProgress.beforeCommit();
        rekeyedProgress.beforeCommit();
    }

    /** Notes a request of the batch that is being polled, in the order of offsets. */
    void notePolled(PendingDecision request) {
        var agent = mirror.agent(request.request().agentId());
        if (agent.notePolled(request)) polled.add(agent);
    }

    /** Forgets what was noted of the batch that is being polled. */
    void forgetPolled() {
        for (var agent : polled) agent.takePolled();
        polled.clear();
    }

    /**
     * Notes the polled requests as pending, and sends them to Redis, a few calls at a time, each as large as {@link CallLimits} says.
     *
     * @param source of all of them
     * @param missedThrough the last offset of the source that was polled without being noted here; -1: none. Nothing is sent
     *     before it is decided: Redis would decide it after its successors, and no fence would remember it
     */
    void prefetch(long source, long missedThrough) {
        boolean mayBeSent = shared.redis().isPresent() && progress(source).takenThrough() >= missedThrough;
        var chunk = new LinkedHashMap<AgentMirror, List<PendingDecision>>();
        int charges = 0;
        for (var agent : polled) {
            var requests = agent.takePolled();
            var policy = agent.policy(shared.policies());
            for (var request : requests) request.decideBy(agent, policy);
            agent.pending().addAll(requests);
            if (!mayBeSent || policy.mode() == Mode.OFF) continue;
            var buckets = mirror.of(agent, kept(policy));
            for (int from = 0; from < requests.size(); from += limits.requests()) {
                int to = Math.min(from + limits.requests(), requests.size());
                var part = requests.subList(from, to);
                for (var request : part) request.queued(true);
                chunk.put(buckets, part);
                charges += to - from;
                if (chunk.size() == limits.agents() || charges >= limits.requests()) {
                    unsent.add(new Unsent(chunk, source));
                    chunk = new LinkedHashMap<>();
                    charges = 0;
                }
            }
        }
        polled.clear();
        if (!chunk.isEmpty()) unsent.add(new Unsent(chunk, source));
        sendMore();
    }

    /** What is to be asked in one call, in the order of their offsets; all of one source, and of one policy for each mirror. */
    private record Unsent(Map<AgentMirror, List<PendingDecision>> requests, long source) {}

    /**
     * Sends as much as Redis should have of this task at a time. Not all that was polled: others would wait behind it, and so would
     * what other tasks need first.
     */
    private void sendMore() {
        if (unsent.isEmpty()) return;
        while (!unanswered.isEmpty() && unanswered.getFirst().isDone()) unanswered.removeFirst();
        while (!unsent.isEmpty() && unanswered.size() < limits.calls()) sendNext();
    }

    private void sendNext() {
        var next = unsent.removeFirst();
        double nowSeconds = TokenBucket.seconds(shared.clock().getAsLong());
        var redis = shared.redis().orElseThrow();
        var requests = new LinkedHashMap<AgentMirror, List<PendingDecision>>();
        next.requests().forEach((buckets, charged) -> {
            for (var request : charged) request.queued(false);
            var unasked = charged.get(0).asked() == null
                    ? charged
                    : charged.stream()
                            .filter(request -> request.asked() == null)
                            .toList();
            if (isToBeAsked(redis, buckets, unasked, nowSeconds)) requests.put(buckets, unasked);
        });
        if (!requests.isEmpty()) send(redis, requests, next.source());
    }

    /** Returns false for agents that are surely exhausted, and for those whose earlier requests have not been sent. */
    private boolean isToBeAsked(
            SharedBuckets redis, AgentMirror buckets, List<PendingDecision> requests, double nowSeconds) {
        return !requests.isEmpty()
                && redis.inUse(buckets)
                && !buckets.isRefillUntold()
                // Asked for alone, before others are under way.
                && !isAloneAmongReplays(buckets, requests.get(0).source())
                && buckets.agent().isAllSentBefore(requests.get(0), buckets)
                && !refusesAll(buckets, requests, policy(requests.get(0)), nowSeconds);
    }

    /** Under at-least-once the answers of before a crash may have gone out: they must be given again, even with earlier times. */
    private boolean isAloneAmongReplays(AgentMirror buckets, long source) {
        return shared.exactlyOnce() && buckets.isAloneAmongReplays(source);
    }

    private static Spend.Kept kept(Policy policy) {
        return policy.mode() == Mode.SHADOW ? Spend.Kept.SHADOW : Spend.Kept.ENFORCED;
    }

    private boolean refusesAll(AgentMirror buckets, List<PendingDecision> requests, Policy policy, double nowSeconds) {
        for (var request : requests) {
            if (!surelyRefuses(buckets, request, policy, nowSeconds)) return false;
        }
        return true;
    }

    private boolean surelyRefuses(AgentMirror buckets, PendingDecision request, Policy policy, double nowSeconds) {
        // Under at-least-once the refusal may have gone out when the request is processed again, and no fence knows of
        // it.
        return shared.exactlyOnce()
                && buckets.surelyRefuses(
                        request.source(),
                        request.charge().costTokens(),
                        policy.terms(),
                        nowSeconds,
                        shared.time().nanoTime());
    }

    /** Returns Redis if it is to be asked for these buckets now. */
    private Optional<SharedBuckets> redisFor(AgentMirror buckets) {
        return shared.redis().filter(redis -> redis.inUse(buckets));
    }

    /** @param requests of one policy for each mirror */
    private void send(SharedBuckets redis, Map<AgentMirror, List<PendingDecision>> requests, long source) {
        for (var ofOneNode : redis.byNode(requests)) sendTogether(redis, ofOneNode, source);
    }

    private void sendTogether(SharedBuckets redis, Map<AgentMirror, List<PendingDecision>> requests, long source) {
        long committed = committed(source);
        var spends = new ArrayList<Spend>(requests.size());
        requests.forEach((buckets, charged) ->
                spends.add(buckets.spend(charged, policy(charged.get(0)).terms(), source, committed)));
        var chunk = redis.send(spends);
        unanswered.add(chunk);
        int index = 0;
        for (var entry : requests.entrySet()) {
            var buckets = entry.getKey();
            var asked = new Asked(buckets, chunk, index, spends.get(index), entry.getValue(), buckets.epoch());
            for (int i = 0; i < entry.getValue().size(); i++)
                entry.getValue().get(i).sent(asked, i);
            index++;
        }
    }

    private static Policy policy(PendingDecision request) {
        return Objects.requireNonNull(request.policy());
    }

    /**
     * Decides a request that the prefetch has noted, or has not seen. Waits for Redis within its time limit.
     *
     * @return the decision, and the policy that it was made by
     */
    Decided decide(PendingDecision pending) {
        sendMore();
        var request = pending.request();
        var noted = pending.agent();
        var agent = noted != null ? noted : mirror.agent(request.agentId());
        if (pending.policy() == null) pending.decideBy(agent, agent.policy(shared.policies()));
        var policy = policy(pending);
        boolean prefetched = bringToFront(agent, pending);
        var buckets = policy.mode() == Mode.OFF ? null : mirror.of(agent, kept(policy));
        var decision = buckets == null
                ? approveUncharged(agent, policy)
                : decideFirst(buckets, pending, policy, prefetched ? limits.requests() : 1);
        agent.pending().removeFirst();
        agent.notBeforeLast(decision.decidedAtMicros());
        activity.decided(agent, request.costTokens(), decision, policy.mode() == Mode.ENFORCE);
        var held = buckets == null ? null : buckets.bucket();
        boolean several = decision.terms().limits().size() > 1;
        var left = Left.of(decision, held == null || !several ? null : held.buckets());
        return new Decided(request, policy.of(agent.id(), decision.terms()), decision, left);
    }

    private Decision approveUncharged(Agent agent, Policy policy) {
        return new Decision.Approved(
                policy.limit().capacityTokens(),
                agent.notBeforeLast(shared.clock().getAsLong()),
                DecidedBy.LOCAL,
                policy.terms());
    }

    /**
     * Makes the request the agent's first: records that never arrived here, if any, left theirs behind. Of its own source alone: a
     * stray may overtake requests at home that were polled before it, and those are still to come.
     *
     * @return whether the prefetch has noted it
     */
    private static boolean bringToFront(Agent agent, PendingDecision request) {
        var pending = agent.pending();
        if (pending.peekFirst() == request) return true;
        boolean prefetched = pending.contains(request);
        pending.removeIf(other -> other.source() == request.source()
                && other.charge().offset() <= request.charge().offset());
        pending.addFirst(request);
        return prefetched;
    }

    /** @param atOnce how many of the agent's pending requests may be sent; others may lie between them that are not noted */
    private Decision decideFirst(AgentMirror buckets, PendingDecision request, Policy policy, int atOnce) {
        if (buckets.isRefillUntold()) {
            refills.note(buckets); // after a restart it is known from the store alone
            return decideLocally(buckets, request, policy);
        }
        while (request.isQueued()) sendNext();
        var asked = request.asked();
        if (asked != null) {
            var answer = decided(asked);
            if (answer.isEmpty()) return decideLocally(buckets, request, policy);
            if (request.isUsable(buckets)) return accept(buckets, request, asked, answer.get());
        }
        long nowMicros = shared.clock().getAsLong();
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var redis = redisFor(buckets);
        if (redis.isEmpty()) return decideLocally(buckets, request, policy);
        if (surelyRefuses(buckets, request, policy, nowSeconds)) {
            return refuseUnasked(buckets, request, policy, nowMicros);
        }
        var askedNow = askNow(redis.get(), buckets, policy, nowSeconds, atOnce);
        return decided(askedNow)
                .map(answer -> accept(buckets, request, askedNow, answer))
                .orElseGet(() -> decideLocally(buckets, request, policy));
    }

    private Asked askNow(SharedBuckets redis, AgentMirror buckets, Policy policy, double nowSeconds, int atOnce) {
        var pending = buckets.agent().pending();
        var first = pending.getFirst();
        // Some of these may be in Redis already, in calls that can no longer be used. Calls that still can are no
        // reason: their answers are given again, and Redis keeps what it decided before a crash.
        if (isAloneAmongReplays(buckets, first.source())
                || pending.stream().anyMatch(request -> request.isAbandoned(buckets))) {
            buckets.startAnew(policy.terms(), nowSeconds);
        }
        // One call knows one policy, and what comes after another one must not overtake it.
        var requests = pending.stream()
                .takeWhile(request -> isOf(policy, request))
                .filter(request -> request.source() == first.source())
                .limit(atOnce)
                .toList();
        send(redis, Map.of(buckets, requests), first.source());
        return Objects.requireNonNull(first.asked());
    }

    private static boolean isOf(Policy policy, PendingDecision request) {
        var its = request.policy();
        return its == policy
                || its != null && its.mode() == policy.mode() && its.terms().equals(policy.terms());
    }

    /** Waits for Redis; returns its decisions, empty if there are none in time, or it refused the agent's key. */
    private Optional<Answer.Decided> decided(Asked asked) {
        var answer = asked.await();
        if (answer.isEmpty()) return Optional.empty();
        if (answer.get() instanceof Answer.Decided decided) return Optional.of(decided);
        shared.metrics().unusableKey();
        unusableKeys.say(
                "Redis refuses the bucket of agent \"{}\", which is decided locally: {}",
                asked.spend().agentId(),
                ((Answer.Failed) answer.get()).message());
        return Optional.empty();
    }

    private Decision accept(AgentMirror buckets, PendingDecision request, Asked asked, Answer.Decided answer) {
        if (request.index() == 0) {
            boolean wasStored = buckets.isStored();
            buckets.accept(asked, answer);
            mirror.changed(buckets, wasStored, asked.chunk().awaitedNanos());
            note(buckets.agent().id(), answer);
        }
        return answer.decisions().get(request.index());
    }

    private void note(String agentId, Answer.Decided answer) {
        shared.metrics().replayed(answer.replays());
        if (answer.reconciled()) shared.metrics().reconciled();
        if (!answer.repaired()) return;
        shared.metrics().repaired();
        repairs.say(
                "the bucket of agent \"{}\" in Redis held a field that is no number, and has been repaired", agentId);
    }

    private Decision decideLocally(AgentMirror buckets, PendingDecision request, Policy policy) {
        long nowMicros = buckets.agent().notBeforeLast(shared.clock().getAsLong());
        var outcome = TokenBucket.spend(
                buckets.bucketsOrFull(policy.terms(), TokenBucket.seconds(nowMicros)),
                buckets.fence(request.source()),
                policy.terms(),
                committed(request.source()),
                List.of(request.charge()),
                nowMicros,
                DecidedBy.LOCAL);
        shared.metrics().replayed(outcome.replays());
        buckets.decidedLocally(outcome, request.source());
        mirror.storeWithCommit(buckets);
        return outcome.decisions().get(0);
    }

    /** Answers what Redis would: its buckets hold no more than the mirror, and the mirror does not cover the cost. */
    private Decision refuseUnasked(AgentMirror buckets, PendingDecision request, Policy policy, long nowMicros) {
        long atMicros = buckets.refusedUnaskedAt(request.source(), nowMicros);
        var refusal = TokenBucket.spend(
                        buckets.bucketsOrFull(policy.terms(), TokenBucket.seconds(nowMicros)),
                        Fence.NONE,
                        policy.terms(),
                        -1,
                        List.of(request.charge()),
                        atMicros,
                        DecidedBy.REDIS)
                .decisions()
                .get(0);
        buckets.refusedUnasked(request, refusal, committed(request.source()));
        return refusal;
    }
}
