package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Terms;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;

/**
 * Our copy of one agent's buckets. Immutable.
 *
 * @param fences by source: an agent whose requests come both straight and as strays has two
 * @param decidedWithoutRedis whether it holds decisions that Redis has not seen
 */
record MirroredBucket(AgentBuckets buckets, Map<Long, Fence> fences, boolean decidedWithoutRedis) {
    private static final byte VERSION = 2;
    /** One limit, which was not remembered, and fences of another shape. */
    private static final byte VERSION_OF_ONE_BUCKET = 1;

    MirroredBucket {
        fences = Map.copyOf(fences);
    }

    Fence fence(long source) {
        return fences.getOrDefault(source, Fence.NONE);
    }

    /** Returns the copy after a decision for this source. */
    MirroredBucket after(AgentBuckets next, long source, Fence fence, boolean withoutRedis) {
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
        var terms = buckets.terms();
        byte[] encodedTerms = terms == null ? new byte[0] : terms.encode();
        int size = 1 + 1 + 4 + encodedTerms.length + 16 * buckets.buckets().size();
        for (var fence : fences.entrySet()) {
            byte[] encoded = fence.getValue().encode();
            groups.put(fence.getKey(), encoded);
            size += 8 + 4 + encoded.length;
        }
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(VERSION)
                .put((byte) (decidedWithoutRedis ? 1 : 0))
                .putInt(encodedTerms.length)
                .put(encodedTerms);
        for (var bucket : buckets.buckets()) bytes.putDouble(bucket.tokens()).putDouble(bucket.lastRefillSeconds());
        groups.forEach((source, encoded) ->
                bytes.putLong(source).putInt(encoded.length).put(encoded));
        return bytes.array();
    }

    /** Returns the copy that {@link #encode} wrote. */
    static MirroredBucket decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
        byte version = bytes.get();
        if (version == VERSION_OF_ONE_BUCKET) {
            boolean untold = bytes.get() == 1;
            var only = new Bucket(bytes.getDouble(), bytes.getDouble());
            return new MirroredBucket(AgentBuckets.of(only), Map.of(), untold);
        }
        if (version != VERSION) {
            throw new IllegalStateException("local-buckets holds version " + version + ", this is version " + VERSION);
        }
        boolean withoutRedis = bytes.get() == 1;
        var encodedTerms = new byte[bytes.getInt()];
        bytes.get(encodedTerms);
        var terms = encodedTerms.length == 0 ? null : Terms.decode(encodedTerms);
        var buckets = new ArrayList<Bucket>(1);
        for (int i = terms == null ? 1 : terms.limits().size(); i > 0; i--) {
            buckets.add(new Bucket(bytes.getDouble(), bytes.getDouble()));
        }
        var fences = new HashMap<Long, Fence>();
        while (bytes.hasRemaining()) {
            long source = bytes.getLong();
            int size = bytes.getInt();
            if (size < 0 || size > bytes.remaining()) throw new BufferUnderflowException();
            fences.put(source, Fence.decode(bytes.slice(bytes.position(), size)));
            bytes.position(bytes.position() + size);
        }
        return new MirroredBucket(new AgentBuckets(terms, buckets), fences, withoutRedis);
    }
}
