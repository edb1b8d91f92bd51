package io.tollgate.mirror;

import io.tollgate.bucket.Adjustments;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Terms;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Our copy of one agent's buckets. Not thread-safe.
 *
 * <p>What nearly every agent has, one limit and at most one source with at most one group of decisions that were all
 * approved or all refused, is kept in place: an answer of Redis then changes numbers, and leaves no objects behind.
 * With new objects for each answer, the garbage collector moved them all, and took more of the CPU than the stream
 * threads.
 */
public final class BucketCopy {
    private static final byte VERSION = 2;
    /** Did not say when Redis last met a write of another program. */
    private static final byte WITHOUT_FOREIGN = 1;

    private static final byte DECIDED_WITHOUT_REDIS = 1;
    /**
     * Of a reset or a settlement. Copies of before these were counted have it without {@link Adjustments}: of a reset.
     */
    private static final byte UNTOLD = 2;

    /** Under it the adjustments are kept, like a fence: no topic has this number. */
    private static final long ADJUSTMENTS = 0;

    private @Nullable Terms terms;
    /** Of the buckets; where there is one, what it holds. */
    private double leastTokens;
    /** Of the first bucket. */
    private double lastRefillSeconds;
    /** The buckets where there are several; null where the one in place is all. */
    private @Nullable AgentBuckets several;

    /** Whether the fields that follow, up to {@link #approved}, hold the only fence. */
    private boolean fenced;

    private long source;
    private long firstOffset;
    private long lastOffset;
    private long decidedAtMicros;
    private @Nullable Terms fenceTerms;
    private double tokensAfter;
    private boolean approved;
    /**
     * By source: an agent whose requests come both straight and as strays has two. Empty where the fence in place is
     * all.
     */
    private Map<Long, Fence> fences = Map.of();

    private boolean decidedWithoutRedis;
    private Adjustments adjustments = Adjustments.NONE;
    private boolean untold;
    private double foreignSeconds;

    /** @param decidedWithoutRedis whether it holds decisions that Redis has not seen */
    public BucketCopy(AgentBuckets buckets, boolean decidedWithoutRedis) {
        this.decidedWithoutRedis = decidedWithoutRedis;
        hold(buckets);
    }

    /** Changes the buckets; the fences stay. */
    public void hold(AgentBuckets next) {
        boolean one = next.buckets().size() == 1;
        several = one ? null : next;
        terms = next.terms();
        leastTokens = next.leastTokens();
        lastRefillSeconds = next.first().lastRefillSeconds();
    }

    /** Changes the fence of one source. */
    public void hold(long ofSource, Fence fence) {
        boolean only =
                fenced ? source == ofSource : fences.isEmpty() || fences.size() == 1 && fences.containsKey(ofSource);
        if (only) {
            holdOnly(ofSource, fence);
            return;
        }
        var all = new HashMap<>(fences());
        all.put(ofSource, fence);
        fenced = false;
        fences = all;
    }

    private void holdOnly(long ofSource, Fence fence) {
        var group = fence.groups().size() == 1 ? fence.groups().get(0) : null;
        fenced = group != null && isAllAlike(group);
        fences = fenced || fence.groups().isEmpty() ? Map.of() : Map.of(ofSource, fence);
        if (group != null && fenced) holdInPlace(ofSource, group);
    }

    private static boolean isAllAlike(Fence.Group group) {
        return group.tokensAfter().size() == 1
                && group.approvedOffsets().isEmpty()
                && group.refusals().isEmpty();
    }

    private void holdInPlace(long ofSource, Fence.Group group) {
        source = ofSource;
        firstOffset = group.firstOffset();
        lastOffset = group.lastOffset();
        decidedAtMicros = group.decidedAtMicros();
        fenceTerms = group.terms();
        tokensAfter = group.tokensAfter().get(0);
        approved = group.allApproved();
    }

    /** Notes whether the last decisions were made without Redis. */
    public void decidedWithoutRedis(boolean alone) {
        decidedWithoutRedis = alone;
    }

    /** Notes what was done to the buckets besides spending; {@code isUntold}: and that Redis has not been told. */
    public void adjusted(Adjustments next, boolean isUntold) {
        adjustments = next;
        untold = isUntold;
    }

    /** Notes when Redis last met a write of another program, seconds since the epoch. */
    public void foreignSeconds(double seconds) {
        foreignSeconds = seconds;
    }

    public double foreignSeconds() {
        return foreignSeconds;
    }

    public boolean decidedWithoutRedis() {
        return decidedWithoutRedis;
    }

    /** Returns what was done to the buckets besides spending. */
    public Adjustments adjustments() {
        return adjustments;
    }

    /** Returns whether Redis has not been told of all {@link #adjustments}. */
    public boolean isUntold() {
        return untold;
    }

    public AgentBuckets buckets() {
        return several != null ? several : new AgentBuckets(terms, List.of(new Bucket(leastTokens, lastRefillSeconds)));
    }

    public @Nullable Terms terms() {
        return terms;
    }

    public double leastTokens() {
        return leastTokens;
    }

    public double lastRefillSeconds() {
        return lastRefillSeconds;
    }

    public Fence fence(long ofSource) {
        if (!fenced) return fences.isEmpty() ? Fence.NONE : fences.getOrDefault(ofSource, Fence.NONE);
        return source == ofSource ? fenceInPlace() : Fence.NONE;
    }

    /** Returns the highest offset that the fence of this source remembers; -1 if none. */
    public long lastOffset(long ofSource) {
        if (!fenced) return fence(ofSource).lastOffset();
        return source == ofSource ? lastOffset : -1;
    }

    private Fence fenceInPlace() {
        return new Fence(List.of(new Fence.Group(
                firstOffset,
                lastOffset,
                decidedAtMicros,
                fenceTerms,
                List.of(tokensAfter),
                approved,
                List.of(),
                List.of())));
    }

    /** Returns the fences by source. */
    public Map<Long, Fence> fences() {
        return fenced ? Map.of(source, fenceInPlace()) : fences;
    }

    private byte flags() {
        return (byte) ((decidedWithoutRedis ? DECIDED_WITHOUT_REDIS : 0) | (untold ? UNTOLD : 0));
    }

    /** Returns the bytes that the state store keeps. */
    public byte[] encode() {
        var buckets = buckets().buckets();
        var fences = fences();
        int termsBytes = terms == null ? 0 : terms.encodedBytes();
        int size = 1 + 1 + 8 + 4 + termsBytes + 16 * buckets.size();
        var adjusted = adjustments.toFence();
        for (var fence : fences.values()) size += 8 + 4 + fence.encodedBytes();
        if (adjusted != Fence.NONE) size += 8 + 4 + adjusted.encodedBytes();
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(VERSION).put(flags()).putDouble(foreignSeconds).putInt(termsBytes);
        if (terms != null) terms.encode(bytes, lastRefillSeconds);
        for (var bucket : buckets) bytes.putDouble(bucket.tokens()).putDouble(bucket.lastRefillSeconds());
        fences.forEach((source, fence) -> put(bytes, source, fence));
        if (adjusted != Fence.NONE) put(bytes, ADJUSTMENTS, adjusted);
        return bytes.array();
    }

    private static void put(ByteBuffer bytes, long source, Fence fence) {
        bytes.putLong(source).putInt(fence.encodedBytes());
        fence.encode(bytes);
    }

    /** Returns whether it has fences of no other sources than these. */
    public boolean hasOnly(TaskSources sources) {
        if (fenced) return sources.holds(source);
        return fences.isEmpty() || fences.keySet().stream().allMatch(sources::holds);
    }

    /** Forgets the fences of other sources than these: of topics that are gone. */
    public void keepOnly(TaskSources sources) {
        if (hasOnly(sources)) return;
        var kept = new HashMap<>(fences());
        kept.keySet().removeIf(id -> !sources.holds(id));
        fenced = false;
        fences = Map.of();
        kept.forEach(this::hold);
    }

    /** Returns the copy that {@link #encode} wrote. */
    public static BucketCopy decode(byte[] encoded) {
        var bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN);
        byte version = bytes.get();
        if (version != VERSION && version != WITHOUT_FOREIGN) {
            throw new IllegalStateException("local-buckets holds version " + version + ", this is version " + VERSION);
        }
        byte flags = bytes.get();
        double foreignSeconds = version == WITHOUT_FOREIGN ? 0 : bytes.getDouble();
        var encodedTerms = new byte[bytes.getInt()];
        bytes.get(encodedTerms);
        var terms = encodedTerms.length == 0 ? null : Terms.decode(encodedTerms);
        var buckets = new ArrayList<Bucket>(1);
        for (int i = terms == null ? 1 : terms.limits().size(); i > 0; i--) {
            buckets.add(new Bucket(bytes.getDouble(), bytes.getDouble()));
        }
        var decoded = new BucketCopy(new AgentBuckets(terms, buckets), (flags & DECIDED_WITHOUT_REDIS) != 0);
        decoded.foreignSeconds = foreignSeconds;
        while (bytes.hasRemaining()) {
            long source = bytes.getLong();
            int size = bytes.getInt();
            if (size < 0 || size > bytes.remaining()) throw new BufferUnderflowException();
            var fence = Fence.decode(bytes.slice(bytes.position(), size));
            if (source == ADJUSTMENTS) decoded.adjustments = Adjustments.of(fence);
            else decoded.hold(source, fence);
            bytes.position(bytes.position() + size);
        }
        decoded.untold = (flags & UNTOLD) != 0;
        if (decoded.untold && decoded.adjustments.isNone()) {
            decoded.adjustments = Adjustments.reset((long) (decoded.lastRefillSeconds * 1e6));
        }
        return decoded;
    }
}
