package io.tollgate.verify;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.Map;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class VerifyCommandTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void missingBrokerIsOneLine() throws IOException {
        int freePort;
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            freePort = socket.getLocalPort();
        }
        String address = "127.0.0.1:" + freePort;

        int exit = run(Map.of("bootstrap.servers", address, "default.api.timeout.ms", 1000, "request.timeout.ms", 500));

        assertThat(exit).isEqualTo(1);
        assertThat(out.toString()).isEmpty();
        assertThat(err.toString().lines()).containsExactly("verify: no answer from the brokers at " + address);
    }

    @Test
    void refusedSettingIsOneLine() {
        int exit = run(Map.of("bootstrap.servers", "no port here"));

        assertThat(exit).isEqualTo(1);
        assertThat(err.toString().lines())
                .singleElement()
                .asString()
                .startsWith("verify: cannot read from no port here: ");
    }

    @Test
    void wrongUsageExitsWith2() {
        assertThat(run(Map.of(), "--wait", "soon")).isEqualTo(2);
        assertThat(run(Map.of(), "--wait=-1")).isEqualTo(2);
        assertThat(run(Map.of(), "--unknown")).isEqualTo(2);
    }

    @Test
    void helpHasWindowAndExitCodes() {
        assertThat(run(Map.of(), "--help")).isZero();
        assertThat(out.toString()).contains("--from-beginning", "last hour", "Exit codes");
    }

    @Test
    void figuresStandInColumns() {
        VerifyCommand.print(History.sound(1, 200).check(), new PrintWriter(out, true));

        assertThat(out.toString()).containsPattern("requests +200\\R").contains("Every invariant holds.");
    }

    @Test
    void violationsHavePlaceAndPromise() {
        var history = new History();
        for (int i = 0; i < 50; i++) history.publish(0, "a", history.json("a", 1));

        VerifyCommand.print(history.check(), new PrintWriter(out, true));

        assertThat(out.toString())
                .contains("VIOLATED Conservation: 50")
                .contains("  Conservation: agent-requests/0/0 is decided on neither topic")
                .contains("and 30 more");
    }

    @Test
    void jsonHasFiguresAndVerdict() {
        VerifyCommand.printJson(History.sound(1, 200).check(), new PrintWriter(out, true));

        assertThat(out.toString()).contains("\"clean\" : true", "\"requests\" : 200", "\"agent_id\" : \"own\"");
    }

    private int run(Map<String, Object> kafka, String... arguments) {
        var settings = new VerifySettings(
                kafka,
                "agent-requests",
                "approved-requests",
                "rejected-requests",
                "agent-quotas",
                "quota-events",
                "agent-usage",
                "settled-requests",
                1000,
                10);
        return new CommandLine(new VerifyCommand(() -> settings))
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(arguments);
    }
}
