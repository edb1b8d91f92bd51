package io.tollgate.cli;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** A command that prints whole lines. */
abstract class PrintingCommand {
    @Spec
    CommandSpec spec;

    final void println(Object line) {
        spec.commandLine().getOut().println(line);
        spec.commandLine().getOut().flush();
    }
}
