package io.tollgate.pages;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every page: its links lead somewhere, a reader of the README finds it, and it stays short. */
class PagesTest {
    /** Written by a tool, and grown by every change. */
    private static final Set<Path> LONG = Set.of(Path.of("docs/BENCHMARKS.md"), Path.of("CHANGELOG.md"));

    private static final List<Page> PAGES = Page.all();

    @TestFactory
    Stream<DynamicTest> linksLeadSomewhere() {
        assertThat(PAGES).hasSizeGreaterThan(20);
        return PAGES.stream()
                .map(page -> DynamicTest.dynamicTest(page.file().toString(), () -> {
                    for (String link : page.links()) {
                        var target = page.target(link);
                        assertThat(Page.ROOT.resolve(target)).as(link).exists();
                        if (link.contains("#")) {
                            assertThat(Page.of(target.toString()).anchors())
                                    .as(link)
                                    .contains(link.substring(link.indexOf('#') + 1));
                        }
                    }
                }));
    }

    @Test
    void everyPageIsReachedFromTheReadme() {
        var reached = new HashSet<Path>();
        var next = new ArrayDeque<Path>(List.of(Path.of("README.md")));
        while (!next.isEmpty()) {
            var file = next.remove();
            if (!reached.add(file) || !file.toString().endsWith(".md")) continue;
            var page = Page.of(file.toString());
            page.links().forEach(link -> next.add(page.target(link)));
        }

        assertThat(PAGES.stream().map(Page::file).filter(file -> !file.startsWith("docs/decisions")))
                .allSatisfy(file -> assertThat(reached).contains(file));
        assertThat(reached).contains(Path.of("docs/decisions"));
    }

    /** Users unpack the archive and read its pages, without these sources beside them. */
    @Test
    void archivePagesLinkIntoTheArchive() throws IOException {
        var included = Pattern.compile("<include>([^<:]+)</include>")
                .matcher(Files.readString(Page.ROOT.resolve("release/archive.xml")))
                .results()
                .map(include -> FileSystems.getDefault().getPathMatcher("glob:" + include.group(1)))
                .toList();
        Predicate<Path> isIncluded = file ->
                included.stream().anyMatch(pattern -> pattern.matches(file) || pattern.matches(file.resolve("any")));
        var shipped =
                PAGES.stream().filter(page -> isIncluded.test(page.file())).toList();

        assertThat(shipped)
                .hasSizeGreaterThan(20)
                .allSatisfy(page -> assertThat(page.links())
                        .as(page.file().toString())
                        .allMatch(link -> isIncluded.test(page.target(link))));
    }

    @Test
    void pagesAreShort() {
        assertThat(PAGES)
                .filteredOn(page -> !LONG.contains(page.file()))
                .allSatisfy(page ->
                        assertThat(page.bytes()).as("bytes of %s", page.file()).isLessThanOrEqualTo(15_000));
        assertThat(Page.of("README.md").text().split("\\s+")).hasSizeLessThanOrEqualTo(1300);
    }

    @Test
    void pagesHaveNoMergeMarks() {
        assertThat(PAGES)
                .allSatisfy(page -> assertThat(page.text())
                        .as(page.file().toString())
                        .doesNotContainPattern("(?m)^(<{7}|={7}$|>{7})"));
    }

    @Test
    void cellsAreShort() {
        for (Page page : PAGES) {
            assertThat(page.cells())
                    .as(page.file().toString())
                    .allSatisfy(cell -> assertThat(cell.length()).as(cell).isLessThanOrEqualTo(160));
        }
    }

    @Test
    void glossaryHasEachWordOnce() {
        var words = Page.of("docs/glossary.md")
                .prose()
                .lines()
                .filter(line -> line.matches("\\| [a-z][a-z -]* \\|.*"))
                .map(line -> line.split("\\|")[1].strip())
                .filter(word -> !word.equals("word"))
                .toList();

        assertThat(words).hasSizeGreaterThan(40).doesNotHaveDuplicates();
    }

    /** The front door has two figures, rounded; both are measured ones. */
    @Test
    void readmeFiguresAreMeasured() {
        var readme = Page.of("README.md").text();
        var measured = Page.of("docs/BENCHMARKS.md").text();
        var rate = firstFigure("\\| tollgate-redis \\| ([0-9 ]+) ", measured).replace(" ", "");
        var decided = firstFigure("\\| 50% \\| 30 000 \\| tollgate-redis \\| decided \\| ([0-9.]+) ", measured);
        var committed = firstFigure("\\| 50% \\| 30 000 \\| tollgate-redis \\| committed \\| ([0-9.]+) ", measured);

        assertThat(readme)
                .contains(Math.round(Double.parseDouble(rate) / 1000) + " 000 decisions per second")
                .contains("decided within " + Math.round(10 * Double.parseDouble(decided)) / 10.0 + " ms")
                .contains("visible to readers within " + Math.round(Double.parseDouble(committed)) + " ms")
                .contains("at 30 000 per second");
    }

    private static String firstFigure(String pattern, String text) {
        return Pattern.compile(pattern)
                .matcher(text)
                .results()
                .map(found -> found.group(1))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void messagesNameRealPages() throws Exception {
        var named = new TreeSet<String>();
        try (var sources = Files.walk(Path.of("src/main/java"))) {
            for (Path source : sources.filter(Files::isRegularFile).toList()) {
                Pattern.compile("docs/[A-Za-z0-9/_-]+\\.md")
                        .matcher(Files.readString(source))
                        .results()
                        .forEach(page -> named.add(page.group()));
            }
        }

        assertThat(named)
                .isNotEmpty()
                .allSatisfy(page -> assertThat(Page.ROOT.resolve(page)).exists());
    }
}
