package io.tollgate.quota;

import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
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
    /** Null where none wait, as for nearly all of many agents. */
    private @Nullable Deque<PendingDecision> requests;

    private @Nullable Deque<PendingDecision> strays;
    /** Those of the present poll, which do not wait yet; null: none. */
    private @Nullable List<PendingDecision> polled;

    private @Nullable AgentState enforced;
    private @Nullable AgentState shadow;
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
    Collection<PendingDecision> pending(int place) {
        var waiting = waiting(place);
        return waiting == null ? List.of() : waiting;
    }

    private @Nullable Deque<PendingDecision> waiting(int place) {
        return place == TaskSources.REQUESTS ? requests : strays;
    }

    private Deque<PendingDecision> waitingOrNew(int place) {
        var waiting = waiting(place);
        if (waiting != null) return waiting;
        waiting = new ArrayDeque<>(4);
        hold(place, waiting);
        return waiting;
    }

    private void hold(int place, @Nullable Deque<PendingDecision> waiting) {
        if (place == TaskSources.REQUESTS) requests = waiting;
        else strays = waiting;
    }

    /** Returns the first of the pending requests of one source; null if there are none. */
    @Nullable
    PendingDecision first(int place) {
        var waiting = waiting(place);
        return waiting == null ? null : waiting.peekFirst();
    }

    /** Collects the requests of a poll; returns whether this is the agent's first one. */
    boolean collect(PendingDecision request) {
        boolean first = polled == null;
        if (polled == null) polled = new ArrayList<>(2);
        polled.add(request);
        return first;
    }

    /** Returns the collected requests, in their order, and begins anew. */
    List<PendingDecision> takeCollected() {
        var taken = polled;
        polled = null;
        return taken == null ? List.of() : taken;
    }

    /** Adds polled requests of one source, in their order. */
    void add(int place, List<PendingDecision> requests) {
        for (var request : requests) request.waitsIn(this);
        waitingOrNew(place).addAll(requests);
    }

    /** Adds a request before all others of its source. */
    void addFirst(PendingDecision request) {
        waitingOrNew(request.place()).addFirst(request);
    }

    /** Returns whether this owner keeps it, and the request is the next one of its source. */
    boolean isNext(PendingDecision request, Object ofOwner) {
        return owner == ofOwner && first(request.place()) == request;
    }

    /** Removes the first request of a source, which was decided or never arrived. */
    void removeFirst(int place) {
        var waiting = waitingOrNew(place);
        free(waiting.removeFirst());
        if (waiting.isEmpty()) hold(place, null);
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
        return requests != null || strays != null;
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
        return kind == BucketKind.ENFORCED ? enforced : shadow;
    }

    void keep(BucketKind kind, @Nullable AgentState state) {
        if (kind == BucketKind.ENFORCED) enforced = state;
        else shadow = state;
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
