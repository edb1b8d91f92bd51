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
 */
record MirroredBucket(Bucket bucket, Map<Long, Fence> fences, boolean decidedWithoutRedis) {
    private static final byte VERSION = 1;

    MirroredBucket {
        fences = Map.copyOf(fences);
    }

    Fence fence(long source) {
        return fences.getOrDefault(source, Fence.NONE);
    }

    /** Returns the copy after a decision for this source. */
    MirroredBucket after(Bucket next, long source, Fence fence, boolean withoutRedis) {
        if (fences.isEmpty() || fences.size() == 1 && fences.containsKey(source)) {
            return new MirroredBucket(next, Map.of(source, fence), withoutRedis);
        }
        var all = new HashMap<>(fences);
        all.put(source, fence);
        return new MirroredBucket(next, all, withoutRedis);
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
        bytes.put(VERSION)
                .put((byte) (decidedWithoutRedis ? 1 : 0))
                .putDouble(bucket.tokens())
                .putDouble(bucket.lastRefillSeconds());
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
        boolean withoutRedis = bytes.get() == 1;
        var bucket = new Bucket(bytes.getDouble(), bytes.getDouble());
        var fences = new HashMap<Long, Fence>();
        while (bytes.hasRemaining()) {
            long source = bytes.getLong();
            int size = bytes.getInt();
            if (size < 0 || size > bytes.remaining()) throw new BufferUnderflowException();
            fences.put(source, Fence.decode(bytes.slice(bytes.position(), size)));
            bytes.position(bytes.position() + size);
        }
        return new MirroredBucket(bucket, fences, withoutRedis);
    }
}
