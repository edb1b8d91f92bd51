package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.metrics.ThrottledWarning;
import io.tollgate.mirror.TaskOffsets;
import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendResult;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides the requests of one task's agents. For one stream thread alone: the one that polls the task's records and
 * processes them.
 *
 * <p>Three ways, in this order: the answer of Redis to the call sent when the records were polled; a call made now, for
 * all waiting requests of the agent; the mirror. A request whose call failed is never sent again: Redis may have
 * charged it.
 */
final class TaskDecider {
    private static final Logger log = LoggerFactory.getLogger(TaskDecider.class);

    private final ThrottledWarning unusableKeys = new ThrottledWarning(log);
    private final ThrottledWarning repairs = new ThrottledWarning(log);
    private final QuotaContext shared;
    private final AgentCache cache;
    private final TaskOffsets offsets;
    private final TaskActivity activity;
    private final SendQueue queue;
    private final UntoldBuckets untold;

    TaskDecider(
            QuotaContext shared,
            AgentCache cache,
            TaskOffsets offsets,
            TaskActivity activity,
            SendQueue queue,
            UntoldBuckets untold) {
        this.shared = shared;
        this.cache = cache;
        this.offsets = offsets;
        this.activity = activity;
        this.queue = queue;
        this.untold = untold;
    }

    /**
     * Decides a request, whether the prefetch has noted it or not. Waits for Redis within its time limit.
     *
     * @return the decision and its policy
     */
    DecidedRequest decide(PendingDecision pending) {
        queue.sendMore();
        var request = pending.request();
        var agent = cache.agentOf(pending);
        // Between those that wait, others may lie that are not noted.
        int atOnce = pending.isNoted() ? shared.callLimits().requests() : 1;
        if (!pending.isNoted()) pending.decideBy(agent.policy(shared.policies()));
        var policy = pending.policy();
        bringToFront(agent, pending);
        var buckets = policy.mode() == Mode.OFF ? null : cache.of(agent, policy.kind());
        var decision = buckets == null
                ? approveUncharged(agent, policy)
                : admits(agent, pending)
                        ? decide(agent, buckets, pending, policy, atOnce)
                        : refuseHold(agent, buckets, pending, policy, atOnce);
        agent.removeFirst(pending.place());
        pending.decided();
        agent.notBeforeLast(decision.decidedAtMicros());
        activity.decided(
                agent,
                pending.charge(),
                decision,
                policy,
                pending.place() == TaskSources.REQUESTS ? offsets.sources().requests() : null);
        var held = buckets == null ? null : buckets.held().copy();
        boolean several = decision.terms().limits().size() > 1;
        var left = RemainingQuota.of(decision, held == null || !several ? null : held.buckets());
        return new DecidedRequest(request, policy.of(agent.id(), decision.terms()), decision, left);
    }

    /**
     * Gives tokens back to an agent's buckets, in every limit, never above its capacity.
     *
     * @param refundTokens below 0: taken, and the buckets may fall below zero; the next decision uses the result
     * @param atMicros the time that {@link #settlesAt} has returned, with no decision of the agent in between
     */
    Settled settle(String agentId, BucketKind kind, double refundTokens, long atMicros) {
        var agent = cache.agent(agentId);
        var buckets = cache.of(agent, kind);
        var promises = agent.policy(shared.policies()).promises();
        var decidedBy = decidesNow(buckets);
        var left =
                buckets.settle(refundTokens, promises, atMicros, shared.redis().isPresent(), cache.commits());
        cache.storeWithCommit(buckets);
        untold.settled(buckets);
        return new Settled(left.leastTokens(), atMicros, decidedBy);
    }

    /** Returns the time of a settlement made now: after all earlier decisions. */
    long settlesAt(String agentId, BucketKind kind) {
        var agent = cache.agent(agentId);
        var buckets = cache.of(agent, kind);
        takeOver(buckets);
        if (buckets.mayBeBehind()) ask(buckets, agent.policy(shared.policies()).promises());
        // A moment of its own, so that every reader knows what was decided before.
        var held = buckets.held().copy();
        long leftMicros = held == null ? 0 : TokenBucket.micros(held.lastRefillSeconds());
        long afterMicros = Math.max(leftMicros, agent.lastDecidedMicros()) + 1;
        return agent.notBeforeLast(Math.max(shared.nowMicros(buckets), afterMicros));
    }

    /** Waits for calls under way, because their charges come before what happens now. */
    private void takeOver(AgentState buckets) {
        for (var part : buckets.calls().inOrder()) {
            decided(part, buckets).ifPresent(answer -> takeOver(buckets, part, answer));
        }
    }

    /** Asks Redis for the buckets: the stored copy may be older. */
    private void ask(AgentState buckets, Promises promises) {
        var redis = shared.redis().filter(each -> each.inUse(buckets));
        if (redis.isEmpty() || buckets.isDecidedAlone(cache.commits())) return;
        int place = TaskSources.REQUESTS;
        var spend = buckets.tell(
                promises,
                offsets.sources(),
                offsets.committed(place),
                shared.exactlyOnce(),
                cache.commits(),
                TokenBucket.seconds(shared.nowMicros(buckets)));
        var asked = buckets.calls().ask(redis.get().send(List.of(spend)), spend, place);
        decided(asked, buckets).ifPresentOrElse(answer -> takeOver(buckets, asked, answer), buckets.calls()::giveUp);
    }

    private Decision approveUncharged(AgentQueue agent, Policy policy) {
        return new Decision.Approved(
                policy.limit().capacityTokens(),
                agent.notBeforeLast(shared.nowMicros(agent.id(), BucketKind.ENFORCED)),
                DecidedBy.LOCAL,
                policy.terms());
    }

    /**
     * Returns whether the bucket decides the request; false if it would open more holds than its agent may have.
     * Requests of the other source that are under way keep places. Where these matter, waits for the answers: only an
     * approved request keeps its place.
     */
    private boolean admits(AgentQueue agent, PendingDecision request) {
        if (queue.admits(agent, request)) return true;
        if (!agent.keepsPlaces()) return false;
        agent.freePlaces(kept -> !isApproved(agent, kept));
        return queue.admits(agent, request);
    }

    private boolean isApproved(AgentQueue agent, PendingDecision request) {
        queue.sendUpTo(request);
        var buckets = cache.of(agent, request.policy().kind());
        long offset = request.charge().offset();
        var known = fence(buckets, request).recall(offset);
        if (known.isPresent()) return known.get().approved(offset);
        if (!buckets.isUsable(request)) return false;
        return decided(Objects.requireNonNull(request.asked()), buckets)
                .filter(answer -> answer.decisions().get(request.index()).isApproved())
                .isPresent();
    }

    /**
     * Refuses a request that would open more holds than its agent may have, unless it was decided before: that decision
     * stands, however many holds are open by now. The refusal keeps its place among the agent's decisions as any other
     * does: the next call tells Redis of it, or, where nobody knows whether Redis has decided the request, our copy goes
     * on without what Redis decided.
     */
    private Decision refuseHold(
            AgentQueue agent, AgentState buckets, PendingDecision request, Policy policy, int atOnce) {
        var isDecided = isDecided(buckets, request);
        if (isDecided.orElse(false)
                || fence(buckets, request).recall(request.charge().offset()).isPresent()) {
            return decide(agent, buckets, request, policy, atOnce);
        }
        boolean known = isDecided.isPresent();
        long lastMicros = agent.lastDecidedMicros();
        long nowMicros = Math.max(shared.nowMicros(buckets), lastMicros);
        if (known) nowMicros = buckets.refusedUnaskedAt(request.place(), nowMicros, lastMicros);
        double nowSeconds = TokenBucket.seconds(nowMicros);
        var held = TokenBucket.refill(
                buckets.held().bucketsOrFull(policy.terms(), nowSeconds), policy.promises(), nowSeconds);
        var refusal = new Decision.TooManyOpenHolds(
                held.leastTokens(),
                Math.max(nowMicros, TokenBucket.micros(held.first().lastRefillSeconds())),
                known ? DecidedBy.REDIS : DecidedBy.LOCAL,
                policy.terms());
        if (known) buckets.refusedUnasked(request, refusal, offsets.committed(request.place()));
        else refuseHoldLocally(buckets, request, held, refusal);
        return refusal;
    }

    private void refuseHoldLocally(
            AgentState buckets, PendingDecision request, AgentBuckets held, Decision.TooManyOpenHolds refusal) {
        // If Redis was asked, it may have charged the request, which opens no hold that could give that back.
        if (request.asked() != null)
            buckets.startAnew(refusal.terms(), held.first().lastRefillSeconds());
        var fence = fence(buckets, request);
        long offset = request.charge().offset();
        if (offset > fence.lastOffset())
            fence = fence.uncommitted(offsets.committed(request.place())).plusRefused(offset, refusal);
        decidedLocally(buckets, request, new TokenBucket.Outcome(held, fence, List.of(refusal), 0));
    }

    /** Returns what our copy knows of the decisions of a request's source. */
    private Fence fence(AgentState buckets, PendingDecision request) {
        return buckets.fence(request.place(), offsets.sources().id(request.place()));
    }

    /**
     * Returns whether Redis has decided the request, in a call under way or before a crash; empty if nobody knows, or
     * Redis has no say.
     */
    private Optional<Boolean> isDecided(AgentState buckets, PendingDecision request) {
        if (request.asked() != null) {
            boolean answered = buckets.isUsable(request)
                    && decided(request.asked(), buckets).isPresent();
            return answered ? Optional.of(true) : Optional.empty();
        }
        var redis = shared.redis().filter(each -> each.inUse(buckets));
        if (redis.isEmpty() || buckets.isDecidedAlone(cache.commits())) return Optional.empty();
        if (!buckets.mayBeDecidedBefore(request.place())) return Optional.of(false);
        double nowSeconds = TokenBucket.seconds(shared.nowMicros(buckets));
        long committedOffset = offsets.committed(request.place());
        var recalled = redis.get().recall(buckets.recall(request, offsets.sources(), committedOffset, nowSeconds));
        if (!(recalled.await(0).orElse(null) instanceof SpendResult.Decided answer)) return Optional.empty();
        if (answer.replays() == 0) buckets.pastReplays(request.place());
        return Optional.of(answer.replays() > 0 && buckets.follows());
    }

    private DecidedBy decidesNow(AgentState buckets) {
        boolean redis = shared.redis().filter(each -> each.inUse(buckets)).isPresent();
        return redis && !buckets.isDecidedAlone(cache.commits()) ? DecidedBy.REDIS : DecidedBy.LOCAL;
    }

    /** Makes the request the first of its source: records that never arrived here may have left others before it. */
    private static void bringToFront(AgentQueue agent, PendingDecision request) {
        int place = request.place();
        var first = agent.first(place);
        if (first == request) return;
        while (first != null && first.charge().offset() <= request.charge().offset()) {
            agent.removeFirst(place);
            first = agent.first(place);
        }
        agent.addFirst(request);
    }

    /** @param atOnce how many of the agent's pending requests may be sent */
    private Decision decide(AgentQueue agent, AgentState buckets, PendingDecision request, Policy policy, int atOnce) {
        queue.sendUpTo(request);
        var asked = request.asked();
        if (asked != null) {
            var answer = decided(asked, buckets);
            if (answer.isEmpty()) return decideLocally(agent, buckets, request);
            if (buckets.isUsable(request)) return accept(buckets, request, asked, answer.get());
        }
        // This refusal is not earlier than the last decision, and by then the bucket may hold more.
        long clockMicros = shared.nowMicros(buckets);
        long nowMicros = Math.max(clockMicros, agent.lastDecidedMicros());
        var redis = shared.redis().filter(each -> each.inUse(buckets));
        if (redis.isEmpty() || buckets.isDecidedAlone(cache.commits())) return decideLocally(agent, buckets, request);
        if (queue.surelyRefuses(buckets, request, TokenBucket.seconds(nowMicros))) {
            return refuseUnasked(agent, buckets, request, nowMicros, clockMicros);
        }
        if (agent.isAnyAbandoned(request.place(), buckets)) takeOver(buckets); // what follows gives up all calls
        if (buckets.isDecidedAlone(cache.commits())) return decideLocally(agent, buckets, request);
        var askedNow = queue.sendNow(redis.get(), agent, buckets, request, atOnce);
        return decided(askedNow, buckets)
                .map(answer -> accept(buckets, request, askedNow, answer))
                .orElseGet(() -> decideLocally(agent, buckets, request));
    }

    /**
     * Waits for Redis; returns its decisions, empty if there are none in time, it disagrees, or refused the agent's key.
     * Also empty if an earlier call for these buckets has no decisions, or ran later: our copy does not know what Redis
     * went on from then, and requests that are decided later would bear earlier times.
     */
    private Optional<SpendResult.Decided> decided(RedisCall.Part asked, AgentState buckets) {
        var parts = buckets.calls().through(asked);
        if (parts.isEmpty()) return answered(asked, buckets);
        double lastSeconds = buckets.held().notBeforeSeconds();
        Optional<SpendResult.Decided> answer = Optional.empty();
        for (var part : parts) {
            answer = answered(part, buckets);
            if (answer.isEmpty() || answer.get().bucket().lastRefillSeconds() < lastSeconds) return Optional.empty();
            lastSeconds = answer.get().bucket().lastRefillSeconds();
        }
        return answer;
    }

    private Optional<SpendResult.Decided> answered(RedisCall.Part asked, AgentState buckets) {
        var answer = asked.await();
        if (answer.isEmpty()) return Optional.empty();
        if (answer.get() instanceof SpendResult.Decided decided) return Optional.of(decided);
        if (!asked.isFirstLook()) return Optional.empty();
        if (answer.get() instanceof SpendResult.Disagrees disagrees) {
            shared.metrics().disagreed();
            double nowSeconds = TokenBucket.seconds(shared.nowMicros(buckets));
            buckets.disagreed(asked, disagrees, nowSeconds, shared.exactlyOnce(), cache.commits());
            return Optional.empty();
        }
        shared.metrics().unusableKey();
        unusableKeys.warn(
                "Redis refuses the bucket of agent \"{}\", which is decided locally: {}",
                asked.spend().agentId(),
                ((SpendResult.Failed) answer.get()).message());
        return Optional.empty();
    }

    private Decision accept(
            AgentState buckets, PendingDecision request, RedisCall.Part asked, SpendResult.Decided answer) {
        takeOver(buckets, asked, answer);
        return answer.decisions().get(request.index());
    }

    private void takeOver(AgentState buckets, RedisCall.Part asked, SpendResult.Decided answer) {
        for (var part : buckets.calls().through(asked)) {
            var its =
                    part == asked ? answer : (SpendResult.Decided) part.await().orElseThrow();
            boolean storedAlone = !buckets.follows();
            buckets.accept(part, its, offsets.sources());
            // A copy that is stored with decisions of its own supersedes Redis, and so must not be older.
            if (storedAlone) cache.storeWithCommit(buckets);
            else cache.answered(buckets, part.call().awaitedNanos());
            note(buckets.agentId(), its);
        }
    }

    private void note(String agentId, SpendResult.Decided answer) {
        shared.metrics().replayed(answer.replays());
        if (answer.reconciled()) shared.metrics().reconciled();
        if (!answer.repaired()) return;
        shared.metrics().repaired();
        repairs.warn(
                "the bucket of agent \"{}\" in Redis held a field that is no number, and has been repaired", agentId);
    }

    private Decision decideLocally(AgentQueue agent, AgentState buckets, PendingDecision request) {
        long clockMicros = shared.nowMicros(buckets);
        long atMicros = agent.notBeforeLast(clockMicros);
        var outcome = spend(buckets, request, fence(buckets, request), clockMicros, atMicros, DecidedBy.LOCAL);
        shared.metrics().replayed(outcome.replays());
        decidedLocally(buckets, request, outcome);
        return outcome.decisions().get(0);
    }

    private void decidedLocally(AgentState buckets, PendingDecision request, TokenBucket.Outcome outcome) {
        int place = request.place();
        long id = offsets.sources().id(place);
        var promises = request.policy().promises();
        buckets.decidedLocally(outcome, promises, place, id, shared.exactlyOnce(), cache.commits());
        cache.storeWithCommit(buckets);
    }

    /** Answers as Redis would: its buckets hold no more than the mirror, and the mirror does not cover the cost. */
    private Decision refuseUnasked(
            AgentQueue agent, AgentState buckets, PendingDecision request, long nowMicros, long clockMicros) {
        long atMicros = buckets.refusedUnaskedAt(request.place(), nowMicros, agent.lastDecidedMicros());
        var refusal = spend(buckets, request, Fence.NONE, clockMicros, atMicros, DecidedBy.REDIS)
                .decisions()
                .get(0);
        buckets.refusedUnasked(request, refusal, offsets.committed(request.place()));
        return refusal;
    }

    /** Decides at {@code atMicros}; a wait counts from the clock, which may be behind the agent's last decision. */
    private TokenBucket.Outcome spend(
            AgentState buckets, PendingDecision request, Fence fence, long clockMicros, long atMicros, DecidedBy by) {
        var promises = request.policy().promises();
        return TokenBucket.spend(
                buckets.held().bucketsOrFull(promises.terms(), TokenBucket.seconds(atMicros)),
                fence,
                promises,
                offsets.committed(request.place()),
                List.of(request.charge()),
                Math.min(clockMicros, atMicros),
                atMicros,
                by);
    }
}
