package io.tollgate.quota;

import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * One agent of a task: its requests that are polled but not yet decided, and the mirrors of its buckets. Not thread-safe.
 *
 * <p>The buckets that count and those of a shadow policy have mirrors of their own. What waits for either stands in one queue for each
 * source, so that the order of decisions stays that of the requests when the mode changes between them.
 */
final class AgentQueue {
    private final String id;
    private final Deque<PendingDecision> requests = new ArrayDeque<>(4);
    /** Mostly none stray: an object less for each of many agents. */
    private @Nullable Deque<PendingDecision> strays;

    private final @Nullable AgentState[] states = new AgentState[BucketKind.values().length];
    private @Nullable Policy policy;
    private long policyVersion;
    private @Nullable LastDecisions lastDecisions;
    private long lastDecidedMicros;
    private boolean seenLately = true;
    /** How many of the requests that wait will open a hold if they are approved. */
    private int admittedHolds;

    AgentQueue(String id) {
        this.id = id;
    }

    String id() {
        return id;
    }

    /** Notes that a request of it was polled or decided. */
    void seen() {
        seenLately = true;
    }

    /** Returns whether it was seen since this was asked last. */
    boolean wasSeenLately() {
        boolean seen = seenLately;
        seenLately = false;
        return seen;
    }

    /** Returns the requests of one source that are polled but not yet decided, in their order. */
    Deque<PendingDecision> pending(int place) {
        if (place == TaskSources.REQUESTS) return requests;
        if (strays == null) strays = new ArrayDeque<>(4);
        return strays;
    }

    /** Removes the first request of a source, which is decided, or never arrived. */
    void removeFirst(int place) {
        var removed = pending(place).removeFirst();
        if (!removed.isAdmitted()) return;
        removed.admitted(false);
        admittedHolds--;
    }

    /**
     * Returns whether the request may be decided by the bucket: one that opens a hold only while its agent may have one more.
     *
     * @param openHolds how many the agent has
     */
    boolean admits(PendingDecision request, int openHolds) {
        if (request.isAdmitted() || !request.opensHold()) return true;
        if (openHolds + admittedHolds >= request.policy().holds().maxOpen()) return false;
        admittedHolds++;
        request.admitted(true);
        return true;
    }

    /** Returns whether requests of it wait: then it must stay in memory. */
    boolean isAwaited() {
        return !requests.isEmpty() || strays != null && !strays.isEmpty();
    }

    /** Returns the policy now in force. */
    Policy policy(Policies policies) {
        long version = policies.version(); // before the look: a change meanwhile is seen with the next
        var current = policies.of(id, policy, policyVersion);
        policy = current;
        policyVersion = version;
        return current;
    }

    /** Returns the mirror that is in memory; null if none is. */
    @Nullable
    AgentState state(BucketKind kind) {
        return states[kind.ordinal()];
    }

    void keep(BucketKind kind, @Nullable AgentState state) {
        states[kind.ordinal()] = state;
    }

    /**
     * Returns whether all of its source that is pending before this request is on its way to these buckets in Redis; false where the
     * request is not pending.
     */
    boolean isAllSentBefore(PendingDecision request, AgentState state) {
        for (var earlier : pending(request.place())) {
            if (earlier == request) return true;
            if (!state.isUsable(earlier)) return false;
        }
        return false;
    }

    /** Returns its last decisions; null if none are kept, or they are another agent's by now. */
    @Nullable
    LastDecisions lastDecisions() {
        return lastDecisions != null && lastDecisions.isOf(id) ? lastDecisions : null;
    }

    void keep(LastDecisions decisions) {
        lastDecisions = decisions;
    }

    /** Returns when its last decision was made. */
    long lastDecidedMicros() {
        return lastDecidedMicros;
    }

    /**
     * Returns the time at which to decide now, and notes it: our reading of the bucket's clock is a little behind Redis, by more
     * or less, but an agent's decisions never go back in time.
     */
    long notBeforeLast(long nowMicros) {
        lastDecidedMicros = Math.max(lastDecidedMicros, nowMicros);
        return lastDecidedMicros;
    }
}
