package io.tollgate.redis;

import io.lettuce.core.RedisException;
import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Decision.CostExceedsCapacity;
import io.tollgate.bucket.Decision.QuotaExceeded;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The text of {@code spend.lua}, whose first lines describe its packed arguments and answers, and their coding. */
public final class SpendScript {
    /** The message if an answer is not one of the script's. */
    static final String FOREIGN_ANSWER = "Redis, or a proxy in front of it, does not give the answer of the script";

    static final byte[] TEXT = read();

    private static final int FIXED_BYTES = 1 + 8 + 8 + 1 + 5 * 8 + 7 * 4;
    private static final int CHARGE_BYTES = 16;
    private static final int SOURCE_BYTES = 8 + 8 + 4;
    private static final byte[] NOTHING = {};
    private static final int REPAIRED = 1;
    private static final int RECONCILED = 2;
    private static final int DISAGREES = 3;
    private static final int FAILED = 255;
    private static final int REPLAYED = 16;

    /** What to do with the bucket; the order is that of the script. */
    public enum Operation {
        SPEND,
        LOOK,
        RESET,
        SPEND_ONCE
    }

    private SpendScript() {}

    /** Returns the script, for programs that load or run it themselves. */
    public static String text() {
        return new String(TEXT, StandardCharsets.UTF_8);
    }

    static byte[] key(String agentId) {
        return key(agentId, BucketKind.ENFORCED);
    }

    /** No agent's id makes two of these names equal, because each ends in its purpose. */
    public static byte[] key(String agentId, BucketKind kind) {
        var suffix = kind == BucketKind.SHADOW ? ":shadow" : ":tokens";
        return ("quota:" + agentId + suffix).getBytes(StandardCharsets.UTF_8);
    }

    public static byte[] argument(Operation operation, SpendRequest spend) {
        var copy = spend.copy();
        var terms = spend.terms();
        byte[] history = history(spend.promises(), spend.clockSeconds());
        byte[] rest = copy == null ? NOTHING : rest(copy.buckets(), terms);
        byte[] others = copy == null ? NOTHING : others(copy);
        var fence = copy == null ? Fence.NONE : copy.fence();
        var unasked = spend.unasked();
        var charges = spend.charges();
        var bytes = ByteBuffer.allocate(FIXED_BYTES
                        + terms.encodedBytes()
                        + history.length
                        + rest.length
                        + fence.encodedBytes()
                        + unasked.encodedBytes()
                        + others.length
                        + CHARGE_BYTES * charges.size())
                .order(ByteOrder.LITTLE_ENDIAN);
        var exact = operation == Operation.SPEND && spend.isOnce() ? Operation.SPEND_ONCE : operation;
        bytes.put((byte) exact.ordinal()).putLong(spend.source()).putDouble(spend.committedOffset());
        putCopy(bytes, copy);
        bytes.putDouble(spend.promises().sinceSeconds());
        terms.encode(bytes.putInt(terms.encodedBytes()), spend.clockSeconds());
        bytes.putInt(history.length).put(history);
        bytes.putInt(rest.length).put(rest);
        fence.encode(bytes.putInt(fence.encodedBytes()));
        unasked.encode(bytes.putInt(unasked.encodedBytes()));
        bytes.putInt(others.length).put(others);
        bytes.putInt(charges.size());
        for (Charge charge : charges) bytes.putDouble(charge.offset()).putDouble(charge.costTokens());
        return bytes.array();
    }

    private static void putCopy(ByteBuffer bytes, SpendRequest.@Nullable Copy copy) {
        if (copy == null) {
            bytes.put((byte) 0)
                    .putDouble(0)
                    .putDouble(0)
                    .putDouble(SpendRequest.Copy.INCOMPLETE)
                    .putDouble(-1);
            return;
        }
        bytes.put((byte) (copy.status().ordinal() + 1))
                .putDouble(copy.buckets().first().tokens())
                .putDouble(copy.buckets().first().lastRefillSeconds())
                .putDouble(copy.foreignSeconds())
                .putDouble(copy.fenceOffset());
    }

    /** Almost always empty: the promises have not changed lately. */
    private static byte[] history(Promises promises, double clockSeconds) {
        var earlier = promises.earlier();
        if (earlier.isEmpty()) return NOTHING;
        int size = 0;
        for (var before : earlier) size += 8 + 4 + before.terms().encodedBytes();
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < earlier.size(); i++) {
            var before = earlier.get(i);
            double until = i + 1 < earlier.size() ? earlier.get(i + 1).sinceSeconds() : promises.sinceSeconds();
            bytes.putDouble(before.sinceSeconds()).putInt(before.terms().encodedBytes());
            before.terms().encode(bytes, Math.min(until, clockSeconds));
        }
        return bytes.array();
    }

    /** Almost always empty: an agent's requests come from one source, and it has neither resets nor holds. */
    private static byte[] others(SpendRequest.Copy copy) {
        var others = copy.others();
        var adjustments = copy.adjustments().toFence();
        boolean adjusted = adjustments != Fence.NONE;
        if (others.isEmpty() && !adjusted) return NOTHING;
        int size = adjusted ? SOURCE_BYTES + adjustments.encodedBytes() : 0;
        for (var other : others) size += SOURCE_BYTES + other.fence().encodedBytes();
        var bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        if (adjusted) putSource(bytes, SpendRequest.NO_SOURCE, copy.settledTokens(), adjustments);
        for (var other : others) putSource(bytes, other.source(), other.fenceOffset(), other.fence());
        return bytes.array();
    }

    private static void putSource(ByteBuffer bytes, long source, double number, Fence fence) {
        bytes.putLong(source).putDouble(number).putInt(fence.encodedBytes());
        fence.encode(bytes);
    }

    /** Almost always empty: one limit, which has not changed. */
    private static byte[] rest(AgentBuckets copy, Terms terms) {
        var before = copy.terms();
        boolean unchanged = before == null || before.equals(terms);
        if (copy.buckets().size() == 1 && unchanged) return NOTHING;
        byte[] encoded = before == null ? NOTHING : before.encode(copy.first().lastRefillSeconds());
        var bytes = ByteBuffer.allocate(
                        4 + encoded.length + 16 * (copy.buckets().size() - 1))
                .order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(encoded.length).put(encoded);
        for (var bucket : copy.buckets().subList(1, copy.buckets().size())) {
            bytes.putDouble(bucket.tokens()).putDouble(bucket.lastRefillSeconds());
        }
        return bytes.array();
    }

    /**
     * Reads the script's answer to these spends, in their order.
     *
     * @throws RedisException if it is another answer, such as that of a proxy
     */
    public static SpendResults answers(byte @Nullable [] reply, List<SpendRequest> spends) {
        if (reply == null) throw new RedisException(FOREIGN_ANSWER);
        try {
            return read(reply, spends);
        } catch (BufferUnderflowException cutOff) {
            throw new RedisException(FOREIGN_ANSWER); // the cause of a cut-off answer does not help
        }
    }

    private static SpendResults read(byte[] reply, List<SpendRequest> spends) {
        var bytes = ByteBuffer.wrap(reply).order(ByteOrder.LITTLE_ENDIAN);
        long clockMicros = (long) bytes.getDouble();
        var answers = new ArrayList<SpendResult>(spends.size());
        for (SpendRequest spend : spends) answers.add(answer(bytes, spend));
        return new SpendResults(clockMicros, answers);
    }

    private static SpendResult answer(ByteBuffer bytes, SpendRequest spend) {
        int status = Byte.toUnsignedInt(bytes.get());
        if (status == FAILED) {
            var text = new byte[bytes.getInt()];
            bytes.get(text);
            return new SpendResult.Failed(new String(text, StandardCharsets.UTF_8));
        }
        double lastRefillSeconds = bytes.getDouble();
        double foreignSeconds = bytes.getDouble();
        var buckets = new Bucket[spend.terms().limits().size()];
        for (int i = 0; i < buckets.length; i++) buckets[i] = new Bucket(bytes.getDouble(), lastRefillSeconds);
        var after = new AgentBuckets(spend.terms(), List.of(buckets));
        if (status == DISAGREES) return new SpendResult.Disagrees(after, foreignSeconds);
        int replays = 0;
        Fence.@Nullable Group group = null;
        var decisions = new Decision[spend.charges().size()];
        for (int i = 0; i < decisions.length; i++) {
            int verdict = bytes.get();
            if (verdict != REPLAYED) {
                decisions[i] = decision(verdict, bytes, spend.terms());
                continue;
            }
            replays++;
            group = group(bytes, group);
            decisions[i] = TokenBucket.decideAgain(spend.charges().get(i), group, spend.terms(), DecidedBy.REDIS);
        }
        return new SpendResult.Decided(
                after, List.of(decisions), replays, status == REPAIRED, status == RECONCILED, foreignSeconds);
    }

    private static Decision decision(int verdict, ByteBuffer bytes, Terms terms) {
        int limit = bytes.get();
        double remaining = bytes.getDouble();
        long decidedAtMicros = (long) bytes.getDouble();
        double retryAfterMillis = bytes.getDouble();
        return switch (verdict) {
            case 1 -> new Approved(remaining, decidedAtMicros, DecidedBy.REDIS, terms);
            case 2 ->
                new QuotaExceeded(
                        remaining,
                        TokenBucket.waitOf(retryAfterMillis),
                        decidedAtMicros,
                        DecidedBy.REDIS,
                        terms,
                        limit);
            case 3 -> new CostExceedsCapacity(remaining, decidedAtMicros, DecidedBy.REDIS, terms, limit);
            default -> throw new IllegalStateException("spend.lua answered verdict " + verdict);
        };
    }

    /** Returns the following group; if there is none, the one before. */
    private static Fence.Group group(ByteBuffer bytes, Fence.@Nullable Group before) {
        var encoded = new byte[bytes.getInt()];
        bytes.get(encoded);
        if (encoded.length > 0)
            return Fence.decode(ByteBuffer.wrap(encoded)).groups().get(0);
        if (before == null) throw new IllegalStateException("spend.lua answered again without a group");
        return before;
    }

    /** A request that only looks at a bucket, or fills it. */
    public static SpendRequest withoutCharges(String agentId, BucketKind kind, Promises promises, double clockSeconds) {
        return new SpendRequest(
                agentId, kind, promises, List.of(), SpendRequest.NO_SOURCE, -1, false, Fence.NONE, null, clockSeconds);
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
