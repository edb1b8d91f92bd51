package io.tollgate.route;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.ingest.Source;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RecordJsonTest {
    private static final ObjectMapper STRICT = new ObjectMapper();
    private static final String FIRST = "first";
    private static final String SECOND = "second";

    private static JsonNode read(byte[] json) throws IOException {
        return STRICT.readTree(json);
    }

    @Test
    void fieldsStandInOrder() {
        byte[] json = new RecordJson()
                .text(FIRST, "plain")
                .number(SECOND, 0.25)
                .number("third", Long.MIN_VALUE)
                .source(new Source("requests", 7, 8), -9)
                .json("raw", "{\"a\":[1, 2]}".getBytes(StandardCharsets.UTF_8))
                .end();

        assertThat(new String(json, StandardCharsets.UTF_8))
                .isEqualTo("{\"first\":\"plain\",\"second\":0.25,"
                        + "\"third\":-9223372036854775808,"
                        + "\"source\":{\"topic\":\"requests\",\"partition\":7,\"offset\":8,\"timestamp\":-9},"
                        + "\"raw\":{\"a\":[1, 2]}}");
    }

    @Test
    void objectsMayBeEmptyOrLarge() throws IOException {
        assertThat(new String(new RecordJson().end(), StandardCharsets.UTF_8)).isEqualTo("{}");
        assertThat(read(new RecordJson().text(FIRST, "é".repeat(5_000)).end())
                        .path("first")
                        .textValue())
                .hasSize(5_000);
    }

    @Test
    void anyTextReadsBackAsItWas() throws IOException {
        var random = new Random(42);
        for (int n = 0; n < 20_000; n++) {
            var text = new StringBuilder();
            int length = random.nextInt(20);
            while (text.length() < length) {
                int most = new int[] {0x20, 0x80, 0x800, 0x110000}[random.nextInt(4)];
                int codePoint = random.nextInt(most);
                if (codePoint < Character.MIN_SURROGATE || codePoint > Character.MAX_SURROGATE) {
                    text.appendCodePoint(codePoint);
                }
            }
            byte[] json = new RecordJson()
                    .text(FIRST, text.toString())
                    .text(SECOND, "after")
                    .end();

            assertThat(read(json).path("first").textValue()).isEqualTo(text.toString());
            assertThat(read(json).path("second").textValue()).isEqualTo("after");
        }
    }

    @Test
    void everyNumberReadsBackAsItWas() throws IOException {
        var random = new Random(42);
        for (int n = 0; n < 20_000; n++) {
            double value = random.nextBoolean()
                    ? random.nextDouble() * Math.pow(10, random.nextInt(25) - 12)
                    : random.nextInt(10_000) - 5_000;
            byte[] json = new RecordJson().number(FIRST, value).end();

            assertThat(read(json).path("first").doubleValue()).isEqualTo(value);
        }
    }
}
