package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.cli.CompletionCommand;
import io.tollgate.sandbox.Sandbox;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;

/**
 * The script {@code tollgate} prints help and completion without Java, from docs/commands: those files equal the
 * commands' own help.
 *
 * <p>To write them anew: {@code ./mvnw -q -pl streams-app -am test -Dtest=CommandPagesTest
 * -Dcommand.pages=write -Dsurefire.failIfNoSpecifiedTests=false}
 */
class CommandPagesTest {
    private static final Path PAGES = Path.of("..", "docs", "commands");

    @Test
    void pagesMatchTheCommands() throws IOException {
        var pages = pages();
        if ("write".equals(System.getProperty("command.pages"))) write(pages);

        var found = new TreeMap<String, String>();
        try (var files = Files.list(PAGES)) {
            for (Path file : files.toList()) found.put(file.getFileName().toString(), Files.readString(file));
        }

        assertThat(found.keySet()).isEqualTo(pages.keySet());
        pages.forEach((name, text) -> assertThat(found.get(name))
                .as("%s is not what the command prints: add -Dcommand.pages=write to this test's run", name)
                .isEqualTo(text));
    }

    @Test
    void listMatchesTheRealSandbox() {
        var inList = Tollgate.commandLine().getSubcommands().get("sandbox").getCommandSpec();

        assertThat(inList.usageMessage().description())
                .isEqualTo(Sandbox.commandLine().getCommandSpec().usageMessage().description());
    }

    private static Map<String, String> pages() {
        var pages = new TreeMap<String, String>();
        var commands = Tollgate.commandLine();
        addPage(pages, "", commands);
        commands.getCommandSpec().removeSubcommand("sandbox");
        commands.addSubcommand(Sandbox.commandLine());
        addPages(pages, "", commands);
        pages.put("completion.sh", CompletionCommand.script(commands));
        return pages;
    }

    private static void addPages(Map<String, String> pages, String prefix, CommandLine group) {
        group.getSubcommands().forEach((name, command) -> {
            if (command.getCommandSpec().usageMessage().hidden()) return;
            addPage(pages, prefix + name, command);
            addPages(pages, prefix + name + "-", command);
        });
    }

    private static void addPage(Map<String, String> pages, String name, CommandLine command) {
        pages.put((name.isEmpty() ? "tollgate" : name) + ".txt", command.getUsageMessage(Ansi.OFF));
    }

    private static void write(Map<String, String> pages) throws IOException {
        Files.createDirectories(PAGES);
        try (var files = Files.list(PAGES)) {
            for (Path old : files.toList()) Files.delete(old);
        }
        for (var page : pages.entrySet()) Files.writeString(PAGES.resolve(page.getKey()), page.getValue());
    }
}
