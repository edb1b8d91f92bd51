package io.tollgate.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.lettuce.core.AclSetuserArgs;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.protocol.CommandType;
import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Decision.Approved;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.redis.SpendScript.Operation;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpendScriptIT {
    private static final Limit SLOW = new Limit(100, 0.001);
    private static final long SOURCE = 42;
    private static final String AGENT = "agent-7";
    private static final String KEY = "quota:agent-7:tokens";

    private static RedisServer server;
    private static RedisBuckets redis;
    private static RedisClient client;
    private static RedisCommands<String, String> commands;
    private static RedisCommands<byte[], byte[]> bytes;

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        redis = new RedisBuckets(RedisURI.create(server.uri()));
        redis.probe(Duration.ofSeconds(5));
        client = RedisClient.create(server.uri());
        commands = client.connect(StringCodec.UTF8).sync();
        bytes = client.connect(ByteArrayCodec.INSTANCE).sync();
    }

    @AfterAll
    static void stop() {
        client.close();
        redis.close();
        server.close();
    }

    @BeforeEach
    void empty() {
        commands.flushall();
    }

    // The layout that other programs share.

    @Test
    void absentKeyIsAFullBucket() {
        var answer = decide(unfenced(AGENT, SLOW, 30));

        assertThat(answer.decisions().get(0)).isInstanceOf(Approved.class);
        assertThat(answer.bucket().tokens()).isEqualTo(70);
        assertThat(answer.repaired()).isFalse();
        assertThat(answer.reconciled()).isFalse();
    }

    @Test
    void everyProgramCanParseOurNumbers() {
        var answer = decide(fenced(AGENT, new Limit(1e12, 1.0 / 3), -1, null, new Charge(1, 0.1), new Charge(2, 1e-9)));

        var hash = commands.hgetall(KEY);
        assertThat(hash).containsOnlyKeys("tokens", "last_refill", "fence", "terms");
        assertThat(Double.parseDouble(hash.get("tokens")))
                .isEqualTo(answer.bucket().tokens());
        assertThat(Double.parseDouble(hash.get("last_refill")))
                .isEqualTo(answer.bucket().lastRefillSeconds());
        assertThat(hash.get("tokens")).matches("[0-9]+(\\.[0-9]+)?");
        assertThat(hash.get("last_refill")).matches("[0-9]+(\\.[0-9]+)?");
    }

    @ParameterizedTest
    @ValueSource(strings = {"a}{b", "*", "quota:other:tokens", "{}", "%s", "a b", "\"", "模型😀", "tokens"})
    void oddIdsArePlainData(String agentId) {
        decide(unfenced(agentId, SLOW, 30));
        decide(unfenced("other", SLOW, 1));

        assertThat(commands.keys("*")).containsExactlyInAnyOrder("quota:" + agentId + ":tokens", "quota:other:tokens");
        assertThat(decide(unfenced(agentId, SLOW, 0)).bucket().tokens()).isCloseTo(70, within(0.01));
    }

    @Test
    void longestIdsAreKeptApart() {
        var one = "é".repeat(AgentId.MAX_BYTES / 2);
        var other = one.substring(1) + "è";
        decide(unfenced(one, SLOW, 30));

        assertThat(decide(unfenced(other, SLOW, 0)).bucket().tokens()).isEqualTo(100);
        assertThat(decide(unfenced(one, SLOW, 0)).bucket().tokens()).isCloseTo(70, within(0.01));
    }

    @Test
    void continuesAnotherProgramsBucket() {
        commands.hset(KEY, Map.of("tokens", "12.5", "last_refill", Double.toString(redisSeconds() - 10)));

        assertThat(decide(unfenced(AGENT, new Limit(100, 2), 1)).bucket().tokens())
                .isCloseTo(31.5, within(0.5));
    }

    // Time to live.

    @ParameterizedTest
    @CsvSource({"100, 10, 3660", "100, 0.001, 100060", "1e12, 1e12, 3660", "7200, 2, 3660", "7204, 2, 3662"})
    void keyLivesLongerThanItTakesToFill(double capacity, double rate, long seconds) {
        decide(unfenced(AGENT, new Limit(capacity, rate), 1));

        assertThat(commands.ttl(KEY)).isBetween(seconds - 1, seconds);
    }

    /** The last would be full after more years than anybody counts. */
    @ParameterizedTest
    @CsvSource({"100, 0", "1e12, 0", "1e12, 1e-9"})
    void withoutRefillKeyNeverExpires(double capacity, double rate) {
        decide(unfenced(AGENT, new Limit(capacity, rate), 1));

        assertThat(commands.ttl(KEY)).isEqualTo(-1);
    }

    @Test
    void rateOfZeroRemovesTheExpiry() {
        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(1, 1)));
        assertThat(commands.ttl(KEY)).isPositive();
        decide(fenced(AGENT, new Limit(100, 0), -1, null, new Charge(2, 1)));
        assertThat(commands.ttl(KEY)).isEqualTo(-1);

        commands.expire(KEY, 3600); // another program, with a shorter expiry
        redis.reset(AGENT, new Limit(100, 0)).toCompletableFuture().join();
        assertThat(commands.ttl(KEY)).isEqualTo(-1);
    }

    @Test
    void rateAboveZeroBringsBackTheExpiry() {
        decide(fenced(AGENT, new Limit(100, 0), -1, null, new Charge(1, 1)));

        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(2, 1)));

        assertThat(commands.ttl(KEY)).isBetween(3600L, 3660L);
    }

    @Test
    void oneLimitWithoutRefillKeepsTheKey() {
        var limits = List.of(new NamedLimit("", new Limit(100, 10)), new NamedLimit("b", new Limit(10, 0)));
        var promises = Promises.of(new Terms(1, limits));

        decide(new SpendRequest(
                AGENT, BucketKind.ENFORCED, promises, List.of(new Charge(1, 1)), SOURCE, -1, false, Fence.NONE, null));

        assertThat(commands.ttl(KEY)).isEqualTo(-1);
    }

    /** A user that was set up before the script asked for it: nothing is refused, and the key outlives everybody. */
    @Test
    void withoutPersistKeyLivesForYears() {
        commands.aclSetuser("default", AclSetuserArgs.Builder.removeCommand(CommandType.PERSIST));
        try {
            decide(unfenced(AGENT, new Limit(100, 0), 1));
        } finally {
            commands.aclSetuser("default", AclSetuserArgs.Builder.addCommand(CommandType.PERSIST));
        }

        assertThat(Duration.ofSeconds(commands.ttl(KEY))).isGreaterThan(Duration.ofDays(365 * 50));
    }

    @Test
    void debtKeepsTheKeyUntilFull() {
        commands.hset(KEY, Map.of("tokens", "-9900", "last_refill", Double.toString(redisSeconds())));

        decide(unfenced(AGENT, new Limit(100, 1), 1));

        assertThat(commands.ttl(KEY)).isGreaterThanOrEqualTo(9_990);
    }

    @Test
    void shortExpiryOfOthersIsRepaired() {
        var limit = new Limit(100_000, 1);
        decide(fenced(AGENT, limit, -1, null, new Charge(1, 1)));
        commands.hset(KEY, Map.of("tokens", "5", "last_refill", Double.toString(redisSeconds())));
        commands.expire(KEY, 3600);

        decide(fenced(AGENT, limit, -1, null, new Charge(2, 1)));

        assertThat(commands.ttl(KEY)).isGreaterThanOrEqualTo(100_000);
    }

    @Test
    void earlierExpiryIsExtendedToAnHour() {
        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(1, 1)));
        commands.hset(KEY, Map.of("tokens", "5", "last_refill", Double.toString(redisSeconds())));
        commands.expire(KEY, 10);

        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(2, 1)));

        assertThat(commands.ttl(KEY)).isGreaterThanOrEqualTo(3600);
    }

    @Test
    void keyAlwaysHasAnHourLeft() {
        for (int offset = 0; offset < 200; offset++) {
            decide(fenced(AGENT, new Limit(100, 10), offset - 1, null, new Charge(offset, 0.1)));
            assertThat(commands.pttl(KEY)).isGreaterThanOrEqualTo(3_600_000);
        }
    }

    @Test
    void expiryIsRenewedInTheNextMinute() {
        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(1, 1)));
        // The same bucket as written two minutes ago, 3540 s before its end.
        double then = redisSeconds() - 120;
        var groups = new Fence(List.of(new Fence.Group(1, (long) (then * 1e6), 99, true, List.of()))).encode();
        bytes.hset(
                utf8(KEY),
                Map.of(utf8("last_refill"), utf8(Double.toString(then)), utf8("fence"), fenceEntry(SOURCE, groups)));
        commands.expire(KEY, 3540);

        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(2, 1)));

        assertThat(commands.ttl(KEY)).isGreaterThanOrEqualTo(3600);
    }

    @Test
    void expiryIsRenewedForABucketAhead() {
        decide(unfenced(AGENT, new Limit(100, 10), 1));
        commands.hset(KEY, "last_refill", Double.toString(redisSeconds() + 7200));
        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(1, 1)));
        commands.expire(KEY, 1800); // half an hour later: the bucket's own time has not moved

        decide(fenced(AGENT, new Limit(100, 10), -1, null, new Charge(2, 1)));

        assertThat(commands.ttl(KEY)).isGreaterThanOrEqualTo(3600);
    }

    // Redis loses data, or holds unreadable fields.

    @Test
    void flushedScriptIsLoadedAgain() {
        decide(unfenced(AGENT, SLOW, 30));
        commands.scriptFlush();

        assertThat(decide(unfenced(AGENT, SLOW, 30)).bucket().tokens()).isCloseTo(40, within(0.01));
    }

    @ParameterizedTest
    @CsvSource({
        "nan, 1700000000",
        "inf, 1700000000",
        "-inf, 1700000000",
        "0x10, 1700000000",
        "abc, 1700000000",
        "'', 1700000000",
        "1e999, 1700000000",
        "50, nan",
        "50, inf",
        "50, 0x10",
        "50, abc",
        "50, ''",
        "50, 99999999999"
    })
    void unreadableFieldMeansEmpty(String tokens, String lastRefill) {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 1))); // a fence of ours stands beside it
        commands.hset(KEY, Map.of("tokens", tokens, "last_refill", lastRefill));

        var answers = join(fenced(AGENT, SLOW, -1, null, new Charge(2, 1)), unfenced("other", SLOW, 1));

        var answer = (SpendResult.Decided) answers.get(0);
        assertThat(answer.repaired()).isTrue();
        assertThat(answer.decisions().get(0)).isInstanceOf(Decision.QuotaExceeded.class);
        assertThat(((SpendResult.Decided) answers.get(1)).bucket().tokens()).isEqualTo(99);
        assertThat(Double.parseDouble(commands.hget(KEY, "tokens"))).isZero();
        assertThat(Double.parseDouble(commands.hget(KEY, "last_refill"))).isCloseTo(redisSeconds(), within(5.0));
        assertThat(decide(unfenced(AGENT, SLOW, 0)).repaired()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"tokens", "last_refill"})
    void missingFieldMeansEmpty(String missing) {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 1)));
        commands.hdel(KEY, missing);

        var answer = decide(fenced(AGENT, SLOW, -1, null, new Charge(2, 1)));

        assertThat(answer.repaired()).isTrue();
        assertThat(answer.bucket().tokens()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"nan", "abc", "0x10"})
    void unreadableFieldGoesOnFromOurCopy(String text) {
        var before = decide(unfenced(AGENT, SLOW, 40));
        commands.hset(KEY, "tokens", text);

        var answer = decide(SpendRequest.unordered(AGENT, SLOW, 10, copy(before.bucket(), Fence.NONE, false)));

        assertThat(answer.repaired()).isTrue();
        assertThat(answer.bucket().tokens()).isCloseTo(50, within(0.01));
    }

    @Test
    void lastRefillAheadMintsNothing() {
        double ahead = redisSeconds() + 3600;
        commands.hset(KEY, Map.of("tokens", "50", "last_refill", Double.toString(ahead)));

        var answer = decide(unfenced(AGENT, new Limit(100, 10), 20));

        assertThat(answer.bucket()).isEqualTo(new Bucket(30, ahead));
        assertThat(answer.decisions().get(0).decidedAtMicros()).isEqualTo(Math.round(ahead * 1e6));
        assertThat(Double.parseDouble(commands.hget(KEY, "last_refill"))).isEqualTo(ahead);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"00", "ff", "2a00000000000000ffffffff", "2a0000000000000005000000ffffffffff", "6162636465666768"
            })
    void unreadableFenceIsReplaced(String hex) {
        decide(unfenced(AGENT, SLOW, 40));
        bytes.hset(utf8(KEY), utf8("fence"), HexFormat.of().parseHex(hex));

        var answer = decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10)));

        assertThat(answer.repaired()).isTrue();
        assertThat(answer.bucket().tokens()).isCloseTo(50, within(0.01));
        var again = decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10)));
        assertThat(again.repaired()).isFalse();
        assertThat(again.replays()).isEqualTo(1);
    }

    @Test
    void fenceOfWrongBytesIsReplaced() {
        decide(unfenced(AGENT, SLOW, 40));
        var nonsense = new byte[44];
        Arrays.fill(nonsense, (byte) 0xff); // NaN, four times, and "all approved"
        bytes.hset(utf8(KEY), utf8("fence"), fenceEntry(SOURCE, nonsense));

        decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10)));

        var again = decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10)));
        assertThat(again.replays()).isEqualTo(1);
        assertThat(again.bucket().tokens()).isCloseTo(50, within(0.01));
    }

    @Test
    void keyOfAnotherTypeFailsAlone() {
        commands.set(KEY, "not a hash");

        var answers = join(unfenced("first", SLOW, 1), unfenced(AGENT, SLOW, 1), unfenced("last", SLOW, 1));

        assertThat(answers.get(0)).isInstanceOf(SpendResult.Decided.class);
        assertThat(answers.get(1))
                .isInstanceOfSatisfying(
                        SpendResult.Failed.class,
                        failed -> assertThat(failed.message()).startsWith("WRONGTYPE"));
        assertThat(((SpendResult.Decided) answers.get(2)).bucket().tokens()).isEqualTo(99);
        assertThat(commands.get(KEY)).isEqualTo("not a hash");
    }

    // Illegal arguments, which only a defect of ours can send.

    @ParameterizedTest
    @CsvSource({
        "70, NaN",
        "70, 0",
        "70, -1",
        "70, Infinity",
        "70, 1e13", // capacity
        "78, NaN",
        "78, -1",
        "78, Infinity",
        "78, 1e13", // refill rate
        "18, NaN",
        "18, Infinity",
        "18, -Infinity", // the copy's tokens
        "26, NaN",
        "26, Infinity",
        "26, -Infinity", // its last refill
        "9, NaN",
        "34, NaN",
        "42, NaN",
        "50, NaN", // committed offset, the last foreign write, the copy's fence, since when the terms count
        "111, -3",
        "111, 0.5",
        "111, NaN",
        "111, Infinity", // offset
        "119, -1",
        "119, NaN",
        "119, Infinity",
        "119, 1e13" // cost
    })
    void illegalNumberWritesNothing(int at, double value) {
        var copy = copy(new Bucket(1, redisSeconds()), Fence.NONE, false);
        var argument = SpendScript.argument(
                Operation.SPEND, new SpendRequest(AGENT, SLOW, List.of(new Charge(1, 1)), SOURCE, -1, copy));
        ByteBuffer.wrap(argument).order(ByteOrder.LITTLE_ENDIAN).putDouble(at, value);

        var answers = callRaw(List.of(AGENT, "other"), List.of(argument, argumentOf(unfenced("other", SLOW, 1))));

        assertThat(answers.get(0)).isInstanceOf(SpendResult.Failed.class);
        assertThat(answers.get(1)).isInstanceOf(SpendResult.Decided.class);
        assertThat(commands.exists(KEY)).isZero();
    }

    @Test
    void cutOffArgumentFailsAlone() {
        var fence = new Fence(List.of(new Fence.Group(1, 1, 1, 1, false, List.of())));
        var copy = copy(new Bucket(1, redisSeconds()), fence, false);
        var whole = SpendScript.argument(
                Operation.SPEND, new SpendRequest(AGENT, SLOW, List.of(new Charge(2, 1)), SOURCE, -1, copy));

        for (int length = 0; length < whole.length; length++) {
            var answers = callRaw(
                    List.of("other", AGENT),
                    List.of(argumentOf(unfenced("other", SLOW, 0.01)), Arrays.copyOf(whole, length)));

            assertThat(answers.get(0)).as("%s bytes", length).isInstanceOf(SpendResult.Decided.class);
            assertThat(answers.get(1)).as("%s bytes", length).isInstanceOf(SpendResult.Failed.class);
            assertThat(commands.exists(KEY)).isZero();
        }
    }

    // Looking and resetting.

    @Test
    void lookWritesNothing() throws Exception {
        assertThat(redis.look(AGENT, SLOW).toCompletableFuture().get().tokens()).isEqualTo(100);
        assertThat(commands.exists(KEY)).isZero();

        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 60)));
        var before = dump();
        assertThat(redis.look(AGENT, SLOW).toCompletableFuture().get().tokens()).isCloseTo(40, within(0.01));
        assertThat(dump()).isEqualTo(before);
    }

    @Test
    void resetFillsAndKeepsTheFence() throws Exception {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 100)));

        redis.reset(AGENT, SLOW).toCompletableFuture().get();

        var replay = decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 100)));
        assertThat(replay.replays()).isEqualTo(1);
        assertThat(replay.bucket().tokens()).isEqualTo(100);
    }

    // The fence.

    @Test
    void replayChargesNothing() {
        var charges = new Charge[] {new Charge(3, 60), new Charge(5, 50), new Charge(9, 40)};
        var first = decide(fenced(AGENT, SLOW, -1, null, charges));

        var again = decide(fenced(AGENT, SLOW, -1, null, charges));

        assertThat(again.replays()).isEqualTo(3);
        assertThat(approvals(again)).isEqualTo(approvals(first)).containsExactly(true, false, true);
        assertThat(again.bucket().tokens()).isCloseTo(0, within(0.01));
    }

    @Test
    void retriedCallsChargeOnce() {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 10), new Charge(2, 20)));
        decide(fenced(AGENT, SLOW, -1, null, new Charge(3, 5), new Charge(4, 90), new Charge(5, 15)));
        var decidedAlone = new Fence(List.of(oneGroup(2, 90, false), oneGroup(1, 90, true)));
        var copy = new SpendRequest.Copy(new Bucket(90, redisSeconds()), decidedAlone, CopyStatus.SUPERSEDES);

        var again = decide(fenced(AGENT, SLOW, -1, copy, new Charge(3, 5), new Charge(4, 90), new Charge(5, 15)));

        assertThat(again.replays()).isZero();
        assertThat(approvals(again)).containsExactly(true, false, true);
        assertThat(again.bucket().tokens())
                .as("the smaller of 70 in Redis and 90 in the copy, less 20")
                .isCloseTo(50, within(0.01));
    }

    @Test
    void earlierRefusalsAreRepeated() {
        var first = decide(fenced(AGENT, SLOW, -1, null, new Charge(2, 90)));
        long refusedAt = first.decisions().get(0).decidedAtMicros() + 1;
        var unasked = new Fence(
                List.of(new Fence.Group(4, 5, refusedAt, Terms.of(SLOW), List.of(10.0), false, List.of(), List.of())));
        decide(new SpendRequest(
                AGENT,
                BucketKind.ENFORCED,
                Promises.of(Terms.of(SLOW)),
                List.of(new Charge(7, 5)),
                SOURCE,
                -1,
                false,
                unasked,
                null));

        var again = decide(fenced(
                AGENT, SLOW, -1, null, new Charge(2, 90), new Charge(4, 50), new Charge(5, 11), new Charge(7, 5)));

        assertThat(again.replays()).isEqualTo(4);
        assertThat(approvals(again)).containsExactly(true, false, false, true);
        assertThat(again.bucket().tokens()).isCloseTo(5, within(0.01));
        assertThat(again.decisions().subList(1, 3))
                .allMatch(refused -> refused.decidedAtMicros() == refusedAt && refused.remainingTokens() == 10);
    }

    @Test
    void unorderedChargeIsNoReplay() {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(3, 60)));

        var answer = decide(fenced(AGENT, SLOW, -1, null, Charge.of(10)));

        assertThat(answer.replays()).isZero();
        assertThat(answer.bucket().tokens()).isCloseTo(30, within(0.01));
    }

    @Test
    void otherSourcesKeepTheirFences() {
        for (long source = 1; source <= 4; source++) {
            decide(new SpendRequest(AGENT, SLOW, List.of(new Charge(10 * source, 1)), source, -1, null));
        }

        for (long source = 1; source <= 4; source++) {
            var replay = decide(new SpendRequest(AGENT, SLOW, List.of(new Charge(10 * source, 1)), source, -1, null));
            assertThat(replay.replays()).as("source %s", source).isEqualTo(1);
        }
    }

    @Test
    void onlyTheLatestFencesAreKept() {
        for (long source = 1; source <= 50; source++) {
            decide(new SpendRequest(AGENT, SLOW, List.of(new Charge(1, 1)), source, -1, null));
        }

        var fence = bytes.hget(utf8(KEY), utf8("fence"));
        assertThat(sourcesIn(fence)).containsExactly(50L, 49L, 48L, 47L);
    }

    @Test
    void commitsKeepTheFenceShort() {
        for (int offset = 0; offset < 300; offset++) {
            decide(fenced(AGENT, SLOW, offset - 5, null, new Charge(offset, 0.01)));
        }

        assertThat(bytes.hget(utf8(KEY), utf8("fence")).length).isLessThan(500);
    }

    @Test
    void rereadAfterCommitIsDecidedAfresh() {
        for (int offset = 0; offset < 10; offset++)
            decide(fenced(AGENT, SLOW, offset - 1, null, new Charge(offset, 1)));

        for (int offset = 0; offset < 9; offset++) {
            var answer = decide(fenced(AGENT, SLOW, -1, null, new Charge(offset, 1)));
            assertThat(answer.replays()).as("offset %s", offset).isZero();
            assertThat(approvals(answer)).containsExactly(true);
        }
        assertThat(decide(unfenced(AGENT, SLOW, 0)).bucket().tokens()).isCloseTo(81, within(0.01));
    }

    // Which copy is newer: see docs/exactness.md.

    @Test
    void missingKeyGoesOnFromOurCopy() {
        var before = decide(unfenced(AGENT, SLOW, 90));
        commands.del(KEY);

        var answer = decide(SpendRequest.unordered(AGENT, SLOW, 5, copy(before.bucket(), Fence.NONE, false)));

        assertThat(answer.reconciled()).isTrue();
        assertThat(answer.bucket().tokens()).isCloseTo(5, within(0.01));
    }

    @Test
    void oldCopyIsRefilledFirst() {
        var old = new Bucket(10, redisSeconds() - 20);

        var answer = decide(SpendRequest.unordered(AGENT, new Limit(100, 2), 1, copy(old, Fence.NONE, false)));

        assertThat(answer.bucket().tokens()).isCloseTo(49, within(0.5));
    }

    @Test
    void smallerBucketGoesOnIfRedisIsBehind() {
        var first = decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 10)));
        var lostWrites = bytes.dump(utf8(KEY));
        var second = decide(fenced(AGENT, SLOW, -1, null, new Charge(2, 50)));
        var fence = fenceOf(first, 1).plus(group(second, 2));
        bytes.del(utf8(KEY));
        bytes.restore(utf8(KEY), 0, lostWrites);

        var answer = decide(fenced(AGENT, SLOW, -1, copy(second.bucket(), fence, false), new Charge(3, 1)));

        assertThat(answer.reconciled()).isTrue();
        assertThat(answer.bucket().tokens()).isCloseTo(39, within(0.01));
        var replay = decide(fenced(AGENT, SLOW, -1, null, new Charge(2, 50)));
        assertThat(replay.replays()).isEqualTo(1);
        assertThat(replay.bucket().tokens()).isCloseTo(39, within(0.01));
    }

    @Test
    void fewerTokensInRedisCount() {
        decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 90)));
        var copy = copy(new Bucket(50, redisSeconds()), Fence.NONE.plus(oneGroup(2, 50, true)), false);

        var answer = decide(fenced(AGENT, SLOW, -1, copy, new Charge(3, 1)));

        assertThat(answer.bucket().tokens()).isCloseTo(9, within(0.01));
    }

    @Test
    void localDecisionsLeaveTheSmallerBucket() {
        decide(unfenced(AGENT, SLOW, 10));
        var copy = copy(new Bucket(30, redisSeconds()), Fence.NONE, true);

        var answer = decide(SpendRequest.unordered(AGENT, SLOW, 1, copy));

        assertThat(answer.reconciled()).isTrue();
        assertThat(answer.bucket().tokens()).isCloseTo(29, within(0.01));
    }

    @Test
    void redisIsRightAboutOtherWriters() {
        var first = decide(fenced(AGENT, SLOW, -1, null, new Charge(1, 50)));
        var copy = copy(first.bucket(), fenceOf(first, 1), false);

        commands.hset(KEY, "tokens", "7");
        assertThat(decide(fenced(AGENT, SLOW, -1, copy, new Charge(2, 1)))
                        .bucket()
                        .tokens())
                .isCloseTo(6, within(0.01));

        redis.reset(AGENT, SLOW).toCompletableFuture().join();
        var after = decide(fenced(AGENT, SLOW, -1, copy, new Charge(3, 1)));
        assertThat(after.reconciled()).isFalse();
        assertThat(after.bucket().tokens()).isCloseTo(99, within(0.01));
    }

    @Test
    void replayRepeatsLocalAnswers() {
        // Redis refused 5 and 6, but its answer was lost; our copy then approved 5 and refused 6.
        commands.hset(KEY, Map.of("tokens", "0", "last_refill", Double.toString(redisSeconds())));
        var lost = decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10), new Charge(6, 10)));
        assertThat(approvals(lost)).containsExactly(false, false);
        var ours = new Fence.Group(5, 6, 77, 3, false, List.of(5L));
        var copy = copy(new Bucket(3, redisSeconds()), Fence.NONE.plus(ours), true);

        var replay = decide(fenced(AGENT, SLOW, -1, copy, new Charge(5, 10), new Charge(6, 10)));

        assertThat(approvals(replay)).containsExactly(true, false);
        assertThat(replay.replays()).isEqualTo(2);
        assertThat(replay.decisions().get(0).decidedAtMicros()).isEqualTo(77);
        assertThat(replay.bucket().tokens()).isCloseTo(0, within(0.01));
    }

    @Test
    void replayOfALostAnswerFollowsTheCopy() {
        commands.hset(KEY, Map.of("tokens", "0", "last_refill", Double.toString(redisSeconds())));
        decide(fenced(AGENT, SLOW, -1, null, new Charge(5, 10), new Charge(6, 10)));
        var ours = new Fence.Group(5, 8, 77, 3, true, List.of());
        var copy = copy(new Bucket(3, redisSeconds()), Fence.NONE.plus(ours), true);

        var replay = decide(fenced(AGENT, SLOW, -1, copy, new Charge(5, 10), new Charge(6, 10), new Charge(8, 1)));

        assertThat(approvals(replay)).containsExactly(true, true, true);
        assertThat(replay.replays()).isEqualTo(3);
    }

    @Test
    void oldCopyKeepsLaterDecisionsKnown() {
        // Decided without Redis up to 10 and told; then Redis decided 11 and 12; then a crash brought the old copy
        // back.
        var old = copy(new Bucket(60, redisSeconds()), Fence.NONE.plus(oneGroup(10, 60, true)), true);
        decide(fenced(AGENT, SLOW, -1, old, new Charge(11, 20), new Charge(12, 20)));

        var replay = decide(fenced(AGENT, SLOW, -1, old, new Charge(11, 20), new Charge(12, 20)));

        assertThat(replay.replays()).isEqualTo(2);
        assertThat(replay.bucket().tokens()).isCloseTo(20, within(0.01));
        var oneMore = decide(fenced(AGENT, SLOW, -1, null, new Charge(10, 20), new Charge(12, 20)));
        assertThat(oneMore.replays()).isEqualTo(2);
        assertThat(oneMore.bucket().tokens()).isCloseTo(20, within(0.01));
    }

    @Test
    void sameCopyTwiceKeepsTheFenceShort() {
        var fence = Fence.NONE
                .plus(oneGroup(1, 90, true))
                .plus(oneGroup(2, 80, false))
                .plus(oneGroup(3, 70, true));
        var copy = copy(new Bucket(70, redisSeconds()), fence, true);
        decide(fenced(AGENT, SLOW, -1, copy, new Charge(3, 1)));
        int size = bytes.hget(utf8(KEY), utf8("fence")).length;

        for (int i = 0; i < 5; i++) decide(fenced(AGENT, SLOW, -1, copy, new Charge(3, 1)));

        assertThat(bytes.hget(utf8(KEY), utf8("fence"))).hasSize(size);
    }

    // Errors of Redis as a whole.

    @Test
    void noMemoryLeavesNothingHalfWritten() {
        assertFailsAsAWhole(
                "OOM", () -> commands.configSet("maxmemory", "1"), () -> commands.configSet("maxmemory", "0"));
    }

    @Test
    void replicaLeavesNothingHalfWritten() {
        assertFailsAsAWhole("READONLY", () -> commands.replicaof("127.0.0.1", 1), () -> commands.replicaofNoOne());
    }

    @Test
    void fewReplicasLeaveNothingHalfWritten() {
        assertFailsAsAWhole(
                "NOREPLICAS",
                () -> commands.configSet("min-replicas-to-write", "1"),
                () -> commands.configSet("min-replicas-to-write", "0"));
    }

    @Test
    void busyScriptLeavesNothingHalfWritten() {
        commands.configSet("busy-reply-threshold", "20");
        try (var other = RedisClient.create(server.uri())) {
            var loop = other.connect().async();
            assertFailsAsAWhole(
                    "BUSY",
                    () -> {
                        var looping = loop.eval("while true do end", ScriptOutputType.STATUS);
                        org.awaitility.Awaitility.await().until(() -> isBusy());
                        assertThat(looping.toCompletableFuture()).isNotDone();
                    },
                    () -> {
                        commands.scriptKill();
                        org.awaitility.Awaitility.await().until(() -> !isBusy());
                    });
        }
    }

    private static boolean isBusy() {
        try {
            commands.ping();
            return false;
        } catch (io.lettuce.core.RedisBusyException busy) {
            return true;
        }
    }

    private void assertFailsAsAWhole(String error, Runnable cause, Runnable heal) {
        var agents = List.of("a", "b", "c");
        for (String agent : agents) decide(unfenced(agent, SLOW, 10));
        var before = dump();
        var spends = agents.stream().map(agent -> unfenced(agent, SLOW, 10)).toList();
        cause.run();
        try {
            assertThatThrownBy(() -> redis.spend(spends).join())
                    .isInstanceOf(CompletionException.class)
                    .cause()
                    .isInstanceOf(io.lettuce.core.RedisException.class)
                    .hasMessageContaining(error);
        } finally {
            heal.run();
        }
        assertThat(dump()).isEqualTo(before);
        assertThat(join(spends.toArray(SpendRequest[]::new))).allMatch(answer -> answer instanceof SpendResult.Decided);
    }

    // Helpers.

    private static SpendRequest unfenced(String agentId, Limit limit, double cost) {
        return SpendRequest.unordered(agentId, limit, cost, null);
    }

    private static SpendRequest fenced(
            String agentId, Limit limit, long committed, SpendRequest.@Nullable Copy copy, Charge... charges) {
        return new SpendRequest(agentId, limit, List.of(charges), SOURCE, committed, copy);
    }

    private static SpendRequest.Copy copy(Bucket bucket, Fence fence, boolean decidedWithoutRedis) {
        return new SpendRequest.Copy(
                bucket, fence, decidedWithoutRedis ? CopyStatus.DECIDED_ALONE : CopyStatus.FOLLOWS);
    }

    private static Fence.Group oneGroup(long offset, double tokens, boolean approved) {
        return new Fence.Group(offset, 1000 + offset, tokens, approved, List.of());
    }

    private static Fence.Group group(SpendResult.Decided answer, long offset) {
        var decision = answer.decisions().get(0);
        return new Fence.Group(
                offset, decision.decidedAtMicros(), decision.remainingTokens(), decision.isApproved(), List.of());
    }

    private static Fence fenceOf(SpendResult.Decided answer, long offset) {
        return Fence.NONE.plus(group(answer, offset));
    }

    private static SpendResult.Decided decide(SpendRequest spend) {
        return (SpendResult.Decided) join(spend).get(0);
    }

    private static List<SpendResult> join(SpendRequest... spends) {
        return redis.spend(List.of(spends)).join().answers();
    }

    private static List<Boolean> approvals(SpendResult.Decided answer) {
        return answer.decisions().stream().map(Decision::isApproved).toList();
    }

    private static byte[] argumentOf(SpendRequest spend) {
        return SpendScript.argument(Operation.SPEND, spend);
    }

    /** Calls the script with arguments that no code of ours would make; every agent asks for one charge. */
    private static List<SpendResult> callRaw(List<String> agents, List<byte[]> arguments) {
        var keys = agents.stream().map(SpendScript::key).toArray(byte[][]::new);
        byte[] reply = bytes.eval(SpendScript.TEXT, ScriptOutputType.VALUE, keys, arguments.toArray(byte[][]::new));
        return SpendScript.answers(
                        reply,
                        agents.stream().map(agent -> unfenced(agent, SLOW, 1)).toList())
                .answers();
    }

    private static byte[] fenceEntry(long source, byte[] groups) {
        return ByteBuffer.allocate(12 + groups.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(source)
                .putInt(groups.length)
                .put(groups)
                .array();
    }

    private static List<Long> sourcesIn(byte[] fence) {
        var entries = ByteBuffer.wrap(fence).order(ByteOrder.LITTLE_ENDIAN).position(24);
        var sources = new ArrayList<Long>();
        while (entries.hasRemaining()) {
            sources.add(entries.getLong());
            int size = entries.getInt();
            entries.position(entries.position() + size);
        }
        return sources;
    }

    private static Map<String, Map<String, String>> dump() {
        var all = new TreeMap<String, Map<String, String>>();
        for (String key : commands.keys("*")) all.put(key, commands.hgetall(key));
        return all;
    }

    private static double redisSeconds() {
        var time = commands.time();
        return Long.parseLong(time.get(0)) + Long.parseLong(time.get(1)) / 1e6;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
