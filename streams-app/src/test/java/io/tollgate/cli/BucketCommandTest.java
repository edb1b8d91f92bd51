package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import io.tollgate.Tollgate;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --url} that names another server. */
class BucketCommandTest {
    private record Shown(int exitCode, String said) {}

    @ParameterizedTest
    @ValueSource(strings = {"{}", "<html>"})
    void foreignServerIsNamed(String page) throws IOException {
        var shown = show(page);

        assertThat(shown.exitCode()).isEqualTo(1);
        assertThat(shown.said().strip())
                .endsWith(" answers, but is not a Tollgate pipeline")
                .hasLineCount(1);
    }

    @ParameterizedTest
    @CsvSource({"9700, 9.7 s", "1209600000, 14 d 0 h", "0, 0 s", "null, never"})
    void timeToFullHasFittingUnits(String millis, String text) throws IOException {
        var shown = show("{\"agent_id\":\"agent-7\",\"bucket\":{\"tokens\":1,\"capacity\":2,\"refill_rate\":1,"
                + "\"time_to_full_ms\":" + millis + ",\"read_from\":\"redis\"}}");

        assertThat(shown.exitCode()).isZero();
        assertThat(shown.said().lines()).contains("time to full  " + text);
    }

    /** Shows an agent's bucket as a server answers that has only this one page. */
    private static Shown show(String page) throws IOException {
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            var bytes = page.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
        try {
            var said = new StringWriter();
            int exitCode = Tollgate.commandLine()
                    .setOut(new PrintWriter(said))
                    .setErr(new PrintWriter(said))
                    .execute(
                            "bucket",
                            "show",
                            "agent-7",
                            "--url",
                            "http://127.0.0.1:" + server.getAddress().getPort());
            return new Shown(exitCode, said.toString());
        } finally {
            server.stop(0);
        }
    }
}
