package io.tollgate.cli;

import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Conventions of all commands: ids are taken as typed, errors are short, every level has help and version. */
public final class Conventions {
    private Conventions() {}

    /** Applies the conventions to the command line and all its subcommands, and returns it. */
    public static CommandLine applied(CommandLine root) {
        apply(root);
        // Agents may be called @ops, which would name a file of arguments.
        return root.setExpandAtFiles(false).setParameterExceptionHandler((wrong, arguments) -> say(wrong));
    }

    private static void apply(CommandLine command) {
        command.getCommandSpec().versionProvider(new VersionCommand());
        var json = command.getCommandSpec().findOption("--json");
        if (json != null) command.getCommandSpec().addOption(output(json));
        var subcommands = command.getSubcommands();
        if (subcommands.isEmpty()) return;
        if (command.getParent() != null) {
            command.addSubcommand(hidden(new HelpCommand())).addSubcommand(hidden(new VersionCommand()));
        }
        subcommands.values().forEach(Conventions::apply);
    }

    /** Returns the option by which other tools ask for JSON: {@code -o json}. */
    private static OptionSpec output(OptionSpec json) {
        return OptionSpec.builder("-o", "--output")
                .paramLabel("FORMAT")
                .description("text, or json: the same as --json.")
                .type(String.class)
                .completionCandidates(List.of("text", "json"))
                .converters(new Output())
                .setter(new ISetter() {
                    @Override
                    public <T> T set(T value) {
                        if ("json".equals(value)) json.setValue(true);
                        return value;
                    }
                })
                .build();
    }

    private static final class Output implements ITypeConverter<String> {
        @Override
        public String convert(String value) {
            if (value.equals("text") || value.equals("json")) return value;
            throw new TypeConversionException("must be text or json, but is \"" + value + "\"");
        }
    }

    private static CommandLine hidden(Object command) {
        var hidden = new CommandLine(command);
        hidden.getCommandSpec().usageMessage().hidden(true);
        return hidden;
    }

    /** Prints two lines: what is wrong, and where to find help. The whole usage is printed only on request. */
    private static int say(ParameterException wrong) {
        var command = wrong.getCommandLine();
        if (wrong instanceof UnmatchedArgumentException unmatched
                && isAnswered(unmatched.getUnmatched().get(0), command)) {
            return CommandLine.ExitCode.OK;
        }
        var err = command.getErr();
        err.println("tollgate: " + explained(wrong));
        var name = command.getCommandSpec().qualifiedName();
        err.println(
                "try: " + name + " --help" + (takesAgent(command) ? ", and -- before an id that begins with -" : ""));
        err.flush();
        return CommandLine.ExitCode.USAGE;
    }

    /** Only commands without arguments of their own know help and version, because an agent may have either name. */
    private static boolean isAnswered(String word, CommandLine command) {
        if (!command.getSubcommands().isEmpty()
                || !command.getCommandSpec().positionalParameters().isEmpty()) return false;
        switch (word) {
            case "help" -> command.usage(command.getOut());
            case "version" -> command.printVersionHelp(command.getOut());
            default -> {
                return false;
            }
        }
        command.getOut().flush();
        return true;
    }

    private static boolean takesAgent(CommandLine command) {
        return command.getCommandSpec().positionalParameters().stream()
                .anyMatch(parameter -> parameter.paramLabel().equals("AGENT"));
    }

    private static String explained(ParameterException wrong) {
        if (wrong instanceof UnmatchedArgumentException unmatched) {
            var word = unmatched.getUnmatched().get(0);
            var spec = wrong.getCommandLine().getCommandSpec();
            if (unmatched.isUnknownOption()) return "unknown option " + word + meant(word, options(spec));
            if (!spec.subcommands().isEmpty()) return "unknown command " + word + meant(word, commands(spec));
            return "unexpected argument: " + word;
        }
        return String.valueOf(wrong.getMessage())
                .lines()
                .findFirst()
                .orElse("")
                .replaceFirst("'([^']*)' is not an? (int|long)$", "must be a whole number, but is \"$1\"")
                .replaceFirst("'([^']*)' is not a double$", "must be a number, but is \"$1\"");
    }

    private static String meant(String typed, Stream<String> known) {
        return Suggestion.of(typed, known)
                .map(word -> "; did you mean " + word + "?")
                .orElse("");
    }

    private static Stream<String> options(CommandSpec spec) {
        return spec.options().stream().flatMap(option -> Stream.of(option.names()));
    }

    private static Stream<String> commands(CommandSpec spec) {
        return spec.subcommands().keySet().stream();
    }

    /** Returns an exception that lists the commands of the group. */
    public static ParameterException commandMissing(CommandSpec group) {
        return new ParameterException(group.commandLine(), "a command is missing: " + listed(group));
    }

    private static String listed(CommandSpec group) {
        var names = group.subcommands().values().stream()
                .map(CommandLine::getCommandSpec)
                .filter(spec -> !spec.usageMessage().hidden())
                .map(CommandSpec::name)
                .sorted()
                .toList();
        return String.join(", ", names);
    }
}
