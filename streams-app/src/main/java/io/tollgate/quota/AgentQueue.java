package io.tollgate.quota;

import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One agent of a task: its polled but undecided requests, and the copies of its buckets. Not thread-safe.
 *
 * <p>Enforced and shadow buckets have separate copies. Requests for both wait in one queue for each source, so that
 * decisions keep the order of the requests when the mode changes in between.
 */
final class AgentQueue implements PendingDecision.Queue {
    private final String id;
    private final Object owner;
    private final Deque<PendingDecision> requests = new ArrayDeque<>(4);
    /** Usually there are no strays: this saves an object for each of many agents. */
    private @Nullable Deque<PendingDecision> strays;

    private final @Nullable AgentState[] states = new AgentState[BucketKind.values().length];
    private @Nullable Policy policy;
    private long policyVersion;
    private @Nullable LastDecisions lastDecisions;
    private long lastDecidedMicros;
    private boolean seenLately = true;
    /** The number of waiting requests that open a hold if approved. */
    private int admittedHolds;

    /** @param owner keeps the queue as long as requests wait in it */
    AgentQueue(String id, Object owner) {
        this.id = id;
        this.owner = owner;
    }

    String id() {
        return id;
    }

    /** Notes that one of its requests was polled or decided. */
    void seen() {
        seenLately = true;
    }

    /** Returns whether it was seen since the last call of this. */
    boolean wasSeenLately() {
        boolean seen = seenLately;
        seenLately = false;
        return seen;
    }

    /** Returns the polled but undecided requests of one source, in their order. */
    Deque<PendingDecision> pending(int place) {
        if (place == TaskSources.REQUESTS) return requests;
        if (strays == null) strays = new ArrayDeque<>(4);
        return strays;
    }

    /** Adds polled requests of one source, in their order. */
    void add(int place, List<PendingDecision> polled) {
        for (var request : polled) request.waitsIn(this);
        pending(place).addAll(polled);
    }

    /** Returns whether this owner keeps it, and the request is the next one of its source. */
    boolean isNext(PendingDecision request, Object ofOwner) {
        return owner == ofOwner && pending(request.place()).peekFirst() == request;
    }

    /** Removes the first request of a source, which was decided or never arrived. */
    void removeFirst(int place) {
        free(pending(place).removeFirst());
    }

    private void free(PendingDecision request) {
        if (!request.isAdmitted()) return;
        request.admitted(false);
        admittedHolds--;
    }

    /** Returns whether waiting requests keep places for holds. */
    boolean keepsPlaces() {
        return admittedHolds > 0;
    }

    /** Frees the places of requests that will open no hold; the decision admits them anew. */
    void freePlaces(Predicate<PendingDecision> opensNone) {
        for (int place = TaskSources.REQUESTS; place <= TaskSources.REKEYED; place++) {
            for (var request : pending(place)) if (request.isAdmitted() && opensNone.test(request)) free(request);
        }
    }

    /**
     * Returns whether the bucket may decide the request: a request with a hold only while its agent may open one more.
     *
     * @param openHolds the agent's number of open holds
     */
    boolean admits(PendingDecision request, int openHolds) {
        if (request.isAdmitted() || !request.opensHold()) return true;
        if (openHolds + admittedHolds >= request.policy().holds().maxOpen()) return false;
        admittedHolds++;
        request.admitted(true);
        return true;
    }

    /** Returns whether it has waiting requests: then it must stay in memory. */
    boolean isAwaited() {
        return !requests.isEmpty() || strays != null && !strays.isEmpty();
    }

    /** Returns the policy now in force. */
    Policy policy(Policies policies) {
        long version = policies.version(); // before the look, so that the next one sees a change meanwhile
        var current = policies.of(id, policy, policyVersion);
        policy = current;
        policyVersion = version;
        return current;
    }

    /** Returns the copy in memory; null if there is none. */
    @Nullable
    AgentState state(BucketKind kind) {
        return states[kind.ordinal()];
    }

    void keep(BucketKind kind, @Nullable AgentState state) {
        states[kind.ordinal()] = state;
    }

    /**
     * Returns whether all earlier pending requests of its source are under way to these buckets in Redis; false if the
     * request is not pending.
     */
    boolean isAllSentBefore(PendingDecision request, AgentState state) {
        for (var earlier : pending(request.place())) {
            if (earlier == request) return true;
            if (!state.isUsable(earlier)) return false;
        }
        return false;
    }

    /** Returns whether waiting requests of a source were sent in calls whose answers can no longer be used. */
    boolean isAnyAbandoned(int place, AgentState state) {
        for (var request : pending(place)) if (state.isAbandoned(request)) return true;
        return false;
    }

    /** Returns its last decisions; null if none are kept, or another agent has taken their place. */
    @Nullable
    LastDecisions lastDecisions() {
        return lastDecisions != null && lastDecisions.isOf(id) ? lastDecisions : null;
    }

    void keep(LastDecisions decisions) {
        lastDecisions = decisions;
    }

    /** Returns the time of its last decision or settlement. */
    long lastDecidedMicros() {
        return lastDecidedMicros;
    }

    /**
     * Returns the time for a decision made now, and notes it. Our reading of the bucket's clock is behind Redis by a
     * varying amount, but an agent's decisions never go back in time.
     */
    long notBeforeLast(long nowMicros) {
        lastDecidedMicros = Math.max(lastDecidedMicros, nowMicros);
        return lastDecidedMicros;
    }
}
