package io.tollgate.quota;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Fence;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/**
 * Our copy of one agent's bucket. Immutable.
 *
 * @param fences by source: an agent whose requests come both straight and as strays has two
 * @param decidedWithoutRedis whether it holds decisions that Redis has not seen
 * @param refillUntold whether somebody has filled it, and Redis has not been told
 */
record MirroredBucket(Bucket bucket, Map<Long, Fence> fences, boolean decidedWithoutRedis, boolean refillUntold) {
    private static final byte VERSION = 1;
    private static final byte DECIDED_WITHOUT_REDIS = 1;
    private static final byte REFILL_UNTOLD = 2;

    MirroredBucket(Bucket bucket, Map<Long, Fence> fences, boolean decidedWithoutRedis) {
        this(bucket, fences, decidedWithoutRedis, false);
    }

    MirroredBucket {
        fences = Map.copyOf(fences);
    }

    Fence fence(long source) {
        return fences.getOrDefault(source, Fence.NONE);
    }

    /** Returns the copy after a decision for this source. */
    MirroredBucket after(Bucket next, long source, Fence fence, boolean withoutRedis) {
        if (fences.isEmpty() || fences.size() == 1 && fences.containsKey(source)) {
            return new MirroredBucket(next, Map.of(source, fence), withoutRedis, refillUntold);
        }
        var all = new HashMap<>(fences);
        all.put(source, fence);
        return new MirroredBucket(next, all, withoutRedis, refillUntold);
    }

    /** Returns the copy once Redis has filled its bucket as well. */
    MirroredBucket refillTold() {
        return new MirroredBucket(bucket, fences, decidedWithoutRedis, false);
    }

    private byte flags() {
        return (byte) ((decidedWithoutRedis ? DECIDED_WITHOUT_REDIS : 0) | (refillUntold ? REFILL_UNTOLD : 0));
    }

    /** Returns the bytes that the state store keeps. */
    byte[] encode() {
        var groups = new HashMap<Long, byte[]>();
        int size = 1 + 1 + 8 + 8;
        for (var fence : fences.entrySet()) {
            byte[] encoded = fence.getValue().encode();
            groups.put(fence.getKey(), encoded);
            size += 8 + 4 + encoded.length;
        }
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(VERSION).put(flags()).putDouble(bucket.tokens()).putDouble(bucket.lastRefillSeconds());
        groups.forEach((source, encoded) ->
                bytes.putLong(source).putInt(encoded.length).put(encoded));
        return bytes.array();
    }

    /** Returns the copy that {@link #encode} wrote. */
    static MirroredBucket decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
        byte version = bytes.get();
        if (version != VERSION) {
            throw new IllegalStateException("local-buckets holds version " + version + ", this is version " + VERSION);
        }
        byte flags = bytes.get();
        var bucket = new Bucket(bytes.getDouble(), bytes.getDouble());
        var fences = new HashMap<Long, Fence>();
        while (bytes.hasRemaining()) {
            long source = bytes.getLong();
            int size = bytes.getInt();
            if (size < 0 || size > bytes.remaining()) throw new BufferUnderflowException();
            fences.put(source, Fence.decode(bytes.slice(bytes.position(), size)));
            bytes.position(bytes.position() + size);
        }
        return new MirroredBucket(bucket, fences, (flags & DECIDED_WITHOUT_REDIS) != 0, (flags & REFILL_UNTOLD) != 0);
    }
}
