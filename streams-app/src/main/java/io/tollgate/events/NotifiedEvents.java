package io.tollgate.events;

import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * What was told of one agent: how it stands, and when each kind of event was told last. Immutable. Times are microseconds since the
 * epoch on the bucket's clock.
 *
 * <p>An event that comes too soon after the last of its kind does not change how the agent stands. It is told later, by the first
 * decision that still calls for it: so readers are never left with "recovered" while the agent is refused, or the other way round, for
 * more than a minute of decisions.
 */
record NotifiedEvents(Standing standing, long nearLimitMicros, long firstRefusalMicros, long recoveredMicros) {
    /** How the agent stands, as far as was told. */
    enum Standing {
        FINE,
        NEAR_LIMIT,
        REFUSED
    }

    /** The shortest time between two events of one kind. */
    static final long PAUSE_MICROS = 60_000_000;

    /** The share of the bucket at which little is left. */
    static final double NEAR_LIMIT_SHARE = 0.2;

    /** The share of the bucket from which an agent that was near its limit no longer is: above the first, or it would flicker. */
    static final double FINE_SHARE = 0.5;

    /** How long nothing must have been refused, if little is left. */
    static final long CALM_MICROS = 1_000_000;

    private static final long NEVER = Long.MIN_VALUE;
    private static final int BYTES = 1 + 3 * Long.BYTES;

    /** Nothing was told. */
    static final NotifiedEvents NOTHING = new NotifiedEvents(Standing.FINE, NEVER, NEVER, NEVER);

    /** Returns what was told once this event is: the same if it must wait. */
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
     * @param leftShare of the bucket, after the decision
     * @param microsSinceRefusal how long ago the agent's last refusal was
     */
    Optional<EventKind> calledFor(boolean approved, double leftShare, long microsSinceRefusal) {
        if (!approved) return standing == Standing.REFUSED ? Optional.empty() : Optional.of(EventKind.FIRST_REFUSAL);
        return switch (standing) {
            case FINE -> isNear(leftShare) ? Optional.of(EventKind.NEAR_LIMIT) : Optional.empty();
            case NEAR_LIMIT -> Optional.empty();
            // An agent that asks for more than its refill is refused and approved in turn: that is no recovery.
            case REFUSED ->
                isNear(leftShare) && microsSinceRefusal < CALM_MICROS
                        ? Optional.empty()
                        : Optional.of(EventKind.RECOVERED);
        };
    }

    /** Returns the same, but fine if the agent was near its limit and is far from it now: no event says so. */
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

    /** Returns whether anything was told so lately that it must not be forgotten. */
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
