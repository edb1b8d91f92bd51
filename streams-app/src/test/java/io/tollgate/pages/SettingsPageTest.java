package io.tollgate.pages;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** docs/settings.md has a row for every variable that the sources read, and for no other. */
class SettingsPageTest {
    private static final Pattern VARIABLE = Pattern.compile("\"((?:TOLLGATE|TOKEN|REDIS)_[A-Z_]+[A-Z])\"");

    @Test
    void everyVariableHasARow() throws IOException {
        var read = new TreeSet<String>();
        for (Path sources : new Path[] {
            Path.of("src/main/java/io/tollgate/config"), Path.of("../token-bucket/src/main/java/io/tollgate")
        }) {
            try (var files = Files.walk(sources)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    VARIABLE.matcher(Files.readString(file)).results().forEach(name -> read.add(name.group(1)));
                }
            }
        }
        var rows = new TreeSet<>(Page.of("docs/settings.md").firstCells());
        rows.removeIf(row -> !row.matches("(TOLLGATE|TOKEN|REDIS)_[A-Z_]+"));

        assertThat(read).hasSizeGreaterThan(12);
        assertThat(rows).isEqualTo(read);
    }

    @Test
    void ignoredVariablesAreIgnored() throws SettingsException {
        var page = Page.of("docs/settings.md").prose();
        var start = page.indexOf("**Ignored** are variables");
        var named = Pattern.compile("`(KAFKA_[A-Z0-9_]+)`")
                .matcher(page.substring(start, page.indexOf("Properties of brokers", start)))
                .results()
                .collect(Collectors.toMap(name -> name.group(1), name -> "x"));

        var settings = Settings.from(named, Settings.Use.TOOL);

        assertThat(named).hasSizeGreaterThan(25);
        assertThat(settings.kafka().ignored()).isEqualTo(named.keySet());
    }
}
