package io.tollgate.bucket;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What one source's requests were answered, as far back as they may be processed again. Immutable.
 *
 * <p>Kafka gives a request to a restarted pipeline a second time when the first answer was not committed. The fence then
 * gives the same answer, and charges nothing. Its groups stand newest first, one for each moment at which the bucket decided;
 * those at or below the committed offset can never be asked for again and are dropped.
 *
 * <p>The bytes of {@link #encode} are those that {@code spend.lua} keeps in Redis.
 *
 * @param groups newest first
 */
public record Fence(List<Group> groups) {
    /** Nothing decided yet. */
    public static final Fence NONE = new Fence(List.of());

    private static final int GROUP_BYTES = 36;
    private static final int ALL = -1; // 4294967295, unsigned

    public Fence {
        groups = List.copyOf(groups);
    }

    /**
     * The answers that one source's requests got at one moment. A group answers for its own offsets only: what an older group
     * decided before it was dropped may be read again on an operator's wish, and is then decided afresh.
     *
     * @param firstOffset the lowest offset decided; above the last one in a group that only remembers how far decisions went
     * @param lastOffset the highest offset decided
     * @param decidedAtMicros microseconds since the epoch on the bucket's clock
     * @param tokensAfter what was left in the bucket
     * @param allApproved whether every request was approved; then {@code approvedOffsets} is empty
     * @param approvedOffsets ascending, where only some were
     */
    public record Group(
            long firstOffset,
            long lastOffset,
            long decidedAtMicros,
            double tokensAfter,
            boolean allApproved,
            List<Long> approvedOffsets) {
        public Group {
            approvedOffsets = List.copyOf(approvedOffsets);
        }

        /** The answer that one request got. */
        public Group(
                long offset,
                long decidedAtMicros,
                double tokensAfter,
                boolean allApproved,
                List<Long> approvedOffsets) {
            this(offset, offset, decidedAtMicros, tokensAfter, allApproved, approvedOffsets);
        }

        /** Returns a group that answers for nothing: it remembers how far decisions went. */
        static Group upTo(long lastOffset, long nowMicros, double tokens) {
            return new Group(lastOffset + 1, lastOffset, nowMicros, tokens, false, List.of());
        }

        /** Returns whether the request at this offset, which the group covers, was approved. */
        public boolean approved(long offset) {
            return allApproved || approvedOffsets.contains(offset);
        }

        private int bytes() {
            return GROUP_BYTES + 4 * approvedOffsets.size();
        }
    }

    /** Returns the highest offset decided; -1 if none. */
    public long lastOffset() {
        return groups.isEmpty() ? -1 : groups.get(0).lastOffset();
    }

    /** Returns the group that decided this offset; empty if it was committed and forgotten, or is above the last one. */
    public Optional<Group> recall(long offset) {
        for (Group group : groups) {
            if (group.lastOffset() < offset) break;
            if (group.firstOffset() <= offset) return Optional.of(group);
        }
        return Optional.empty();
    }

    /** Returns the fence without what is committed: groups whose last offset is at or below {@code committedOffset}. */
    public Fence uncommitted(long committedOffset) {
        int kept = 0;
        while (kept < groups.size() && groups.get(kept).lastOffset() > committedOffset) kept++;
        return kept == groups.size() ? this : new Fence(groups.subList(0, kept));
    }

    /** Returns the fence with one more group, the newest. */
    public Fence plus(Group newest) {
        var all = new ArrayList<Group>(groups.size() + 1);
        all.add(newest);
        all.addAll(groups);
        return new Fence(all);
    }

    /** Returns the bytes of the groups, as {@code spend.lua} keeps them. */
    public byte[] encode() {
        int size = groups.stream().mapToInt(Group::bytes).sum();
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        for (Group group : groups) {
            bytes.putDouble(group.lastOffset())
                    .putDouble(group.firstOffset())
                    .putDouble(group.decidedAtMicros())
                    .putDouble(group.tokensAfter())
                    .putInt(group.allApproved() ? ALL : group.approvedOffsets().size());
            for (long offset : group.approvedOffsets()) bytes.putInt((int) (group.lastOffset() - offset));
        }
        return bytes.array();
    }

    /**
     * Returns the fence that {@link #encode} wrote.
     *
     * @throws BufferUnderflowException if the bytes are cut off
     */
    public static Fence decode(ByteBuffer encoded) {
        var bytes = encoded.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        var groups = new ArrayList<Group>();
        while (bytes.hasRemaining()) {
            long last = (long) bytes.getDouble();
            long first = (long) bytes.getDouble();
            long decidedAtMicros = (long) bytes.getDouble();
            double tokensAfter = bytes.getDouble();
            int approved = bytes.getInt();
            if (approved == ALL) {
                groups.add(new Group(first, last, decidedAtMicros, tokensAfter, true, List.of()));
            } else {
                if (approved < 0 || approved > bytes.remaining() / Integer.BYTES) throw new BufferUnderflowException();
                var offsets = new Long[approved];
                for (int i = 0; i < approved; i++) offsets[i] = last - Integer.toUnsignedLong(bytes.getInt());
                groups.add(new Group(first, last, decidedAtMicros, tokensAfter, false, Arrays.asList(offsets)));
            }
        }
        return new Fence(groups);
    }
}
