package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Makes invalid and valid policies; the same seed gives the same ones. Not thread-safe. */
final class PolicyFuzzer {
    private static final List<String> BAD_CAPACITIES = List.of(
            "0", "-0", "-1", "1e13", "1e999999999", "NaN", "\"5\"", "null", "true", "[5]", "{}", "1e-999999999", "");
    private static final List<String> BAD_RATES =
            List.of("-1", "-1e-9", "1e13", "1e999999999", "Infinity", "\"5\"", "null", "false", "[]", "");
    private static final List<String> BAD_MODES =
            List.of("\"\"", "\"ENFORCE\"", "\"on\"", "null", "0", "{}", "[\"off\"]");
    private static final List<String> BAD_NAMES =
            List.of("\"\"", "\"-a\"", "\"A\"", "\"" + "a".repeat(65) + "\"", "null", "7", "\"é\"", "\"a\\u0000\"");

    private final Random random;
    private final RequestFuzzer bytes;

    PolicyFuzzer(long seed) {
        random = new Random(seed);
        bytes = new RequestFuzzer(seed, "", 1);
    }

    /** Returns a policy that keeps every rule. */
    byte[] good() {
        var mode = random.nextInt(3) == 0 ? ",\"mode\":\"enforce\"" : "";
        var note = random.nextInt(5) == 0 ? ",\"note\":\"é \\\\ 1\"" : "";
        int named = random.nextInt(5);
        var limits = named == 0
                ? limit(capacity(), rate())
                : "\"limits\":["
                        + IntStream.range(0, named)
                                .mapToObj(i -> "{" + named("\"l" + i + "\"") + "}")
                                .collect(Collectors.joining(", "))
                        + "]";
        return ("{" + limits + mode + note + "}").getBytes(UTF_8);
    }

    /** Returns a policy that certainly breaks a rule. */
    byte[] bad() {
        var good = good();
        return switch (random.nextInt(12)) {
            case 0 -> Arrays.copyOf(good, random.nextInt(good.length)); // cut off
            case 1 -> random(random.nextInt(300));
            case 2 -> text("{" + limit(one(BAD_CAPACITIES), rate()) + "}");
            case 3 -> text("{" + limit(capacity(), one(BAD_RATES)) + "}");
            case 4 -> text("{" + limit(capacity(), rate()) + ",\"mode\":" + one(BAD_MODES) + "}");
            case 5 -> text("{" + limit(capacity(), rate()) + ",\"capacity\":7}"); // twice
            case 6 -> text("{" + limit(capacity(), rate()) + ",\"burst\":7}"); // no such field
            case 7 -> text("{\"limits\":[{" + named(one(BAD_NAMES)) + "}]}");
            case 8 -> text("{\"limits\":[{" + named("\"a\"") + "},{" + named("\"a\"") + "}]}");
            case 9 ->
                text("{\"limits\":["
                        + IntStream.range(0, 9)
                                .mapToObj(i -> "{" + named("\"l" + i + "\"") + "}")
                                .collect(Collectors.joining(","))
                        + "]}");
            case 10 -> text("{" + limit(capacity(), rate()) + ",\"note\":" + "[".repeat(1 + random.nextInt(20_000)));
            default -> text(new String(good, UTF_8) + one(List.of("x", "{}", ",", "\u0000")));
        };
    }

    /** Returns bytes that may be a policy or not. */
    byte[] any() {
        return bytes.mutated(good());
    }

    /** Returns a key that no agent has; never null, because brokers refuse null keys on a compacted topic. */
    byte[] badKey() {
        return switch (random.nextInt(4)) {
            case 0 -> new byte[0];
            case 1 -> ("a" + (char) random.nextInt(32)).getBytes(UTF_8);
            case 2 -> "a".repeat(257 + random.nextInt(1000)).getBytes(UTF_8);
            default -> new byte[] {(byte) (0x80 + random.nextInt(64)), 'a'}; // not UTF-8
        };
    }

    private String named(String name) {
        return "\"name\":" + name + "," + limit(capacity(), rate());
    }

    private static String limit(String capacity, String rate) {
        return "\"capacity\":" + capacity + ",\"refill_rate\":" + rate;
    }

    private String capacity() {
        return one(List.of("1", "0.5", "7e2", "1000000000000", "20", "100.25", "1e-6"));
    }

    private String rate() {
        return one(List.of("0", "0.1", "10", "1e12", "5E-3"));
    }

    private byte[] random(int length) {
        var bytes = new byte[length + 1];
        random.nextBytes(bytes);
        bytes[0] = ']';
        return bytes;
    }

    private <T> T one(List<T> all) {
        return all.get(random.nextInt(all.size()));
    }

    private static byte[] text(String text) {
        return text.getBytes(UTF_8);
    }
}
