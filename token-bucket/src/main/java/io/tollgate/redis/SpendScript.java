package io.tollgate.redis;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import io.tollgate.bucket.Limit;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The packed arguments and answers of {@code spend.lua}, whose first lines describe them. */
final class SpendScript {
    static final byte[] TEXT = read();

    private static final int FIXED_BYTES = 1 + 8 + 8 + 8 + 8 + 1 + 8 + 8 + 8 + 4 + 4;
    private static final int CHARGE_BYTES = 16;
    private static final int REPAIRED = 1;
    private static final int RECONCILED = 2;
    private static final int FAILED = 255;
    private static final int REPLAYED = 16;

    /** What to do with the bucket; the order is that of the script. */
    enum Operation {
        SPEND,
        LOOK,
        RESET
    }

    private SpendScript() {}

    static byte[] key(String agentId) {
        return ("quota:" + agentId + ":tokens").getBytes(StandardCharsets.UTF_8);
    }

    static byte[] argument(Operation operation, Spend spend) {
        var copy = spend.copy();
        byte[] groups = copy == null ? new byte[0] : copy.fence().encode();
        var bytes = ByteBuffer.allocate(FIXED_BYTES
                        + groups.length
                        + CHARGE_BYTES * spend.charges().size())
                .order(ByteOrder.LITTLE_ENDIAN);
        bytes.put((byte) operation.ordinal())
                .putDouble(spend.limit().capacityTokens())
                .putDouble(spend.limit().refillTokensPerSecond())
                .putLong(spend.source())
                .putDouble(spend.committedOffset());
        putCopy(bytes, copy, groups);
        bytes.putInt(spend.charges().size());
        for (Charge charge : spend.charges()) {
            bytes.putDouble(charge.offset()).putDouble(charge.costTokens());
        }
        return bytes.array();
    }

    private static void putCopy(ByteBuffer bytes, Spend.@Nullable Copy copy, byte[] groups) {
        if (copy == null) {
            bytes.put((byte) 0).putDouble(0).putDouble(0).putDouble(-1).putInt(0);
            return;
        }
        bytes.put((byte) (copy.standing().ordinal() + 1))
                .putDouble(copy.bucket().tokens())
                .putDouble(copy.bucket().lastRefillSeconds())
                .putDouble(copy.fence().lastOffset())
                .putInt(groups.length)
                .put(groups);
    }

    /**
     * Reads the script's answer to these spends, in their order.
     *
     * @throws java.nio.BufferUnderflowException if it is cut off
     */
    static Answers answers(byte[] reply, List<Spend> spends) {
        var bytes = ByteBuffer.wrap(reply).order(ByteOrder.LITTLE_ENDIAN);
        long clockMicros = (long) bytes.getDouble();
        var answers = new ArrayList<Answer>(spends.size());
        for (Spend spend : spends) answers.add(answer(bytes, spend));
        return new Answers(clockMicros, answers);
    }

    private static Answer answer(ByteBuffer bytes, Spend spend) {
        int status = Byte.toUnsignedInt(bytes.get());
        if (status == FAILED) {
            var text = new byte[bytes.getInt()];
            bytes.get(text);
            return new Answer.Failed(new String(text, StandardCharsets.UTF_8));
        }
        var bucket = new Bucket(bytes.getDouble(), bytes.getDouble());
        int replays = 0;
        var decisions = new ArrayList<Decision>(spend.charges().size());
        for (int i = 0; i < spend.charges().size(); i++) {
            int verdict = bytes.get();
            if (verdict > REPLAYED) {
                replays++;
                verdict -= REPLAYED;
            }
            decisions.add(decision(verdict, bytes.getDouble(), (long) bytes.getDouble(), bytes.getDouble()));
        }
        return new Answer.Decided(bucket, decisions, replays, status == REPAIRED, status == RECONCILED);
    }

    private static Decision decision(int verdict, double remaining, long decidedAtMicros, double retryAfterMillis) {
        return switch (verdict) {
            case 1 -> new Approved(remaining, decidedAtMicros, DecidedBy.REDIS);
            case 2 ->
                new QuotaExceeded(
                        remaining,
                        retryAfterMillis < 0 ? Decision.NEVER : Duration.ofMillis((long) retryAfterMillis),
                        decidedAtMicros,
                        DecidedBy.REDIS);
            case 3 -> new CostExceedsCapacity(remaining, decidedAtMicros, DecidedBy.REDIS);
            default -> throw new IllegalStateException("spend.lua answered verdict " + verdict);
        };
    }

    /** A spend that only looks at a bucket, or fills it. */
    static Spend withoutCharges(String agentId, Limit limit) {
        return new Spend(agentId, limit, List.of(), Spend.NO_SOURCE, -1, null);
    }

    private static byte[] read() {
        try (var script = SpendScript.class.getResourceAsStream("spend.lua")) {
            if (script == null) throw new IllegalStateException("spend.lua is missing from the jar");
            return script.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
