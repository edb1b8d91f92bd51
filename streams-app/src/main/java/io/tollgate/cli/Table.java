package io.tollgate.cli;

import java.util.List;
import java.util.stream.Collectors;

/** Aligned columns. */
final class Table {
    private static final String GAP = "  ";

    private Table() {}

    /** @param rows rows of the same length */
    static String of(List<List<String>> rows) {
        var widths = new int[rows.get(0).size()];
        for (var row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], characters(row.get(column)));
            }
        }
        return rows.stream().map(row -> line(row, widths)).collect(Collectors.joining(System.lineSeparator()));
    }

    private static String line(List<String> row, int[] widths) {
        var line = new StringBuilder();
        for (int column = 0; column < widths.length; column++) {
            var cell = row.get(column);
            line.append(cell)
                    .append(" ".repeat(widths[column] - characters(cell)))
                    .append(GAP);
        }
        return line.toString().stripTrailing();
    }

    private static int characters(String text) {
        return text.codePointCount(0, text.length());
    }
}
