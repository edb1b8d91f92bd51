package io.tollgate.memoryredis;

import static org.assertj.core.api.Assertions.assertThat;

import io.lettuce.core.RedisClient;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.tollgate.quota.SimulatedHistories;
import io.tollgate.redis.SpendScript;
import io.tollgate.sandbox.process.RedisServer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Gives a real Redis what {@link MemoryRedis} was given, and demands the same answers and fields to the last byte. */
class MemoryRedisIT {
    private static final int CALLS = 400;
    private static final String TIME = "redis.call('TIME')";
    /** The script's loop ends with the keys: what stands behind their arguments is the time. */
    private static final String GIVEN_TIME = "{ARGV[#KEYS + 1], ARGV[#KEYS + 2]}";

    private static RedisServer server;
    private static RedisClient client;
    private static RedisCommands<byte[], byte[]> real;
    private static String digest;

    @BeforeAll
    static void start() {
        server = RedisServer.start();
        client = RedisClient.create(server.uri());
        real = client.connect(ByteArrayCodec.INSTANCE).sync();
        var text = SpendScript.text();
        assertThat(text).containsOnlyOnce(TIME);
        digest = real.scriptLoad(text.replace(TIME, GIVEN_TIME).getBytes(StandardCharsets.ISO_8859_1));
    }

    @AfterAll
    static void stop() {
        client.close();
        server.close();
    }

    @ParameterizedTest(name = "seeds from {0}")
    @ValueSource(longs = {1, 10_001, 20_001})
    void sameHistoriesGiveSameBytes(long seed) {
        var memory = new MemoryRedis(MemoryRedis.Engine.BOTH);
        var calls = compareEachCall(memory);

        for (long next = seed; calls[0] < CALLS; next++) SimulatedHistories.run(next, memory);
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {101, 102, 103, 104})
    void anyCommandGivesSameBytes(long seed) {
        var memory = new MemoryRedis(MemoryRedis.Engine.BOTH);
        var calls = compareEachCall(memory);

        RandomSpends.run(seed, CALLS, memory);

        assertThat(calls[0]).isEqualTo(CALLS);
    }

    /** Returns how many calls were compared, which grows. */
    private static int[] compareEachCall(MemoryRedis memory) {
        var before = new MemoryRedis(MemoryRedis.Engine.TWIN);
        var calls = new int[1];
        memory.observe((names, arguments, state, reply) -> {
            before.setNow(memory.nowMicros());
            before.restore(state);
            compare(memory, before, names, arguments, reply);
            calls[0]++;
        });
        return calls;
    }

    private static void compare(
            MemoryRedis memory, MemoryRedis before, byte[][] names, byte[][] arguments, byte[] reply) {
        for (byte[] name : names) {
            var key = new String(name, StandardCharsets.ISO_8859_1);
            real.del(name);
            if (before.isString(key)) real.set(name, new byte[0]);
            before.fields(key).forEach((field, value) -> real.hset(name, bytes(field), bytes(value)));
            long ttl = before.ttlSeconds(key);
            if (ttl > 0) real.expire(name, ttl);
        }
        var all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = bytes(Long.toString(memory.nowMicros() / 1_000_000));
        all[arguments.length + 1] = bytes(Long.toString(memory.nowMicros() % 1_000_000));

        byte[] replied = real.evalsha(digest, ScriptOutputType.VALUE, names, all);

        assertThat(reply).as("reply").isEqualTo(replied);
        for (byte[] name : names) {
            var key = new String(name, StandardCharsets.ISO_8859_1);
            if (memory.isString(key)) continue;
            assertThat(memory.fields(key)).as(key).isEqualTo(fields(name));
            // Sooner by what the real one has counted down since.
            assertThat(memory.ttlSeconds(key)).as("time to live").isBetween(real.ttl(name), real.ttl(name) + 2);
        }
    }

    private static Map<String, String> fields(byte[] name) {
        var fields = new TreeMap<String, String>();
        real.hgetall(name).forEach((field, value) -> fields.put(text(field), text(value)));
        return fields;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    @Test
    void numbersAreWrittenAsInC() {
        var random = new Random(1);
        for (int i = 0; i < 600; i++) {
            double number = i < 1000
                    ? random.nextInt(100_000) / 1e4
                    : i < 400 ? 1.7e9 + random.nextDouble() : Double.longBitsToDouble(random.nextLong());
            if (Double.isNaN(number) || Double.isInfinite(number)) continue;
            byte[] argument = bytes(Double.toString(number));

            byte[] written = real.eval(
                    "local n = tonumber(ARGV[1]) return string.format('%.17g %.0f %.6f', n, n, n)",
                    ScriptOutputType.VALUE, new byte[0][], argument);

            assertThat(CNumbers.general(number, 17) + " " + CNumbers.fixed(number, 0) + " " + CNumbers.fixed(number, 6))
                    .isEqualTo(text(written));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "1",
                "-1.5",
                " 7 ",
                "1e3",
                "1E-3",
                ".5",
                "5.",
                "0x10",
                "0X1f",
                "nan",
                "NaN",
                "inf",
                "-inf",
                "infinity",
                "1x",
                "1e",
                "e1",
                "--1",
                "+3",
                "1 2",
                "9.999e-08",
                "1e400"
            })
    void numbersAreReadAsInC(String number) {
        byte[] read = real.eval(
                "local n = tonumber(ARGV[1]) return n and string.format('%.17g', n) or 'none'",
                ScriptOutputType.VALUE, new byte[0][], bytes(number));

        var parsed = CNumbers.parse(number);

        var written = parsed == null ? "none" : CNumbers.general(parsed, 17);
        assertThat(written.replace("-nan", "nan")).isEqualTo(text(read).replace("-nan", "nan"));
    }
}
