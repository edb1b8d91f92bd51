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
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --url} that names another server. */
class BucketCommandTest {
    @ParameterizedTest
    @ValueSource(strings = {"{}", "<html>"})
    void otherServerAnswers_isNamed(String page) throws IOException {
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            var bytes = page.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
        try {
            var url = "http://127.0.0.1:" + server.getAddress().getPort();
            var error = new StringWriter();

            int exitCode = Tollgate.commandLine()
                    .setErr(new PrintWriter(error))
                    .execute("bucket", "show", "agent-7", "--url", url);

            assertThat(exitCode).isEqualTo(1);
            assertThat(error.toString().strip())
                    .endsWith(url + " answers, but is not a Tollgate pipeline")
                    .hasLineCount(1);
        } finally {
            server.stop(0);
        }
    }
}
