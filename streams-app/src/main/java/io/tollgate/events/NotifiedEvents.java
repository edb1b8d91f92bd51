package io.tollgate.events;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * The last events about one agent: its reported standing, and the time of each kind of event. Immutable. Times are
 * microseconds since the epoch on the bucket's clock.
 *
 * <p>An event too soon after the last of its kind is delayed, and the standing stays as it is. The first later decision
 * that still calls for the event sends it. So readers never see "recovered" for a refused agent, or the reverse, for
 * more than a minute of decisions.
 */
record NotifiedEvents(Standing standing, long nearLimitMicros, long firstRefusalMicros, long recoveredMicros) {
    /** The standing of an agent, as last reported. */
    enum Standing {
        FINE,
        NEAR_LIMIT,
        REFUSED
    }

    /** The shortest time between two events of one kind. */
    static final long PAUSE_MICROS = 60_000_000;

    /** The share of the bucket at which an agent is near its limit. */
    static final double NEAR_LIMIT_SHARE = 0.2;

    /**
     * The share of the bucket from which an agent is no longer near its limit. It is larger, so that the standing does
     * not flicker.
     */
    static final double FINE_SHARE = 0.5;

    /** The time without a refusal before an agent near its limit has recovered. */
    static final long CALM_MICROS = 1_000_000;

    private static final long NEVER = Long.MIN_VALUE;
    private static final int BYTES = 1 + 3 * Long.BYTES;

    /** No event was sent. */
    static final NotifiedEvents NOTHING = new NotifiedEvents(Standing.FINE, NEVER, NEVER, NEVER);

    /** Returns the state after this event; the same state if the event must wait. */
    NotifiedEvents tell(EventKind kind, double leftShare, long nowMicros) {
        if (!isDue(kind, nowMicros)) return this;
        return switch (kind) {
            case NEAR_LIMIT -> new NotifiedEvents(Standing.NEAR_LIMIT, nowMicros, firstRefusalMicros, recoveredMicros);
            case FIRST_REFUSAL -> new NotifiedEvents(Standing.REFUSED, nearLimitMicros, nowMicros, recoveredMicros);
            case RECOVERED ->
                new NotifiedEvents(
                        isNear(leftShare) ? Standing.NEAR_LIMIT : Standing.FINE,
                        nearLimitMicros,
                        firstRefusalMicros,
                        nowMicros);
        };
    }

    /**
     * Returns the event that a decision calls for; empty if none.
     *
     * @param leftShare the share left in the bucket after the decision
     * @param microsSinceRefusal the time since the agent's last refusal
     */
    Optional<EventKind> calledFor(boolean approved, double leftShare, long microsSinceRefusal) {
        if (!approved) return standing == Standing.REFUSED ? Optional.empty() : Optional.of(EventKind.FIRST_REFUSAL);
        return switch (standing) {
            case FINE -> isNear(leftShare) ? Optional.of(EventKind.NEAR_LIMIT) : Optional.empty();
            case NEAR_LIMIT -> Optional.empty();
            // An agent that asks for more than its refill is refused and approved in turn, which is not a recovery.
            case REFUSED ->
                isNear(leftShare) && microsSinceRefusal < CALM_MICROS
                        ? Optional.empty()
                        : Optional.of(EventKind.RECOVERED);
        };
    }

    /** Returns the state with standing fine if the agent is no longer near its limit. No event reports that. */
    NotifiedEvents relaxed(double leftShare) {
        return standing == Standing.NEAR_LIMIT && leftShare >= FINE_SHARE
                ? new NotifiedEvents(Standing.FINE, nearLimitMicros, firstRefusalMicros, recoveredMicros)
                : this;
    }

    static boolean isNear(double leftShare) {
        return leftShare <= NEAR_LIMIT_SHARE;
    }

    private boolean isDue(EventKind kind, long nowMicros) {
        long last = switch (kind) {
            case NEAR_LIMIT -> nearLimitMicros;
            case FIRST_REFUSAL -> firstRefusalMicros;
            case RECOVERED -> recoveredMicros;
        };
        return last == NEVER || nowMicros - last >= PAUSE_MICROS;
    }

    /** Returns whether an event is so recent that the agent must not be forgotten. */
    boolean isWithinPause(long nowMicros) {
        long last = Math.max(nearLimitMicros, Math.max(firstRefusalMicros, recoveredMicros));
        return last != NEVER && nowMicros - last < PAUSE_MICROS;
    }

    byte[] encode() {
        return ByteBuffer.allocate(BYTES)
                .put((byte) standing.ordinal())
                .putLong(nearLimitMicros)
                .putLong(firstRefusalMicros)
                .putLong(recoveredMicros)
                .array();
    }

    static NotifiedEvents decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded);
        return new NotifiedEvents(Standing.values()[bytes.get()], bytes.getLong(), bytes.getLong(), bytes.getLong());
    }
}
