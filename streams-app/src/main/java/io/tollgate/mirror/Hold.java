package io.tollgate.mirror;

import io.tollgate.redis.BucketKind;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The tokens that an approved request has reserved, until they are settled. Immutable. Times are microseconds since the
 * epoch on the bucket's clock.
 *
 * @param agentId the agent
 * @param name the {@code quota-source} of the request
 * @param kind of the bucket that was charged
 * @param reservedTokens the charged tokens
 * @param openedMicros the time of the charge
 * @param deadlineMicros the time at which it ends by itself
 * @param usedTokensUnsettled the tokens that then count as used: all of them, or none
 * @param requestId the agent's own label of the request
 */
public record Hold(
        String agentId,
        String name,
        BucketKind kind,
        double reservedTokens,
        long openedMicros,
        long deadlineMicros,
        double usedTokensUnsettled,
        Optional<String> requestId) {
    private static final byte VERSION = 1;
    private static final int BYTES = 3 + Double.BYTES + 2 * Long.BYTES;
    private static final byte CHARGED = 0;
    private static final byte RETURNED = 1;

    /** Returns the offset in its name; 0 if the name ends with none. */
    long offset() {
        long offset = 0;
        long place = 1;
        for (int i = name.length() - 1; i >= 0 && Character.isDigit(name.charAt(i)); i--, place *= 10) {
            offset += place * (name.charAt(i) - '0');
        }
        return offset;
    }

    /** Returns the bytes that the state store keeps under agent and name. */
    byte[] encode() {
        var label = requestId.orElse("").getBytes(StandardCharsets.UTF_8); // no label is empty
        return ByteBuffer.allocate(BYTES + label.length)
                .put(VERSION)
                .put((byte) kind.ordinal())
                .put(usedTokensUnsettled == reservedTokens ? CHARGED : RETURNED)
                .putDouble(reservedTokens)
                .putLong(openedMicros)
                .putLong(deadlineMicros)
                .put(label)
                .array();
    }

    /** Returns the hold that {@link #encode} wrote. */
    static Hold decode(String agentId, String name, byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded);
        byte version = bytes.get();
        if (version != VERSION) {
            throw new IllegalStateException("open-holds holds version " + version + ", this is version " + VERSION);
        }
        var kind = BucketKind.values()[bytes.get()];
        boolean charged = bytes.get() == CHARGED;
        double reserved = bytes.getDouble();
        long opened = bytes.getLong();
        long deadline = bytes.getLong();
        var label = new String(encoded, bytes.position(), bytes.remaining(), StandardCharsets.UTF_8);
        return new Hold(
                agentId,
                name,
                kind,
                reserved,
                opened,
                deadline,
                charged ? reserved : 0,
                Optional.of(label).filter(given -> !given.isEmpty()));
    }
}
