package io.tollgate.bucket;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FenceTest {
    @Test
    void emptyFenceRecallsNothing() {
        assertThat(Fence.NONE.lastOffset()).isEqualTo(-1);
        assertThat(Fence.NONE.recall(0)).isEmpty();
        assertThat(Fence.NONE.encode()).isEmpty();
        assertThat(Fence.decode(ByteBuffer.allocate(0))).isEqualTo(Fence.NONE);
    }

    @Test
    void recallsTheGroupOfAnOffset() {
        var fence = Fence.NONE
                .plus(new Fence.Group(0, 10, 1, 5, true, List.of()))
                .plus(new Fence.Group(11, 20, 2, 4, false, List.of(15L)));

        assertThat(fence.recall(10).orElseThrow().decidedAtMicros()).isEqualTo(1);
        assertThat(fence.recall(11).orElseThrow().decidedAtMicros()).isEqualTo(2);
        assertThat(fence.recall(20).orElseThrow().decidedAtMicros()).isEqualTo(2);
        assertThat(fence.recall(21)).isEmpty();
    }

    @Test
    void forgottenOffsetsAreNotRecalled() {
        var fence = Fence.NONE
                .plus(new Fence.Group(0, 10, 1, 5, true, List.of()))
                .plus(new Fence.Group(11, 20, 2, 4, true, List.of()))
                .uncommitted(10);

        assertThat(fence.recall(10)).isEmpty();
        assertThat(fence.recall(11)).isPresent();
    }

    @Test
    void refusedHoldsKeepTheirReason() {
        var terms = Terms.of(new Limit(10, 1));
        var fence = Fence.NONE
                .plusRefused(5, new Decision.QuotaExceeded(2, Optional.empty(), 7, DecidedBy.REDIS, terms, 0))
                .plusRefused(6, new Decision.TooManyOpenHolds(2, 7, DecidedBy.REDIS, terms))
                .plusRefused(9, new Decision.TooManyOpenHolds(2, 7, DecidedBy.REDIS, terms));

        var decoded = Fence.decode(ByteBuffer.wrap(fence.encode()));

        assertThat(decoded).isEqualTo(fence);
        assertThat(decoded.groups()).hasSize(2);
        assertThat(again(decoded, 5)).isInstanceOf(Decision.QuotaExceeded.class);
        assertThat(again(decoded, 9)).isEqualTo(new Decision.TooManyOpenHolds(2, 7, DecidedBy.LOCAL, terms));
    }

    @Test
    void refusedHoldOfALostAnswerIsNotApproved() {
        var terms = Terms.of(new Limit(10, 1));
        var refusal = new Decision.TooManyOpenHolds(2, 7, DecidedBy.REDIS, terms);

        var group = Fence.Group.of(List.of(new Charge(5, 1)), List.of(refusal), List.of(2.0));

        assertThat(again(Fence.NONE.plus(group), 5)).isInstanceOf(Decision.TooManyOpenHolds.class);
    }

    private static Decision again(Fence fence, long offset) {
        var group = fence.recall(offset).orElseThrow();
        return TokenBucket.decideAgain(new Charge(offset, 3), group, Terms.of(new Limit(10, 1)), DecidedBy.LOCAL);
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void randomFenceSurvivesEncoding(long seed) {
        var random = new Random(seed);
        for (int i = 0; i < 500; i++) {
            var fence = randomFence(random);

            assertThat(Fence.decode(ByteBuffer.wrap(fence.encode()))).isEqualTo(fence);
        }
    }

    @Test
    void decodingLeavesTheRestOfTheBuffer() {
        var fence = randomFence(new Random(9));
        var bytes = ByteBuffer.allocate(fence.encode().length + 10);
        bytes.position(5).put(fence.encode()).position(5).limit(5 + fence.encode().length);

        assertThat(Fence.decode(bytes.slice())).isEqualTo(fence);
        assertThat(bytes.position()).isEqualTo(5);
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {31, 32, 33})
    void cutOffBytesGiveWholeGroupsOrAnError(long seed) {
        var fence = randomFence(new Random(seed));
        byte[] whole = fence.encode();
        for (int length = 1; length < whole.length; length++) {
            var cut = ByteBuffer.wrap(Arrays.copyOf(whole, length));
            try {
                var decoded = Fence.decode(cut);
                assertThat(decoded.encode()).hasSize(length);
            } catch (BufferUnderflowException expected) {
                // most lengths
            }
        }
        assertThatThrownBy(() -> Fence.decode(ByteBuffer.wrap(whole, 0, whole.length - 1)))
                .isInstanceOf(BufferUnderflowException.class);
    }

    @Test
    void hugeCountIsAnErrorWithoutAllocation() {
        var bytes = new Fence(List.of(new Fence.Group(1, 7, 1, 1, false, List.of()))).encode();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(bytes.length - 4, 0x7fff_ffff);

        assertThatThrownBy(() -> Fence.decode(ByteBuffer.wrap(bytes))).isInstanceOf(BufferUnderflowException.class);
    }

    private static Fence randomFence(Random random) {
        var groups = new ArrayList<Fence.Group>();
        long offset = random.nextInt(1000);
        for (int g = 1 + random.nextInt(5); g > 0; g--) {
            long first = offset;
            var approved = new ArrayList<Long>();
            for (int i = random.nextInt(6); i >= 0; i--) {
                offset += 1 + random.nextInt(100_000);
                if (random.nextBoolean()) approved.add(offset);
            }
            boolean all = random.nextInt(3) == 0;
            groups.add(
                    0,
                    new Fence.Group(
                            first,
                            offset,
                            1_760_000_000_000_000L + offset,
                            random.nextDouble() * 1000,
                            all,
                            all ? List.of() : approved));
            offset++;
        }
        return new Fence(groups);
    }
}
