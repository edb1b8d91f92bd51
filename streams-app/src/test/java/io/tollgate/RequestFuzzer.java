package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Random;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Makes invalid and valid records; the same seed gives the same ones. Not thread-safe. */
final class RequestFuzzer {
    private static final long YEAR_10000 = 253_402_300_800_000L;
    private static final List<String> SCRAPS = List.of(
            "\"agent_id\"",
            "\"tokens\"",
            "\"request_id\"",
            ":",
            ",",
            "{",
            "}",
            "[",
            "]",
            "null",
            "true",
            "NaN",
            "-",
            "1e999",
            "\\u0000",
            "\\ud83e",
            "\uFEFF",
            "\u0000",
            "1e-324",
            "0x10",
            "\"\"",
            "quota:",
            "${jndi:x}",
            "\\\"");
    private static final List<String> NUMBERS = List.of(
            "0",
            "-0",
            "1",
            "0.1",
            "10",
            "1e12",
            "1000000000001",
            "-1",
            "1e999999999",
            "4.9e-324",
            "1E+2",
            "00",
            "1.",
            ".5");

    private final long now = System.currentTimeMillis();
    private final Random random;
    private final String topic;
    private final int partitions;

    RequestFuzzer(long seed, String topic, int partitions) {
        this.random = new Random(seed);
        this.topic = topic;
        this.partitions = partitions;
    }

    ProducerRecord<byte[], byte[]> next() {
        byte[] value = switch (random.nextInt(8)) {
            case 0 -> random.nextInt(20) == 0 ? null : bytes(random.nextInt(200));
            case 1, 2 -> json().getBytes(UTF_8);
            case 3, 4, 5 -> mutated(request());
            default -> request();
        };
        return record(value);
    }

    /** Returns a record that certainly is not a request. */
    ProducerRecord<byte[], byte[]> nextInvalid() {
        var value = bytes(1 + random.nextInt(300));
        value[0] = '}';
        return record(value);
    }

    private ProducerRecord<byte[], byte[]> record(byte[] value) {
        byte[] key = switch (random.nextInt(4)) {
            case 0 -> null;
            case 1 -> bytes(random.nextInt(30));
            default -> agent().getBytes(UTF_8);
        };
        var headers = new RecordHeaders();
        for (int i = random.nextInt(4); i > 0; i--) {
            var name = random.nextInt(3) == 0 ? "quota-" + text(4) : text(8);
            headers.add(name, random.nextInt(3) == 0 ? null : bytes(random.nextInt(20)));
        }
        Integer partition = random.nextInt(3) == 0 ? random.nextInt(partitions) : null;
        return new ProducerRecord<>(topic, partition, timestamp(), key, value, headers);
    }

    private long timestamp() {
        return random.nextInt(50) == 0 ? (long) (random.nextDouble() * YEAR_10000) : now - random.nextInt(3_600_000);
    }

    private String agent() {
        return random.nextInt(4) == 0 ? "fuzz-" + random.nextInt(1_000_000) : "agent-" + random.nextInt(50);
    }

    private byte[] request() {
        return ("{\"request_id\":\"r-" + random.nextInt() + "\",\"agent_id\":\"" + agent() + "\",\"tokens\":"
                        + random.nextInt(20) + ",\"payload\":{\"text\":\"é\",\"list\":[1,2.5,null]}}")
                .getBytes(UTF_8);
    }

    byte[] mutated(byte[] original) {
        var bytes = original;
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            int at = random.nextInt(bytes.length + 1);
            int to = Math.min(bytes.length, at + random.nextInt(12));
            var out = new ByteArrayOutputStream();
            out.write(bytes, 0, at);
            switch (random.nextInt(5)) {
                case 0 ->
                    out.writeBytes(SCRAPS.get(random.nextInt(SCRAPS.size())).getBytes(UTF_8));
                case 1 -> out.writeBytes(bytes(1 + random.nextInt(3)));
                case 2 -> out.write(bytes, 0, at); // twice
                case 3 -> to = bytes.length; // cut off
                default -> {
                    // leaves some bytes out
                }
            }
            out.write(bytes, to, bytes.length - to);
            bytes = out.toByteArray();
        }
        return bytes;
    }

    private String json() {
        var object = new StringBuilder("{");
        for (int i = random.nextInt(6); i > 0; i--) {
            var name = random.nextInt(5) == 0
                    ? text(5)
                    : List.of("agent_id", "tokens", "request_id", "payload").get(random.nextInt(4));
            object.append(quoted(name)).append(':').append(value(0)).append(i > 1 ? "," : "");
        }
        return object.append('}').toString();
    }

    private String value(int depth) {
        return switch (random.nextInt(depth > 20 ? 4 : 7)) {
            case 0, 1 -> quoted(text(12));
            case 2 -> NUMBERS.get(random.nextInt(NUMBERS.size()));
            case 3 -> List.of("null", "true", "false").get(random.nextInt(3));
            case 4 -> "[" + value(depth + 1) + "," + value(depth + 1) + "]";
            case 5 -> "{" + quoted(text(3)) + ":" + value(depth + 1) + "}";
            default -> quoted(agent());
        };
    }

    private String quoted(String text) {
        var escaped = new StringBuilder("\"");
        text.chars().forEach(c -> {
            if (c < 0x20 || c == '"' || c == '\\' || random.nextInt(10) == 0)
                escaped.append(String.format("\\u%04x", c));
            else escaped.append((char) c);
        });
        return escaped.append('"').toString();
    }

    private String text(int most) {
        var text = new StringBuilder();
        for (int i = random.nextInt(most + 1); i > 0; i--) {
            text.appendCodePoint(
                    switch (random.nextInt(6)) {
                        case 0 -> random.nextInt(0x20);
                        case 1 -> 0x80 + random.nextInt(0x700);
                        case 2 -> 0x1F600 + random.nextInt(64);
                        default -> 'a' + random.nextInt(26);
                    });
        }
        return text.toString();
    }

    private byte[] bytes(int length) {
        var bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }
}
