package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.ParseResult;

/** Other tools ask for JSON by {@code -o json}. */
class OutputOptionTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "policy list",
                "policy get x",
                "policy history x",
                "bucket show x",
                "bucket reset x",
                "explain a/0/1",
                "whatif x.yaml",
                "verify",
                "doctor"
            })
    void jsonHasSeveralSpellings(String command) {
        for (var option : new String[] {"--json", "-o json", "-ojson", "--output=json", "--output json"}) {
            assertThat(isJson(command + " " + option)).as(option).isTrue();
        }
        assertThat(isJson(command)).isFalse();
        assertThat(isJson(command + " -o text")).isFalse();
    }

    @Test
    void unknownFormatIsOneLine() {
        var err = new StringWriter();
        int code = Tollgate.commandLine(Map::of)
                .setErr(new PrintWriter(err, true))
                .execute("policy", "list", "-o", "yaml");

        assertThat(code).isEqualTo(2);
        assertThat(err.toString())
                .contains("must be text or json, but is \"yaml\"")
                .hasLineCount(2);
    }

    private static boolean isJson(String line) {
        ParseResult parsed = Tollgate.commandLine(Map::of).parseArgs(line.split(" "));
        while (parsed.hasSubcommand()) parsed = parsed.subcommand();
        return parsed.commandSpec().findOption("--json").<Boolean>getValue();
    }
}
