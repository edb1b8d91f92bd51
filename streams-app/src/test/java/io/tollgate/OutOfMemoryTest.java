package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class OutOfMemoryTest {
    @Command(name = "hungry")
    static final class Hungry {
        @Command(name = "eat")
        int eat() {
            throw new OutOfMemoryError("Java heap space");
        }
    }

    @Test
    void tooSmallAHeapIsOneLine() {
        var error = new StringWriter();
        var commands = Tollgate.commandLine();
        var hungry = new CommandLine(new Hungry())
                .setExecutionExceptionHandler(commands.getExecutionExceptionHandler())
                .setErr(new PrintWriter(error));

        assertThat(hungry.execute("eat")).isEqualTo(1);
        assertThat(error.toString())
                .matches("the heap of \\d+ MB is too small for this: raise it, such as by JAVA_OPTS=-Xmx4g\n");
    }
}
