package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.Tollgate;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Wrong usage of {@code tollgate explain}, which is found before anything is connected. */
class ExplainArgumentsTest {
    @Test
    void missingDecisionIsNamed() {
        wrong("either SOURCE or --request-id is needed");
        wrong("either SOURCE or --request-id is needed", "agent-requests/0/1", "--request-id", "r-1");
        wrong("SOURCE must be TOPIC/PARTITION/OFFSET, but is \"nonsense\"", "nonsense");
        wrong("--request-id must not be empty", "--request-id", "");
    }

    private static void wrong(String said, String... arguments) {
        var error = new StringWriter();
        var words =
                Stream.concat(Stream.of("explain"), Arrays.stream(arguments)).toArray(String[]::new);

        int exitCode = Tollgate.commandLine().setErr(new PrintWriter(error)).execute(words);

        assertThat(exitCode).as(error.toString()).isEqualTo(2);
        assertThat(error).hasToString("tollgate: " + said + "\ntry: tollgate explain --help\n");
    }
}
