package io.tollgate.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.samskivert.mustache.Mustache;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * Writes docs/BENCHMARKS.md and its charts from the results, with the words of a template; no figure is typed by hand.
 */
public final class ReportPage {
    private static final String TEMPLATE = "BENCHMARKS.md.mustache";
    private static final String CHARTS = "benchmarks";

    private static final Map<String, String> WORKLOADS = inOrder(
            "uniform", "uniform: 10 000 agents, all alike",
            "zipf", "Zipf 1.0: 10 000 agents, the busiest sends a tenth",
            "flood", "flood: 20 agents send nine tenths, 10 000 the rest");

    private static final Map<String, String> GROWING = inOrder(
            "agents", "By agents",
            "partitions", "By partitions",
            "bytes", "By size of a request",
            "instances", "By instances, on the same cores");

    /** The case of {@code scale} that all others differ from in one thing each. */
    private static final Map<String, Integer> USUAL =
            Map.of("agents", 100_000, "partitions", 8, "bytes", 200, "instances", 1);

    private static final List<String> GROUPS = List.of(
            "the hot agent",
            "others on its partition",
            "other partitions of its thread",
            "partitions of other threads");

    private final Results results;
    private final Path page;

    private ReportPage(Results results, Path page) {
        this.results = results;
        this.page = page;
    }

    /** Writes the page, and its charts into the folder beside it. */
    public static void write(Results results, Path page) {
        Results.write(page, new ReportPage(results, page).content());
    }

    private String content() {
        var sections = new HashMap<String, Object>();
        add(sections, "end-to-end", this::endToEnd);
        add(sections, "latency", this::latency);
        add(sections, "redis", this::redis);
        add(sections, "script", this::script);
        add(sections, "jmh", this::jmh);
        add(sections, "memory", section -> {});
        add(sections, "scale", this::scale);
        add(sections, "hot-agent", this::hotAgent);
        add(sections, "holds", this::holds);
        add(sections, "start", this::start);
        add(sections, "codecs", section -> {});
        add(sections, "simulation", this::simulation);
        add(sections, "settings", section -> {});
        var template = Objects.requireNonNull(ReportPage.class.getResourceAsStream(TEMPLATE));
        try (var reader = new InputStreamReader(template, StandardCharsets.UTF_8)) {
            return Mustache.compiler()
                    .escapeHTML(false)
                    .defaultValue("")
                    .compile(reader)
                    .execute(sections);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void add(Map<String, Object> sections, String name, Consumer<Map<String, Object>> filling) {
        if (!results.has(name)) return;
        var section = new HashMap<String, Object>();
        section.put("about", about(name));
        section.put("rows", rows(name, row -> true));
        filling.accept(section);
        sections.put(name, section);
    }

    /** Returns the origin of the section's figures: the command, the machine and the commits. */
    private String about(String section) {
        var redis = results.about(section, "redis");
        var line = "`" + results.about(section, "command") + "` · " + results.about(section, "machine") + " · "
                + results.about(section, "jdk") + (redis.isEmpty() ? "" : " · " + redis)
                + " · commit " + results.about(section, "commit") + " · " + results.about(section, "date");
        var commits = new LinkedHashSet<String>();
        for (var row : results.rows(section)) commits.add(row.path("commit").asText());
        if (commits.size() < 2) return line;
        return line + "\n\nMerged from several runs, at commits " + String.join(", ", commits) + ".";
    }

    private void endToEnd(Map<String, Object> section) {
        var workloads = new ArrayList<Map<String, Object>>();
        WORKLOADS.forEach((name, description) -> {
            var all = medians("end-to-end", row -> text(row, "workload").equals(name), "contestant");
            if (all.isEmpty()) return;
            var base = Optional.ofNullable(all.get("pass-through"));
            var given = Optional.ofNullable(all.get("verdicts-given"));
            var undecided = Optional.ofNullable(all.get("tollgate-off"));
            var bars = new ArrayList<Plot.Bar>();
            var rows = new ArrayList<Map<String, Object>>();
            all.forEach((contestant, medians) -> {
                var row = named("contestant", contestant, medians);
                row.put("uses_redis", median(medians, "redis_cpu_us") > 0.05);
                row.put("rate_ratio", ratio(medians, base, "records_per_second"));
                row.put("cpu_ratio", ratio(medians, base, "application_cpu_us"));
                row.put("given_rate_ratio", ratio(medians, given, "records_per_second"));
                row.put("given_cpu_ratio", ratio(medians, given, "application_cpu_us"));
                row.put("undecided_rate_ratio", ratio(medians, undecided, "records_per_second"));
                rows.add(row);
                bars.add(new Plot.Bar(
                        contestant,
                        Objects.requireNonNull(medians.get("records_per_second")),
                        contestant.startsWith("tollgate")));
            });
            var title = "Decided records a second, " + description;
            workloads.add(Map.of(
                    "title",
                    description.substring(0, 1).toUpperCase(Locale.ROOT) + description.substring(1),
                    "rows",
                    rows,
                    "chart",
                    chart("end-to-end-" + name, title, "records/s", false, bars)));
        });
        section.put("workloads", workloads);
    }

    private static String ratio(
            Map<String, RoundSummary> medians, Optional<Map<String, RoundSummary>> base, String field) {
        double whole = base.map(values -> median(values, field)).orElse(0.0);
        return whole == 0 ? "" : ratio(median(medians, field), whole);
    }

    private static double median(Map<String, RoundSummary> medians, String field) {
        return Objects.requireNonNull(medians.get(field)).median();
    }

    private void latency(Map<String, Object> section) {
        var bars = new ArrayList<Plot.Bar>();
        var rows = new ArrayList<Map<String, Object>>();
        for (var row : results.rows("latency")) {
            var shown = figures(row);
            latency("pass-through", text(row, "measure"), number(row, "load")).ifPresent(base -> {
                shown.put("p50_ratio", ratio(number(row, "p50_us"), number(base, "p50_us")));
                shown.put("p99_ratio", ratio(number(row, "p99_us"), number(base, "p99_us")));
            });
            rows.add(shown);
            double p50 = number(row, "p50_us") / 1e3;
            double p99 = number(row, "p99_us") / 1e3;
            var load = Math.round(number(row, "load") * 100) + "% ";
            bars.add(new Plot.Bar(
                    load + text(row, "contestant") + " " + text(row, "measure"),
                    new RoundSummary(p50, p50, p99),
                    text(row, "contestant").startsWith("tollgate")));
        }
        section.put("rows", rows);
        section.put("full_load", fullLoad("latency"));
        section.put("chart", chart("latency", "Latency: p50, and the line to p99", "milliseconds", true, bars));
        section.put("added", added());
    }

    /** Returns the latency that Tollgate adds to pass-through at half load. */
    private List<Map<String, Object>> added() {
        var added = new ArrayList<Map<String, Object>>();
        for (var measure : List.of("written", "committed")) {
            var ours = latency("tollgate-redis", measure, 0.5);
            var base = latency("pass-through", measure, 0.5);
            if (ours.isEmpty() || base.isEmpty()) continue;
            var row = new HashMap<String, Object>(Map.of("measure", measure));
            for (var field : List.of("p50_us", "p99_us")) {
                row.put(field, new Figure(number(ours.get(), field) - number(base.get(), field)));
            }
            added.add(row);
        }
        return added;
    }

    private Optional<JsonNode> latency(String contestant, String measure, double load) {
        for (var row : results.rows("latency")) {
            if (number(row, "load") == load
                    && text(row, "contestant").equals(contestant)
                    && text(row, "measure").equals(measure)) return Optional.of(row);
        }
        return Optional.empty();
    }

    private void redis(Map<String, Object> section) {
        var rows = new ArrayList<Map<String, Object>>();
        var bars = new ArrayList<Plot.Bar>();
        medians("redis", row -> true, "name").forEach((name, medians) -> {
            rows.add(named("name", name, medians));
            var rate = Objects.requireNonNull(medians.get("decisions_per_second"));
            bars.add(new Plot.Bar(name, rate, name.startsWith("Tollgate")));
        });
        section.put("rows", rows);
        section.put("chart", chart("redis", "Decisions a second on one Redis", "decisions/s", false, bars));
    }

    private void jmh(Map<String, Object> section) {
        var bars = new ArrayList<Plot.Bar>();
        for (var row : results.rows("jmh")) {
            double nanos = number(row, "ns");
            double error = number(row, "error_ns");
            var name = text(row, "name");
            bars.add(new Plot.Bar(
                    name,
                    new RoundSummary(nanos, Math.max(0, nanos - error), nanos + error),
                    name.contains("Tollgate")));
        }
        section.put("chart", chart("jmh", "Time for one operation", "nanoseconds", false, bars));
    }

    private void scale(Map<String, Object> section) {
        var tables = new ArrayList<Map<String, Object>>();
        GROWING.forEach((axis, title) -> {
            var rows = growing(axis);
            if (rows.size() > 1) tables.add(Map.of("title", title, "axis", axis, "rows", rows));
        });
        section.put("tables", tables);
    }

    /** Returns the cases that differ from the usual one only in this, in ascending order. */
    private List<Map<String, Object>> growing(String axis) {
        var cases = new TreeMap<Integer, JsonNode>();
        for (var row : results.rows("scale")) {
            boolean usual = USUAL.entrySet().stream()
                    .allMatch(thing -> thing.getKey().equals(axis)
                            || row.path(thing.getKey()).asInt() == thing.getValue());
            if (usual) cases.put(row.path(axis).asInt(), row);
        }
        var rows = new ArrayList<Map<String, Object>>();
        cases.forEach((size, given) -> {
            double rate = number(given, "records_per_second");
            double first = number(cases.firstEntry().getValue(), "records_per_second");
            var row = figures(given);
            row.put("size", new Figure(size));
            row.put("of_the_first", new Figure(rate / first));
            row.put("megabytes_per_second", new Figure(rate * number(given, "bytes") / 1e6));
            rows.add(row);
        });
        return rows;
    }

    private void script(Map<String, Object> section) {
        section.put("rows", rows("script", given -> true, (given, row) -> {
            row.put("instructions_ratio", ratio(given, "instructions", "floor_instructions"));
            row.put("us_ratio", ratio(given, "us", "floor_us"));
        }));
    }

    private static String ratio(JsonNode row, String field, String base) {
        return row.has(field) ? ratio(number(row, field), number(row, base)) : "";
    }

    private static String ratio(double part, double whole) {
        return String.format(Locale.ROOT, "%.2f", part / whole);
    }

    private void holds(Map<String, Object> section) {
        var all = medians("holds", row -> true, "name");
        var ordinary = Optional.ofNullable(all.get("ordinary"));
        var rows = new ArrayList<Map<String, Object>>();
        all.forEach((name, medians) -> {
            var row = named("name", name, medians);
            row.put("rate_ratio", ratio(medians, ordinary, "records_per_second"));
            row.put("cpu_ratio", ratio(medians, ordinary, "application_cpu_us"));
            row.put("decision_ratio", ratio(medians, ordinary, "decision_cpu_us"));
            rows.add(row);
        });
        section.put("rows", rows);
    }

    private void start(Map<String, Object> section) {
        var rows = new ArrayList<Map<String, Object>>();
        medians("start", row -> true, "name").forEach((name, medians) -> rows.add(named("name", name, medians)));
        section.put("rows", rows);
    }

    private void hotAgent(Map<String, Object> section) {
        var loads = new LinkedHashSet<Double>();
        for (var row : results.rows("hot-agent")) loads.add(number(row, "load"));
        var rows = new ArrayList<Map<String, Object>>();
        for (double load : loads) {
            for (var measure : List.of("decided", "committed")) {
                for (var group : GROUPS) {
                    var scenes = new HashMap<String, Object>();
                    for (var row : results.rows("hot-agent")) {
                        if (number(row, "load") == load
                                && text(row, "measure").equals(measure)
                                && text(row, "group").equals(group)) {
                            scenes.put(text(row, "scene").replace(' ', '_'), figures(row));
                        }
                    }
                    if (scenes.isEmpty()) continue;
                    scenes.putAll(Map.of("load", new Figure(load), "measure", measure, "group", group));
                    rows.add(scenes);
                }
            }
        }
        section.put("full_load", fullLoad("hot-agent"));
        section.put("rows", rows);
    }

    private void simulation(Map<String, Object> section) {
        for (var kind : List.of("costs", "size", "cells")) {
            section.put(kind, rows("simulation", row -> text(row, "kind").equals(kind)));
        }
        section.put("check", rows("simulation", row -> text(row, "kind").equals("check"), (given, row) -> {
            double ofSimulated = number(given, "measured_per_second") / number(given, "records_per_second");
            row.put("measured_of_simulated", new Figure(ofSimulated));
        }));
    }

    private String fullLoad(String section) {
        double rate = 0;
        for (var row : results.rows(section)) {
            rate = Math.max(rate, number(row, "rate") / number(row, "load"));
        }
        return String.format(Locale.ROOT, "%,.0f", rate).replace(',', ' ');
    }

    private List<Map<String, Object>> rows(String section, Predicate<JsonNode> which) {
        return rows(section, which, (given, row) -> {});
    }

    /** Returns the chosen rows' fields, and those that {@code more} adds to each. */
    private List<Map<String, Object>> rows(
            String section, Predicate<JsonNode> which, BiConsumer<JsonNode, Map<String, Object>> more) {
        var rows = new ArrayList<Map<String, Object>>();
        for (var given : results.rows(section)) {
            if (!which.test(given)) continue;
            var row = figures(given);
            more.accept(given, row);
            rows.add(row);
        }
        return rows;
    }

    private static Map<String, Object> named(String field, String name, Map<String, RoundSummary> medians) {
        var row = new HashMap<String, Object>(medians);
        row.put(field, name);
        return row;
    }

    private static Map<String, Object> figures(JsonNode row) {
        var figures = new HashMap<String, Object>();
        row.properties().forEach(field -> {
            var value = field.getValue();
            figures.put(field.getKey(), value.isNumber() ? new Figure(value.asDouble()) : value.asText());
        });
        return figures;
    }

    /** Gathers the numbers of all rounds by name, in the order of their first appearance. */
    private Map<String, Map<String, RoundSummary>> medians(String section, Predicate<JsonNode> which, String name) {
        var values = new LinkedHashMap<String, Map<String, List<Double>>>();
        for (var row : results.rows(section)) {
            if (!which.test(row)) continue;
            var ofName = values.computeIfAbsent(text(row, name), key -> new HashMap<>());
            row.properties().forEach(field -> {
                if (!field.getValue().isNumber()) return;
                ofName.computeIfAbsent(field.getKey(), key -> new ArrayList<>())
                        .add(field.getValue().asDouble());
            });
        }
        var medians = new LinkedHashMap<String, Map<String, RoundSummary>>();
        values.forEach((key, fields) -> {
            var summaries = new HashMap<String, RoundSummary>();
            fields.forEach((field, rounds) -> summaries.put(field, RoundSummary.of(rounds)));
            medians.put(key, summaries);
        });
        return medians;
    }

    private static double number(JsonNode row, String field) {
        return row.path(field).asDouble();
    }

    private static String text(JsonNode row, String field) {
        return row.path(field).asText();
    }

    /** Writes the chart, and returns the reference to it. */
    private String chart(String name, String title, String unit, boolean logarithmic, List<Plot.Bar> bars) {
        var link = CHARTS + "/" + name + ".svg";
        Plot.write(page.resolveSibling(link), title, unit, logarithmic, bars);
        return "![" + title + "](" + link + ")";
    }

    private static Map<String, String> inOrder(String... namesAndTexts) {
        var map = new LinkedHashMap<String, String>();
        for (int i = 0; i < namesAndTexts.length; i += 2) map.put(namesAndTexts[i], namesAndTexts[i + 1]);
        return map;
    }
}
