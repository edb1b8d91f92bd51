package io.tollgate.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;

/** Writes docs/BENCHMARKS.md and its charts from the results: no figure on it is typed by hand. */
final class Page {
    private final Results results;
    private final Path charts;
    private final String chartsLink;
    private final StringBuilder text = new StringBuilder();

    private Page(Results results, Path page) {
        this.results = results;
        this.chartsLink = "benchmarks";
        this.charts = page.resolveSibling(chartsLink);
    }

    static void write(Results results, Path page) {
        var content = new Page(results, page).all();
        try {
            if (page.getParent() != null) Files.createDirectories(page.getParent());
            Files.writeString(page, content, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + page, e);
        }
    }

    private String all() {
        line("# Benchmarks");
        line("");
        line(
                "Written by `./benchmarks/run` from `benchmarks/results.json`; do not edit. Every figure names the command, the machine");
        line(
                "and the commit that produced it. Broker, Redis, application and load share one machine: compare what stands in one");
        line(
                "table, not absolute figures with those of other machines. A figure is the median of the rounds, with least and most.");
        line("");
        if (results.has("end-to-end")) endToEnd();
        if (results.has("latency")) latency();
        if (results.has("redis")) redis();
        if (results.has("jmh")) jmh();
        if (results.has("memory")) memory();
        if (results.has("scale")) scale();
        if (results.has("hot-agent")) hotAgent();
        if (results.has("simulation")) simulation();
        if (results.has("settings")) settings();
        return text.toString();
    }

    private void endToEnd() {
        heading("end-to-end", "End to end");
        line(
                "A preloaded topic of requests (8 partitions, about 200 bytes each, keyed by agent) is decided at full speed with");
        line(
                "exactly_once_v2 and default limits (1000 tokens, 10 a second, each request costs 1). Counted are requests whose decision is");
        line(
                "committed, after a warm-up, while there still is work. Contestants take turns, each in a fresh JVM with the same Streams");
        line(
                "settings, on an emptied Redis. CPU is that of the whole process, in microseconds for each decided record; Redis deciding is");
        line("the time of the calls that decide, by `INFO commandstats`.");
        line("");
        for (var contestant : Contestant.values()) line("- " + contestant.text() + ": " + contestant.description());
        line("");
        for (var workload : Workload.values()) endToEnd(workload);
    }

    private void endToEnd(Workload workload) {
        Predicate<JsonNode> here = row -> row.path("workload").asText().equals(workload.text());
        var rates = byName("end-to-end", here, "contestant", "records_per_second");
        if (rates.isEmpty()) return;
        line("### " + capital(workload.description()));
        line("");
        line(
                "| | records/s | of pass-through | application CPU µs | of pass-through | broker CPU µs | Redis CPU µs | Redis deciding µs |");
        line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        var application = byName("end-to-end", here, "contestant", "application_cpu_us");
        var broker = byName("end-to-end", here, "contestant", "broker_cpu_us");
        var redisCpu = byName("end-to-end", here, "contestant", "redis_cpu_us");
        var deciding = byName("end-to-end", here, "contestant", "redis_deciding_us");
        var bars = new ArrayList<Plot.Bar>();
        for (var name : rates.keySet()) {
            boolean redis = redisCpu.get(name).median() > 0.05;
            line("| " + name + " | " + rates.get(name).text()
                    + " | " + ratio(rates, name)
                    + " | " + application.get(name).text()
                    + " | " + ratio(application, name)
                    + " | " + broker.get(name).text()
                    + " | " + (redis ? redisCpu.get(name).text() : "")
                    + " | " + (redis ? deciding.get(name).text() : "") + " |");
            bars.add(new Plot.Bar(name, rates.get(name), name.startsWith("tollgate")));
        }
        line("");
        chart(
                "end-to-end-" + workload.text(),
                "Decided records a second, " + workload.description(),
                "records/s",
                false,
                bars);
    }

    private static String ratio(Map<String, Summary> values, String name) {
        var base = values.get(Contestant.PASS_THROUGH.text());
        if (base == null || base.median() == 0) return "";
        return String.format(Locale.ROOT, "%.2f", values.get(name).median() / base.median());
    }

    private void latency() {
        heading("latency", "Latency");
        line(
                "Open loop: requests are published at a fixed rate whether or not earlier ones are decided, and each is timed from the");
        line(
                "moment at which it should have been sent, so that a pause counts for every request that it delayed. *Decided* is");
        line(
                "`quota-decided-at`; *written* is when a read_uncommitted consumer has the decision; *committed* is when a read_committed");
        line("consumer has it. Milliseconds, uniform agents; the loads are shares of " + fullLoad("latency")
                + ", which broker, publisher,");
        line("readers and Tollgate sustain together: the figures above are of a topic that was published before.");
        line("");
        line("| load | records/s | | | p50 | p95 | p99 | max |");
        line("| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |");
        var bars = new ArrayList<Plot.Bar>();
        for (var row : results.rows("latency")) {
            var load = Math.round(row.path("load").asDouble() * 100) + "%";
            var name = row.path("contestant").asText();
            line("| " + load + " | " + Summary.figure(row.path("rate").asDouble()) + " | " + name + " | "
                    + row.path("measure").asText() + " | " + millis(row, "p50") + " | " + millis(row, "p95") + " | "
                    + millis(row, "p99") + " | " + millis(row, "max") + " |");
            double p50 = row.path("p50_us").asDouble() / 1e3;
            double p99 = row.path("p99_us").asDouble() / 1e3;
            bars.add(new Plot.Bar(
                    load + " " + name + " " + row.path("measure").asText(),
                    new Summary(p50, p50, p99),
                    name.startsWith("tollgate")));
        }
        line("");
        chart("latency", "Latency: p50, and the line to p99", "milliseconds", true, bars);
        added();
    }

    /** What Tollgate adds to pass-through, at half load. */
    private void added() {
        for (var measure : List.of("written", "committed")) {
            var ours = cell("tollgate-redis", measure);
            var base = cell("pass-through", measure);
            if (ours.isEmpty() || base.isEmpty()) continue;
            line(String.format(
                    Locale.ROOT,
                    "Added by Tollgate at half load until %s: p50 %.2f ms, p99 %.2f ms.",
                    measure,
                    (ours.get().path("p50_us").asDouble()
                                    - base.get().path("p50_us").asDouble())
                            / 1e3,
                    (ours.get().path("p99_us").asDouble()
                                    - base.get().path("p99_us").asDouble())
                            / 1e3));
            line("");
        }
    }

    private Optional<JsonNode> cell(String contestant, String measure) {
        for (var row : results.rows("latency")) {
            if (row.path("load").asDouble() == 0.5
                    && row.path("contestant").asText().equals(contestant)
                    && row.path("measure").asText().equals(measure)) return Optional.of(row);
        }
        return Optional.empty();
    }

    private static String millis(JsonNode row, String field) {
        return String.format(Locale.ROOT, "%.2f", row.path(field + "_us").asDouble() / 1e3);
    }

    private void redis() {
        heading("redis", "Decisions on one Redis");
        line(
                "One client JVM, one Redis, 10 000 agents alike. *Documented*: 16 threads, each waiting for its answer. *Best*: one thread");
        line(
                "that never waits, with up to 512 decisions under way on one connection. Tollgate's pipeline sends 128 agents in one call, with fence and copy.");
        line("");
        line("| | decisions/s | Redis deciding µs | Redis CPU µs | client CPU µs |");
        line("| --- | ---: | ---: | ---: | ---: |");
        Predicate<JsonNode> any = row -> true;
        var rates = byName("redis", any, "name", "decisions_per_second");
        var bars = new ArrayList<Plot.Bar>();
        rates.forEach((name, rate) -> {
            line("| " + name + " | " + rate.text() + " | "
                    + byName("redis", any, "name", "redis_deciding_us")
                            .get(name)
                            .text() + " | "
                    + byName("redis", any, "name", "redis_cpu_us").get(name).text() + " | "
                    + byName("redis", any, "name", "client_cpu_us").get(name).text() + " |");
            bars.add(new Plot.Bar(name, rate, name.startsWith("Tollgate")));
        });
        line("");
        chart("redis", "Decisions a second on one Redis", "decisions/s", false, bars);
    }

    private void jmh() {
        heading("jmh", "In one process");
        line(
                "JMH, one thread, average time. Limits that are never reached, so that every library approves. *Each agent's own*: one of");
        line("10 000 limiters, found by the agent's id.");
        line("");
        line("| | ns | ± |");
        line("| --- | ---: | ---: |");
        var bars = new ArrayList<Plot.Bar>();
        for (var row : results.rows("jmh")) {
            double nanos = row.path("ns").asDouble();
            double error = row.path("error_ns").asDouble();
            var name = row.path("name").asText();
            line("| " + name + " | " + Summary.figure(nanos) + " | " + Summary.figure(error) + " |");
            bars.add(new Plot.Bar(
                    name, new Summary(nanos, Math.max(0, nanos - error), nanos + error), name.contains("Tollgate")));
        }
        line("");
        chart("jmh", "Time for one operation", "nanoseconds", false, bars);
    }

    private void memory() {
        heading("memory", "Bytes for each agent");
        line(
                "In Redis by `MEMORY USAGE`, all keys of an agent together, mean of a sample; on disk the table files of the state store after a");
        line("clean end. *Redis as it comes* keeps a hash in one piece as long as no field has more than 64 bytes.");
        line("");
        line("| | keys | bytes |");
        line("| --- | ---: | ---: |");
        for (var row : results.rows("memory")) {
            line("| " + row.path("name").asText() + " | " + row.path("keys").asText() + " | "
                    + Summary.figure(row.path("bytes").asDouble()) + " |");
        }
        line("");
    }

    private void hotAgent() {
        heading("hot-agent", "A hot agent");
        line(
                "One agent sends nine tenths of all requests, 10 000 others the rest; all are approved by Redis, so the hot agent is never");
        line(
                "refused early. Open loop, timed as above, in milliseconds. *Without it*: the others alone, a tenth of the rate. *All alike*: the");
        line("same rate in all, without a hot agent. Loads are shares of " + fullLoad("hot-agent") + ".");
        line("");
        var scenes = HotAgent.Scene.values();
        var head = new StringBuilder("| load | | whose");
        for (var scene : scenes) {
            head.append(" | ").append(scene.text()).append(": p50 | p99");
        }
        line(head + " |");
        line("| --- | --- | ---" + " | ---:".repeat(2 * scenes.length) + " |");
        var loads = new LinkedHashSet<Double>();
        for (var row : results.rows("hot-agent")) loads.add(row.path("load").asDouble());
        for (double load : loads) {
            for (var measure : List.of("decided", "committed")) {
                for (var group : HotAgent.Group.values()) hotAgent(load, measure, group);
            }
        }
        line("");
        line(
                "Those on its partition wait in its queue: compare them with the hot agent itself. Others of its thread wait while the thread");
        line("decides what was polled before them; those of other threads share the machine only.");
        line("");
    }

    private void hotAgent(double load, String measure, HotAgent.Group group) {
        var cells = new StringBuilder("| " + Math.round(load * 100) + "% | " + measure + " | " + group.text());
        boolean any = false;
        for (var scene : HotAgent.Scene.values()) {
            Optional<JsonNode> found = Optional.empty();
            for (var row : results.rows("hot-agent")) {
                if (row.path("load").asDouble() == load
                        && row.path("measure").asText().equals(measure)
                        && row.path("group").asText().equals(group.text())
                        && row.path("scene").asText().equals(scene.text())) found = Optional.of(row);
            }
            any |= found.isPresent();
            cells.append(" | ")
                    .append(found.map(row -> millis(row, "p50") + " | " + millis(row, "p99"))
                            .orElse(" | "));
        }
        if (any) line(cells + " |");
    }

    private void scale() {
        heading("scale", "How cost grows");
        line(
                "A backlog of requests, drawn evenly; nobody is refused. Records a second and CPU are those of the second half, by when the JVM");
        line(
                "has compiled most. Redis and store: memory used and table files, divided by the agents that asked. In memory: agents that the");
        line(
                "mirror holds. Heap: after a full collection; process: all that it holds, RocksDB and garbage included. Restart: seconds from its");
        line(
                "start until it is ready, with its state folder and, as *restore*, without. Where a table does not say otherwise: 100 000 agents, 8");
        line("partitions, 200 bytes, one instance.");
        line("");
        scale("By agents", "agents", given -> given.agents());
        scale("By partitions", "partitions", given -> given.partitions());
        scale("By size of a request", "bytes", given -> given.bytes());
        scale("By instances, on the same cores", "instances", given -> given.instances());
    }

    /** One table: the cases that differ from the usual one in this alone, in rising order. */
    private void scale(String title, String axis, ToIntFunction<Scale.Case> size) {
        var rows = new TreeMap<Integer, JsonNode>();
        for (var row : results.rows("scale")) {
            var given = Scale.Case.of(row);
            if (differsOnlyIn(axis, given)) rows.put(size.applyAsInt(given), row);
        }
        if (rows.size() < 2) return;
        line("### " + title);
        line("");
        line(
                "| " + axis
                        + " | records/s | of the first | MB/s | application CPU µs | Redis deciding µs | Redis bytes/agent | store bytes/agent | agents in memory | heap MB | process MB | tasks | restart s | restore s |");
        line("| ---:".repeat(14) + " |");
        double first = rows.firstEntry().getValue().path("records_per_second").asDouble();
        rows.forEach((value, row) -> {
            double rate = row.path("records_per_second").asDouble();
            var cells = new StringBuilder("| " + Summary.figure(value).replaceFirst("\\.0+$", "") + " | "
                    + Summary.figure(rate) + " | " + Summary.figure(rate / first) + " | "
                    + Summary.figure(rate * row.path("bytes").asDouble() / 1e6));
            for (var field : List.of(
                    "application_cpu_us",
                    "redis_deciding_us",
                    "redis_bytes_per_agent",
                    "store_bytes_per_agent",
                    "mirrored_agents",
                    "heap_mb",
                    "process_mb")) cells.append(" | ").append(figure(row, field));
            cells.append(" | ").append(row.path("tasks").asText());
            for (var field : List.of("restart_seconds", "restore_seconds")) {
                cells.append(" | ").append(figure(row, field));
            }
            line(cells + " |");
        });
        line("");
    }

    private static boolean differsOnlyIn(String axis, Scale.Case given) {
        var usual = Scale.Case.USUAL;
        return (axis.equals("agents") || given.agents() == usual.agents())
                && (axis.equals("partitions") || given.partitions() == usual.partitions())
                && (axis.equals("bytes") || given.bytes() == usual.bytes())
                && (axis.equals("instances") || given.instances() == usual.instances());
    }

    private void simulation() {
        heading("simulation", "Larger than this machine, simulated");
        line(
                "A discrete-event simulation of partitions, stream threads, polls, calls to Redis and commits (`Simulation.java`), with what steps");
        line(
                "cost on this machine. It says how many requests share an entry of a call, who waits for whom, and how uneven partitions and nodes are;");
        line("brokers are but a delay in it, and nothing fails. It is not a measurement of anything that large.");
        line("");
        for (var row : simulated("costs")) {
            line("Redis: " + figure(row, "entry_us") + " µs of CPU for an agent of a call, " + figure(row, "request_us")
                    + " µs for each further request of that agent, " + figure(row, "call_us")
                    + " µs for a call of its own. Larger pipelines: "
                    + figure(row, "record_us") + " µs of CPU for each request, " + figure(row, "round_trip_us")
                    + " µs to Redis and back, " + figure(row, "fetch_us") + " µs for a fetch, a commit of "
                    + figure(row, "commit_us") + " µs each 100 ms.");
        }
        line("");
        line("### Checked against what was measured");
        line("");
        line(
                "Two cores shared by broker, Redis and one instance. Given are the CPU of application and broker for each record; the first two rows");
        line(
                "gave Redis' costs, the others are predicted. *Formula*: two cores divided by the CPU for each record, Redis' as measured.");
        line("");
        line(
                "| | entries of calls for each request | Redis CPU µs: simulated | measured | records/s: formula | simulated | measured | measured of simulated |");
        line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        for (var row : simulated("check")) {
            double ratio = row.path("measured_per_second").asDouble()
                    / row.path("records_per_second").asDouble();
            var cells = new StringBuilder("| " + row.path("name").asText());
            for (var field : List.of(
                    "entries_each",
                    "redis_us",
                    "measured_redis_us",
                    "model_per_second",
                    "records_per_second",
                    "measured_per_second")) cells.append(" | ").append(figure(row, field));
            line(cells + " | " + Summary.figure(ratio) + " |");
        }
        line("");
        line("### Larger pipelines");
        line("");
        line(
                "Requests arrive at random, whether or not earlier ones are decided. Each thread and each node of Redis has a core of its own. *Skew* is");
        line(
                "Zipf's exponent. Time from publishing until decided; seconds of it mean that the load is more than something can carry.");
        line("");
        line(
                "| requests/s | agents | skew | partitions | threads | Redis | decided/s | approved | Redis µs each | busiest Redis | threads | busiest thread | p50 ms | p99 ms |");
        line("| ---:".repeat(14) + " |");
        for (var row : simulated("size")) {
            line("| " + figure(row, "per_second") + " | " + figure(row, "agents") + " | "
                    + row.path("skew").asText()
                    + " | " + row.path("partitions").asText() + " | "
                    + row.path("threads").asText()
                    + " | " + row.path("redis_nodes").asText() + " | " + figure(row, "decided_per_second") + " | "
                    + percent(row, "approved") + " | " + figure(row, "redis_us") + " | "
                    + percent(row, "busiest_redis") + " | " + percent(row, "threads_busy") + " | "
                    + percent(row, "busiest_thread") + " | " + figure(row, "p50_ms") + " | "
                    + figure(row, "p99_ms") + " |");
        }
        line("");
        line("### Cells");
        line("");
        line("Agents sorted by a hash into installations that share nothing: what the busiest gets.");
        line("");
        line("| cells | agents | skew | busiest agent, of all requests | busiest cell, of the mean |");
        line("| ---: | ---: | ---: | ---: | ---: |");
        for (var row : simulated("cells")) {
            line("| " + row.path("cells").asText() + " | " + figure(row, "agents") + " | "
                    + row.path("skew").asText()
                    + " | "
                    + String.format(
                            Locale.ROOT, "%.4f %%", row.path("busiest_agent").asDouble() * 100)
                    + " | " + figure(row, "busiest_cell_of_mean") + " |");
        }
        line("");
    }

    private List<JsonNode> simulated(String kind) {
        var rows = new ArrayList<JsonNode>();
        for (var row : results.rows("simulation")) {
            if (row.path("kind").asText().equals(kind)) rows.add(row);
        }
        return rows;
    }

    private static String percent(JsonNode row, String field) {
        return Math.round(row.path(field).asDouble() * 100) + " %";
    }

    private static String figure(JsonNode row, String field) {
        return row.has(field) ? Summary.figure(row.path(field).asDouble()) : "";
    }

    private String fullLoad(String section) {
        double rate = 0;
        for (var row : results.rows(section)) {
            rate = Math.max(rate, row.path("rate").asDouble() / row.path("load").asDouble());
        }
        return String.format(Locale.ROOT, "%,.0f", rate).replace(',', ' ') + " records/s";
    }

    private void settings() {
        heading("settings", "Streams and client settings");
        line(
                "Tollgate with Redis, uniform agents. Latency at the same fixed rate for all. After a short warm-up neither JVM is at its");
        line(
                "best, and the broker gets better from row to row: compare rows of one warm-up, and neighbours. *None of these*: batches of");
        line("16 KB and linger.ms 100, with which the search began.");
        line("");
        line(
                "| change | records/s | application CPU µs | broker CPU µs | Redis deciding µs | written p50 ms | written p99 ms | committed p50 ms | committed p99 ms |");
        line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        for (var row : results.rows("settings")) {
            var cells = new StringBuilder("| " + row.path("name").asText());
            for (var field : List.of(
                    "records_per_second",
                    "application_cpu_us",
                    "broker_cpu_us",
                    "redis_deciding_us",
                    "written_p50_ms",
                    "written_p99_ms",
                    "committed_p50_ms",
                    "committed_p99_ms")) {
                cells.append(" | ").append(figure(row, field));
            }
            line(cells + " |");
        }
        line("");
    }

    /** Gathers one field of all rounds, by name, in the order in which names appear. */
    private Map<String, Summary> byName(String section, Predicate<JsonNode> which, String name, String field) {
        var values = new LinkedHashMap<String, List<Double>>();
        for (var row : results.rows(section)) {
            if (!which.test(row)) continue;
            values.computeIfAbsent(row.path(name).asText(), key -> new ArrayList<>())
                    .add(row.path(field).asDouble());
        }
        var summaries = new LinkedHashMap<String, Summary>();
        values.forEach((key, list) -> summaries.put(key, Summary.of(list)));
        return summaries;
    }

    private void heading(String section, String title) {
        line("## " + title);
        line("");
        line("`" + results.about(section, "command") + "` · " + results.about(section, "machine") + " · "
                + results.about(section, "jdk")
                + (results.about(section, "redis").isEmpty() ? "" : " · " + results.about(section, "redis"))
                + " · commit " + results.about(section, "commit") + " · " + results.about(section, "date"));
        line("");
        var commits = new LinkedHashSet<String>();
        for (var row : results.rows(section)) commits.add(row.path("commit").asText());
        if (commits.size() > 1) {
            line("Merged from several runs, at commits " + String.join(", ", commits) + ".");
            line("");
        }
    }

    private void chart(String name, String title, String unit, boolean logarithmic, List<Plot.Bar> bars) {
        Plot.write(charts.resolve(name + ".svg"), title, unit, logarithmic, bars);
        line("![" + title + "](" + chartsLink + "/" + name + ".svg)");
        line("");
    }

    private static String capital(String words) {
        return words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }

    private void line(String line) {
        text.append(line).append('\n');
    }
}
