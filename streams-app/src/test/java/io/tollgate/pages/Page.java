package io.tollgate.pages;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** A page in Markdown. Its file is relative to the root of the repository. Immutable. */
record Page(Path file, String text) {
    static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    private static final Pattern CODE = Pattern.compile("(?ms)^ *```.*?^ *```$");
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");

    /** Returns every page of the repository, in the order of their names. */
    static List<Page> all() {
        var pages = new TreeSet<Path>();
        try {
            Files.walkFileTree(ROOT, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
                    var name = dir.getFileName().toString();
                    return !dir.equals(ROOT)
                                    && (name.startsWith(".")
                                            || Set.of("target", "src").contains(name))
                            ? FileVisitResult.SKIP_SUBTREE
                            : FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    if (file.toString().endsWith(".md")) pages.add(file);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return pages.stream().map(file -> of(ROOT.relativize(file))).toList();
    }

    static Page of(String file) {
        return of(Path.of(file));
    }

    private static Page of(Path file) {
        try {
            return new Page(file, Files.readString(ROOT.resolve(file)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long bytes() {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
    }

    /** Returns the text without blocks of code. */
    String prose() {
        return CODE.matcher(text).replaceAll("");
    }

    /** Returns the targets of the page's links into the repository. */
    List<String> links() {
        return LINK.matcher(prose())
                .results()
                .map(link -> link.group(1))
                .filter(link -> !link.matches("[a-z]+:.*"))
                .toList();
    }

    /** Returns the file or folder that a link of this page names, relative to the root. */
    Path target(String link) {
        var path = link.replaceFirst("#.*", "");
        return path.isEmpty()
                ? file
                : ROOT.relativize(ROOT.resolve(file).resolveSibling(path).normalize());
    }

    /** Returns the names by which links reach the page's headings, as GitHub makes them. */
    Set<String> anchors() {
        var anchors = new TreeSet<String>();
        var seen = new HashMap<String, Integer>();
        prose().lines().filter(line -> line.matches("#{1,6} .+")).forEach(heading -> {
            var name = heading.replaceFirst("#+ ", "")
                    .replaceAll("\\]\\([^)]*\\)", "")
                    .toLowerCase(Locale.ROOT)
                    .replaceAll("[^\\p{L}\\p{N}_ -]", "")
                    .replace(' ', '-');
            int times = seen.merge(name, 1, Integer::sum);
            anchors.add(times == 1 ? name : name + "-" + (times - 1));
        });
        return anchors;
    }

    /** Returns the cells of the page's tables as a reader sees them: the text of a link, without its target. */
    List<String> cells() {
        var cells = new ArrayList<String>();
        prose().lines().filter(line -> line.startsWith("|")).forEach(row -> {
            for (String cell : row.split("(?<!\\\\)\\|"))
                cells.add(LINK.matcher(cell.strip()).replaceAll("]"));
        });
        return cells;
    }

    /** Returns what stands first in each row of the page's tables, where that is code. */
    Set<String> firstCells() {
        var names = new TreeSet<String>();
        prose().lines().filter(line -> line.startsWith("| `")).forEach(row -> {
            var first = row.split("(?<!\\\\)\\|")[1];
            Pattern.compile("`([^`]+)`").matcher(first).results().forEach(name -> names.add(name.group(1)));
        });
        return names;
    }
}
