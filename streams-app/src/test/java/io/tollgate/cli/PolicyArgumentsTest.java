package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.Tollgate;
import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Wrong usage of {@code tollgate policy}, which is found before anything is connected. */
class PolicyArgumentsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "policy | a command is missing: delete, diff, export, get, history, list, load, set",
                "policy elk | unknown command elk",
                "policy gett | unknown command gett; did you mean get?",
                "policy get a b | unexpected argument: b",
                "policy get -x | Missing required parameter: 'AGENT'",
                "policy get --jsn a | unknown option --jsn; did you mean --json?",
                "policy set a --capacity 0 --refill-rate 1 | must be a number above 0 and at most 1e12, but is \"0\"",
                "policy set a --capacity 0x1p3 --refill-rate 1 | but is \"0x1p3\"",
                "policy set a --capacity 1 --refill-rate -1 | must be a number from 0 to 1e12, but is \"-1\"",
                "policy set a --capacity 1 | --capacity and --refill-rate are needed, or --limit",
                "policy set a --capacity 1 --refill-rate 1 --period day | --refill-rate cannot be combined with --period",
                "policy set a --capacity 1 --refill-rate 1 --zone UTC | --zone needs --period",
                "policy set a --capacity 1 --period days | must be minute, hour, day, week or month, but is \"days\"",
                "policy set a --capacity 1 --period day --zone kolkata | did you mean Asia/Kolkata?",
                "policy set a --limit x:1:day:Mars | must be the name of a time zone, such as Europe/Berlin or UTC",
                "policy set a --capacity 1 --refill-rate 1 --mode OFF | must be enforce, shadow or off, but is \"OFF\"",
                "policy set a --limit x:1:1 --limit x:2:2 | name must not appear twice: x",
                "policy set a --limit x:1 | must be NAME:CAPACITY:REFILL_RATE",
                "policy set a --limit x:1:1 --capacity 1 | --limit cannot be combined with --capacity",
            })
    void wrongUsageExitsWith2(String arguments, String said) {
        wrong(said, arguments.split(" "));
    }

    @Test
    void illegalIdNamesTheRule() {
        wrong("an agent's id must not be empty", "policy", "get", "");
        wrong("an agent's id must be at most 256 bytes", "policy", "delete", "x".repeat(257));
        wrong("an agent's id must not contain control characters", "policy", "get", "a\tb");
    }

    private static void wrong(String said, String... arguments) {
        var error = new StringWriter();

        int exitCode = Tollgate.commandLine().setErr(new PrintWriter(error)).execute(arguments);

        assertThat(exitCode).as(error.toString()).isEqualTo(2);
        assertThat(error.toString())
                .startsWith("tollgate: ")
                .contains(said, "\ntry: tollgate policy", " --help")
                .doesNotContain("\tat ", "Exception")
                .hasLineCount(2);
    }
}
