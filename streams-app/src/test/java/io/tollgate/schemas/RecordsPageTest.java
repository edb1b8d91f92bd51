package io.tollgate.schemas;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** docs/records.md is where users look things up, so it has them all. */
class RecordsPageTest {
    private static final Path ROOT = Path.of("..");
    private static final Path PAGE = ROOT.resolve("docs/records.md");

    @Test
    void everyHeaderHasARow() throws IOException {
        var source = new StringBuilder();
        for (var file : List.of("route/QuotaHeaders.java", "ingest/OriginalTimestamp.java", "ingest/Source.java")) {
            source.append(Files.readString(Path.of("src/main/java/io/tollgate", file)));
        }
        var written = Pattern.compile("\"(quota-[a-z-]+[a-z])\"")
                .matcher(source)
                .results()
                .map(found -> found.group(1))
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(written).contains("quota-decision", "quota-source", "quota-timestamp");
        assertThat(rows()).containsAll(written);
    }

    @Test
    void everyReasonHasARow() throws IOException {
        var schema = new ObjectMapper()
                .readTree(ROOT.resolve("schemas/rejected-request.schema.json").toFile());
        var reasons = new TreeSet<String>();
        schema.at("/properties/reason/enum").forEach(reason -> reasons.add(reason.textValue()));

        assertThat(reasons).isNotEmpty();
        assertThat(rows()).containsAll(reasons);
    }

    private static TreeSet<String> rows() throws IOException {
        return Pattern.compile("(?m)^\\| `([a-z_-]+)` \\|")
                .matcher(Files.readString(PAGE))
                .results()
                .map(row -> row.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
