package io.tollgate.bucket;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The answers to one source's requests, as far back as these may be processed again. Immutable.
 *
 * <p>Kafka gives a request to a restarted pipeline a second time when the first answer was not committed. The fence
 * then gives the same answer, and charges nothing. Its groups stand newest first, one for each moment at which the
 * bucket decided. Groups at or below the committed offset can never be asked for again, and are dropped.
 *
 * <p>The bytes of {@link #encode} are those that {@code spend.lua} keeps in Redis.
 *
 * @param groups newest first
 */
public record Fence(List<Group> groups) {
    /** A fence without decisions. */
    public static final Fence NONE = new Fence(List.of());

    private static final int GROUP_BYTES = 44;
    private static final int REFUSAL_BYTES = 5;
    private static final int ALL = -1; // 4294967295, unsigned
    private static final int OPEN_HOLDS = 127;

    public Fence {
        groups = List.copyOf(groups);
    }

    /** A request that one of several limits refused; {@code limit} counts from 0, and is 127 for open holds. */
    public record Refusal(long offset, int limit) {}

    /**
     * The answers that one source's requests got at one moment. A group answers for its own offsets only. Requests of a
     * dropped group may be read again on an operator's wish, and are then decided afresh.
     *
     * @param firstOffset the lowest offset decided; above the last one in a group that only notes how far
     *     decisions went
     * @param lastOffset the highest offset decided
     * @param decidedAtMicros microseconds since the epoch on the bucket's clock
     * @param terms the terms of the decisions; null if not kept
     * @param tokensAfter the tokens left in the bucket of each limit
     * @param allApproved whether every request was approved; then {@code approvedOffsets} is empty
     * @param approvedOffsets ascending, if only some were approved
     * @param refusals the limits that refused the others, if there are several; or that for open holds, which refuses all
     */
    public record Group(
            long firstOffset,
            long lastOffset,
            long decidedAtMicros,
            @Nullable Terms terms,
            List<Double> tokensAfter,
            boolean allApproved,
            List<Long> approvedOffsets,
            List<Refusal> refusals) {
        public Group {
            tokensAfter = List.copyOf(tokensAfter);
            approvedOffsets = List.copyOf(approvedOffsets);
            refusals = List.copyOf(refusals);
            if (tokensAfter.size() != (terms == null ? 1 : terms.limits().size())) {
                throw new IllegalArgumentException("a group has tokens for each of its limits");
            }
        }

        /** The answers of a single limit. */
        public Group(
                long firstOffset,
                long lastOffset,
                long decidedAtMicros,
                double tokensAfter,
                boolean allApproved,
                List<Long> approvedOffsets) {
            this(
                    firstOffset,
                    lastOffset,
                    decidedAtMicros,
                    null,
                    List.of(tokensAfter),
                    allApproved,
                    approvedOffsets,
                    List.of());
        }

        /** The answer to one request. */
        public Group(
                long offset,
                long decidedAtMicros,
                double tokensAfter,
                boolean allApproved,
                List<Long> approvedOffsets) {
            this(offset, offset, decidedAtMicros, tokensAfter, allApproved, approvedOffsets);
        }

        /**
         * Returns the answers to charges decided at one moment, under the same terms; all of them refused for open
         * holds, or none.
         *
         * @param charges ascending by offset
         * @param decisions one for each charge, in their order
         */
        public static Group of(List<Charge> charges, List<Decision> decisions, List<Double> tokensAfter) {
            int last = charges.size() - 1;
            var newest = decisions.get(last);
            boolean all = true;
            for (int i = 0; i <= last && all; i++) all = decisions.get(i).isApproved();
            var approved = new ArrayList<Long>(0);
            var refusals = new ArrayList<Refusal>(0);
            for (int i = 0; i <= last && !all; i++) {
                long offset = charges.get(i).offset();
                if (decisions.get(i).isApproved()) approved.add(offset);
                else if (tokensAfter.size() > 1 && decisions.get(i) instanceof Decision.Refused refused)
                    refusals.add(new Refusal(offset, refused.limit()));
            }
            if (newest instanceof Decision.TooManyOpenHolds)
                refusals.add(new Refusal(charges.get(last).offset(), OPEN_HOLDS));
            return new Group(
                    charges.get(0).offset(),
                    charges.get(last).offset(),
                    newest.decidedAtMicros(),
                    newest.terms(),
                    tokensAfter,
                    all,
                    approved,
                    refusals);
        }

        /** Returns a group without answers, which only notes how far decisions went. */
        static Group upTo(long lastOffset, long nowMicros, double tokens) {
            return new Group(lastOffset + 1, lastOffset, nowMicros, tokens, false, List.of());
        }

        /** Returns the index of the limit that refused the request at this offset, from 0. */
        public int refusedBy(long offset) {
            for (var refusal : refusals) {
                if (refusal.offset() == offset) return refusal.limit();
            }
            return 0;
        }

        /** Returns whether its requests were refused because too many holds were open. */
        public boolean isForOpenHolds() {
            return !refusals.isEmpty() && refusals.get(0).limit() == OPEN_HOLDS;
        }

        /** Returns whether the request at this offset was approved. The group must cover it. */
        public boolean approved(long offset) {
            return allApproved || approvedOffsets.contains(offset);
        }

        private int termsBytes() {
            return terms == null ? 0 : terms.encodedBytes();
        }

        private int moreBytes() {
            return Double.BYTES * (tokensAfter.size() - 1) + REFUSAL_BYTES * refusals.size();
        }
    }

    /** Returns the highest offset decided; -1 if none. */
    public long lastOffset() {
        return groups.isEmpty() ? -1 : groups.get(0).lastOffset();
    }

    /**
     * Returns the group that decided this offset; empty if it was committed and forgotten, or is above the last one.
     */
    public Optional<Group> recall(long offset) {
        return Optional.ofNullable(find(offset));
    }

    /** As {@link #recall}; null if that is empty. */
    @Nullable
    Group find(long offset) {
        for (Group group : groups) {
            if (group.lastOffset() < offset) break;
            if (group.firstOffset() <= offset) return group;
        }
        return null;
    }

    /** Returns the fence without committed groups: those whose last offset is at or below {@code committedOffset}. */
    public Fence uncommitted(long committedOffset) {
        int kept = 0;
        while (kept < groups.size() && groups.get(kept).lastOffset() > committedOffset) kept++;
        if (kept == groups.size()) return this;
        return kept == 0 ? NONE : new Fence(groups.subList(0, kept)); // usually everything is committed
    }

    /** Returns the fence with one more group, the newest. */
    public Fence plus(Group newest) {
        if (groups.isEmpty()) return new Fence(List.of(newest));
        var all = new ArrayList<Group>(groups.size() + 1);
        all.add(newest);
        all.addAll(groups);
        return new Fence(all);
    }

    /**
     * Returns the fence with one more request that the only limit refused, or that was refused for open holds; all
     * requests in a group with the same answer must be refused as well.
     */
    public Fence plusRefused(long offset, Decision refusal) {
        boolean holds = refusal instanceof Decision.TooManyOpenHolds;
        var terms = refusal.terms();
        var tokens = Collections.nCopies(terms.limits().size(), refusal.remainingTokens());
        long first = offset;
        var before = this;
        var newest = groups.isEmpty() ? null : groups.get(0);
        if (newest != null
                && newest.decidedAtMicros() == refusal.decidedAtMicros()
                && newest.tokensAfter().equals(tokens)
                && terms.equals(newest.terms())
                && newest.isForOpenHolds() == holds) {
            first = newest.firstOffset();
            before = new Fence(groups.subList(1, groups.size()));
        }
        var refusals = holds ? List.of(new Refusal(offset, OPEN_HOLDS)) : List.<Refusal>of();
        return before.plus(
                new Group(first, offset, refusal.decidedAtMicros(), terms, tokens, false, List.of(), refusals));
    }

    /** Returns the bytes of the groups, as {@code spend.lua} keeps them. */
    public byte[] encode() {
        var bytes = ByteBuffer.allocate(encodedBytes()).order(ByteOrder.LITTLE_ENDIAN);
        encode(bytes);
        return bytes.array();
    }

    /** Returns the number of bytes that {@link #encode} gives. */
    public int encodedBytes() {
        int size = 0;
        for (var group : groups) {
            size += GROUP_BYTES
                    + group.termsBytes()
                    + group.moreBytes()
                    + 4 * group.approvedOffsets().size();
        }
        return size;
    }

    /** Writes the bytes of {@link #encode()} into this buffer, which is little-endian. */
    public void encode(ByteBuffer bytes) {
        for (var group : groups) encode(group, bytes);
    }

    private static void encode(Group group, ByteBuffer bytes) {
        long last = group.lastOffset();
        bytes.putDouble(last)
                .putDouble(group.firstOffset())
                .putDouble(group.decidedAtMicros())
                .putDouble(group.tokensAfter().get(0))
                .putInt(group.termsBytes())
                .putInt(group.moreBytes())
                .putInt(group.allApproved() ? ALL : group.approvedOffsets().size());
        if (group.terms() != null) group.terms().encode(bytes, group.decidedAtMicros() / 1e6);
        for (double tokens : group.tokensAfter().subList(1, group.tokensAfter().size())) bytes.putDouble(tokens);
        for (var refusal : group.refusals()) {
            bytes.putInt((int) (last - refusal.offset())).put((byte) refusal.limit());
        }
        for (long offset : group.approvedOffsets()) bytes.putInt((int) (last - offset));
    }

    /**
     * Returns the fence that {@link #encode} wrote.
     *
     * @throws BufferUnderflowException if the bytes are cut off
     */
    public static Fence decode(ByteBuffer encoded) {
        var bytes = encoded.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        var groups = new ArrayList<Group>();
        while (bytes.hasRemaining()) groups.add(decodeGroup(bytes));
        return new Fence(groups);
    }

    private static Group decodeGroup(ByteBuffer bytes) {
        long last = (long) bytes.getDouble();
        long first = (long) bytes.getDouble();
        long decidedAtMicros = (long) bytes.getDouble();
        var tokensAfter = new ArrayList<Double>(1);
        tokensAfter.add(bytes.getDouble());
        var encodedTerms = new byte[bounded(bytes.getInt(), bytes)];
        int more = bounded(bytes.getInt(), bytes);
        int approved = bytes.getInt();
        bytes.get(encodedTerms);
        var terms = encodedTerms.length == 0 ? null : Terms.decode(encodedTerms);
        int limits = terms == null ? 1 : terms.limits().size();
        for (int i = 1; i < limits; i++) tokensAfter.add(bytes.getDouble());
        var refusals = new ArrayList<Refusal>();
        for (int left = more - Double.BYTES * (limits - 1); left > 0; left -= REFUSAL_BYTES) {
            refusals.add(new Refusal(last - Integer.toUnsignedLong(bytes.getInt()), bytes.get()));
        }
        var offsets = new Long[approved == ALL ? 0 : bounded(approved, bytes)];
        for (int i = 0; i < offsets.length; i++) offsets[i] = last - Integer.toUnsignedLong(bytes.getInt());
        return new Group(
                first, last, decidedAtMicros, terms, tokensAfter, approved == ALL, Arrays.asList(offsets), refusals);
    }

    private static int bounded(int size, ByteBuffer bytes) {
        if (size < 0 || size > bytes.remaining()) throw new BufferUnderflowException();
        return size;
    }
}
