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
 * @param refillUntold whether somebody has filled it, and Redis has not been told
 */
record MirroredBucket(
        AgentBuckets buckets, Map<Long, Fence> fences, boolean decidedWithoutRedis, boolean refillUntold) {
    private static final byte VERSION = 1;
    private static final byte DECIDED_WITHOUT_REDIS = 1;
    private static final byte REFILL_UNTOLD = 2;

    MirroredBucket(AgentBuckets buckets, Map<Long, Fence> fences, boolean decidedWithoutRedis) {
        this(buckets, fences, decidedWithoutRedis, false);
    }

    MirroredBucket {
        fences = Map.copyOf(fences);
    }

    Fence fence(long source) {
        return fences.getOrDefault(source, Fence.NONE);
    }

    /** Returns the copy after a decision for this source. */
    MirroredBucket after(AgentBuckets next, long source, Fence fence, boolean withoutRedis) {
        if (fences.isEmpty() || fences.size() == 1 && fences.containsKey(source)) {
            return new MirroredBucket(next, Map.of(source, fence), withoutRedis, refillUntold);
        }
        var all = new HashMap<>(fences);
        all.put(source, fence);
        return new MirroredBucket(next, all, withoutRedis, refillUntold);
    }

    /** Returns the copy once Redis has filled its bucket as well. */
    MirroredBucket refillTold() {
        return new MirroredBucket(buckets, fences, decidedWithoutRedis, false);
    }

    private byte flags() {
        return (byte) ((decidedWithoutRedis ? DECIDED_WITHOUT_REDIS : 0) | (refillUntold ? REFILL_UNTOLD : 0));
    }

    /** Returns the bytes that the state store keeps. */
    byte[] encode() {
        var terms = buckets.terms();
        int termsBytes = terms == null ? 0 : terms.encodedBytes();
        int size = 1 + 1 + 4 + termsBytes + 16 * buckets.buckets().size();
        for (var fence : fences.values()) size += 8 + 4 + fence.encodedBytes();
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(VERSION).put(flags()).putInt(termsBytes);
        if (terms != null) terms.encode(bytes);
        for (var bucket : buckets.buckets()) bytes.putDouble(bucket.tokens()).putDouble(bucket.lastRefillSeconds());
        fences.forEach((source, fence) -> {
            bytes.putLong(source).putInt(fence.encodedBytes());
            fence.encode(bytes);
        });
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
        return new MirroredBucket(
                new AgentBuckets(terms, buckets),
                fences,
                (flags & DECIDED_WITHOUT_REDIS) != 0,
                (flags & REFILL_UNTOLD) != 0);
    }
}
