package io.tollgate.benchmarks.report;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** A chart of horizontal bars as SVG: the median of each, and a line from least to most. */
final class Plot {
    private static final int WIDTH = 760;
    private static final int LABELS = 250;
    private static final int FIGURES = 90;
    private static final int BAR = 16;
    private static final int ROW = 22;
    private static final int TITLE = 44;

    /** @param ours whether to draw it in Tollgate's colour */
    record Bar(String label, RoundSummary value, boolean ours) {}

    private Plot() {}

    /** @param logarithmic for values that differ by more than the eye can compare */
    static void write(Path file, String title, String unit, boolean logarithmic, List<Bar> bars) {
        double most = bars.stream().mapToDouble(bar -> bar.value().max()).max().orElse(1);
        double least = logarithmic
                ? bars.stream()
                                .mapToDouble(bar -> bar.value().min())
                                .filter(v -> v > 0)
                                .min()
                                .orElse(1)
                        / 2
                : 0;
        int height = TITLE + ROW * bars.size() + 10;
        var svg = new StringBuilder();
        add(
                svg,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">",
                WIDTH,
                height);
        add(svg, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>", WIDTH, height);
        add(svg, "<text x=\"8\" y=\"18\" font-size=\"14\" font-weight=\"bold\">%s</text>", escape(title));
        var scale = escape(unit) + (logarithmic ? ", logarithmic" : "");
        add(svg, "<text x=\"8\" y=\"34\" fill=\"#555\">%s; the line spans all rounds</text>", scale);
        int y = TITLE;
        for (var bar : bars) {
            double median = place(bar.value().median(), least, most);
            double from = place(bar.value().min(), least, most);
            double to = place(bar.value().max(), least, most);
            double middle = y + BAR / 2.0;
            var colour = bar.ours() ? "#2a7f62" : "#9aa5b1";
            var figure = RoundSummary.figure(bar.value().median());
            var right = LABELS + Math.max(median, to) + 6;
            add(svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", LABELS - 8, y + 12, escape(bar.label()));
            add(
                    svg,
                    "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>",
                    LABELS,
                    y,
                    median,
                    BAR,
                    colour);
            add(
                    svg,
                    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%3$.1f\" y2=\"%3$.1f\" stroke=\"#222\"/>",
                    LABELS + from,
                    LABELS + to,
                    middle);
            add(svg, "<text x=\"%.1f\" y=\"%d\">%s</text>", right, y + 12, figure);
            y += ROW;
        }
        svg.append("</svg>\n");
        Results.write(file, svg.toString());
    }

    private static void add(StringBuilder svg, String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }

    private static double place(double value, double least, double most) {
        double part = least > 0
                ? Math.log(Math.max(value, least) / least) / Math.log(most / least)
                : value / (most > 0 ? most : 1);
        return part * (WIDTH - LABELS - FIGURES);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
