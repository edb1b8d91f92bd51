package io.tollgate.quota;

import io.tollgate.bucket.Charge;
import io.tollgate.ingest.ParseResultHeader;
import io.tollgate.ingest.Request;
import io.tollgate.mirror.TaskSources;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import java.util.Objects;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * A request on its way through one task, carried by the record itself: Streams copies header objects by reference, so a
 * dropped record takes its pending decision with it. Never written to a topic; no producer can forge a Java object. For
 * one stream thread alone.
 */
final class PendingDecision extends ParseResultHeader {
    /** The requests of one agent that wait. */
    interface Queue {}

    private final int place;
    private final Charge charge;
    private @Nullable Queue queue;
    private @Nullable Policy policy;
    private final long polledNanos;
    private final boolean timed;
    private RedisCall.@Nullable Part asked;
    private int index;
    private boolean queued;
    private boolean decided;
    private boolean admitted;

    /**
     * @param request the request to decide
     * @param place of its topic among {@link TaskSources}
     * @param offset its offset there
     * @param polledNanos by {@link TaskTime#nanoTime}
     * @param timed whether to measure the time from then to the decision
     */
    PendingDecision(Request request, int place, long offset, long polledNanos, boolean timed) {
        super(request);
        this.timed = timed;
        this.place = place;
        this.charge = new Charge(offset, request.costTokens());
        this.polledNanos = polledNanos;
    }

    Request request() {
        return (Request) incoming();
    }

    /** Returns the place of its topic among {@link TaskSources}. */
    int place() {
        return place;
    }

    Charge charge() {
        return charge;
    }

    void waitsIn(Queue ofAgent) {
        queue = ofAgent;
    }

    /** Returns the queue in which it was put last; null: in none. */
    @Nullable
    Queue queue() {
        return queue;
    }

    /** Notes the policy that decides it: the one in force when it is polled. */
    void decideBy(Policy inForce) {
        policy = inForce;
    }

    /** Returns whether it is pending: a policy was chosen to decide it. */
    boolean isNoted() {
        return policy != null;
    }

    /** Returns the policy that decides it, once it is pending. */
    Policy policy() {
        return Objects.requireNonNull(policy);
    }

    /** Returns whether it opens a hold if it is approved. */
    boolean opensHold() {
        return request().hold() && policy().mode() != Mode.OFF;
    }

    /** Notes that its agent may open a hold for it. */
    void admitted(boolean may) {
        admitted = may;
    }

    boolean isAdmitted() {
        return admitted;
    }

    long polledNanos() {
        return polledNanos;
    }

    boolean isTimed() {
        return timed;
    }

    /** Notes whether the request waits to be sent. */
    void queued(boolean waits) {
        queued = waits;
    }

    boolean isQueued() {
        return queued;
    }

    /** Notes that it was decided. */
    void decided() {
        decided = true;
    }

    boolean isDecided() {
        return decided;
    }

    /** Notes that the request is under way to Redis; {@code index} is its place among its agent's charges. */
    void sent(RedisCall.Part asked, int index) {
        this.asked = asked;
        this.index = index;
    }

    /** Returns the call that asks for it; null if there is none. */
    RedisCall.@Nullable Part asked() {
        return asked;
    }

    int index() {
        return index;
    }

    /** Removes and returns the pending decision that the prefetch left on the record; null if there is none. */
    static @Nullable PendingDecision take(Headers headers) {
        var parsed = ParseResultHeader.on(headers);
        if (parsed != null) ParseResultHeader.takeFrom(headers);
        return parsed instanceof PendingDecision pending ? pending : null;
    }
}
