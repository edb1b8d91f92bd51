package io.tollgate.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** Prints the usage of a command at any depth: picocli's own help goes only one level down. */
@Command(name = "help", description = "Prints the usage of a command.", mixinStandardHelpOptions = true)
public final class HelpCommand implements Runnable {
    @Parameters(paramLabel = "COMMAND", arity = "0..*", description = "Such as policy set.")
    private List<String> words = List.of();

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        var asked = spec.commandLine().getParent();
        for (int i = 0; i < words.size(); i++) {
            var next = asked.getSubcommands().get(words.get(i));
            if (next == null) throw new UnmatchedArgumentException(asked, words.subList(i, words.size()));
            asked = next;
        }
        asked.usage(spec.commandLine().getOut());
    }
}
