package io.tollgate.pages;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.Tollgate;
import io.tollgate.sandbox.Sandbox;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Commands on pages are understood by the command line as it is. */
class CommandsOnPagesTest {
    /** A command from its first word to the end of the line, of the code or of the pipe. */
    private static final Pattern COMMAND =
            Pattern.compile("(?:\\./|`|\\(|\\$ )tollgate (?!is |are )([a-z][^`\\n|;>)]*)");

    private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|(\\S+)");

    @TestFactory
    Stream<DynamicTest> commandsAreUnderstood() {
        return Page.all().stream()
                .filter(page -> !page.file().toString().equals("CHANGELOG.md"))
                .flatMap(page -> commands(page).stream()
                        .map(command -> DynamicTest.dynamicTest(
                                page.file() + ": " + command, () -> understand(words(command)))));
    }

    @Test
    void everyCommandIsOnAPage() {
        var named = new TreeSet<String>();
        for (Page page : Page.all()) {
            if (page.file().toString().equals("CHANGELOG.md")) continue;
            commands(page).forEach(command -> named.add(words(command).get(0)));
        }

        assertThat(named)
                .containsAll(commandLine().getCommandSpec().subcommands().entrySet().stream()
                        .filter(command -> !command.getValue()
                                .getCommandSpec()
                                .usageMessage()
                                .hidden())
                        .map(java.util.Map.Entry::getKey)
                        .filter(name -> !name.equals("version"))
                        .toList());
    }

    private static List<String> commands(Page page) {
        return COMMAND.matcher(page.text())
                .results()
                .map(command -> command.group(1)
                        .replaceFirst(" +#.*", "")
                        .replaceFirst(" &&.*", "")
                        .strip())
                .distinct()
                .toList();
    }

    private static List<String> words(String command) {
        return WORD.matcher(command)
                .results()
                .map(word -> Stream.of(word.group(1), word.group(2), word.group(3))
                        .filter(java.util.Objects::nonNull)
                        .findFirst()
                        .orElseThrow())
                .toList();
    }

    /** A command that a sentence only names may lack what it needs, but has no word that is unknown. */
    private static void understand(List<String> words) {
        try {
            commandLine().parseArgs(words.toArray(String[]::new));
        } catch (CommandLine.MissingParameterException named) {
            assertThat(words).as("a command in full").hasSizeLessThanOrEqualTo(3);
        } catch (ParameterException unknown) {
            throw new AssertionError(unknown.getMessage(), unknown);
        }
    }

    private static CommandLine commandLine() {
        var commands = Tollgate.commandLine();
        commands.getCommandSpec().removeSubcommand("sandbox");
        commands.addSubcommand(Sandbox.commandLine());
        return commands;
    }
}
