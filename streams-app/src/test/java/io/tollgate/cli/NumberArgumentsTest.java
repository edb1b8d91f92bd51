package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.Tollgate;
import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NumberArgumentsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "load --records x | '--records': must be a whole number, but is \"x\"",
                "load --agents 1.5 | '--agents': must be a whole number, but is \"1.5\"",
                "load --rate fast | '--rate': must be a number, but is \"fast\"",
                "topics create --partitions many | '--partitions': must be a whole number, but is \"many\""
            })
    void wrongNumberIsExplained(String arguments, String said) {
        var error = new StringWriter();

        int exitCode = Tollgate.commandLine().setErr(new PrintWriter(error)).execute(arguments.split(" "));

        assertThat(exitCode).isEqualTo(2);
        assertThat(error.toString().lines().findFirst())
                .hasValueSatisfying(line -> assertThat(line).endsWith(said));
    }
}
