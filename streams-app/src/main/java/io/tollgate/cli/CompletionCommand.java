package io.tollgate.cli;

import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Prints a completion script. */
@Command(
        name = "completion",
        description = "Prints a completion script: source <(./tollgate completion bash).",
        mixinStandardHelpOptions = true)
public final class CompletionCommand implements Runnable {
    @Parameters(paramLabel = "bash|zsh", description = "The shell.", converter = Shell.class)
    private String shell;

    @Spec
    private CommandSpec spec;

    static final class Shell implements CommandLine.ITypeConverter<String> {
        @Override
        public String convert(String value) {
            if (value.equals("bash") || value.equals("zsh")) return value;
            throw new TypeConversionException("must be bash or zsh, but is \"" + value + "\"");
        }
    }

    @Override
    public void run() {
        spec.commandLine().getOut().println(script(spec.root().commandLine()));
    }

    /**
     * Returns the script for both shells: zsh runs bash's through its own {@code bashcompinit},
     * which the script starts.
     */
    public static String script(CommandLine root) {
        return AutoComplete.bash(root.getCommandName(), root);
    }
}
