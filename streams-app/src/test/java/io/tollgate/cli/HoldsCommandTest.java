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
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** An agent as a pipeline shows it. */
class HoldsCommandTest {
    private static final String AGENT = "{\"agent_id\":\"agent-7\",\"bucket\":{\"read_at\":\"2026-01-01T00:00:10Z\"},"
            + "\"open_holds\":%d,\"holds\":[%s]}";
    private static final String HOLD = "{\"hold\":\"agent-requests/3/1234\",\"reserved\":2000,"
            + "\"opened_at\":\"2026-01-01T00:00:00Z\",\"deadline\":\"2026-01-01T00:10:00Z\",\"request_id\":\"r-1\"}";

    @Test
    void showsReservedTokensAndDeadline() throws IOException {
        assertThat(holds(AGENT.formatted(3, HOLD)))
                .containsExactly(
                        "hold                   reserved  open for  ends in     request",
                        "agent-requests/3/1234  2000      10 s      9 min 50 s  r-1",
                        "3 open, 1 of them shown, 2000 tokens reserved");
    }

    @Test
    void saysThereAreNone() throws IOException {
        assertThat(holds(AGENT.formatted(0, ""))).containsExactly("no open holds");
    }

    @Test
    void jsonIsThePipelinesOwn() throws IOException {
        assertThat(holds(AGENT.formatted(1, HOLD), "--json"))
                .containsExactly("{\"agent_id\":\"agent-7\",\"open_holds\":1,\"holds\":[" + HOLD + "]}");
    }

    @Test
    void foreignServerIsNamed() throws IOException {
        assertThat(holds("<html>")).singleElement().asString().endsWith(" answers, but is not a Tollgate pipeline");
    }

    private static List<String> holds(String page, String... options) throws IOException {
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
            var arguments = new ArrayList<>(List.of(
                    "holds",
                    "agent-7",
                    "--url",
                    "http://127.0.0.1:" + server.getAddress().getPort()));
            arguments.addAll(List.of(options));
            Tollgate.commandLine()
                    .setOut(new PrintWriter(said))
                    .setErr(new PrintWriter(said))
                    .execute(arguments.toArray(String[]::new));
            return said.toString().lines().toList();
        } finally {
            server.stop(0);
        }
    }
}
