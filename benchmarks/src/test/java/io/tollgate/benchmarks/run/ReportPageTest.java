package io.tollgate.benchmarks.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.ReportPage;
import io.tollgate.benchmarks.report.Results;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportPageTest {
    @TempDir
    private Path dir;

    private static ObjectNode turn(Contestant contestant, Workload workload, double rate) {
        var row = Results.row();
        row.put("contestant", contestant.text());
        row.put("workload", workload.text());
        row.put("records_per_second", rate);
        row.put("application_cpu_us", 1e6 / rate);
        row.put("broker_cpu_us", 2);
        row.put("redis_cpu_us", contestant.usesRedis ? 3 : 0);
        row.put("redis_deciding_us", contestant.usesRedis ? 4.5 : 0);
        return row;
    }

    private static void put(Results results, ObjectNode... rows) {
        results.put(
                "end-to-end",
                "./benchmarks/run end-to-end",
                "Redis 7",
                new ArrayList<>(List.of(rows)),
                List.of("contestant", "workload"));
    }

    @Test
    void showsMediansRatiosAndCharts() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        put(
                results,
                turn(Contestant.PASS_THROUGH, Workload.UNIFORM, 90_000),
                turn(Contestant.PASS_THROUGH, Workload.UNIFORM, 110_000),
                turn(Contestant.PASS_THROUGH, Workload.UNIFORM, 100_000),
                turn(Contestant.TOLLGATE_REDIS, Workload.UNIFORM, 60_000),
                turn(Contestant.TOLLGATE_LOCAL, Workload.UNIFORM, 96_000));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains("| pass-through | 100 000 (90 000 to 110 000) | 1.00 |")
                .contains("| tollgate-redis | 60 000 | 0.60 |  |  | 16.7 | 1.67 |  |")
                .doesNotContain("Zipf 1.0");
        assertThat(Files.readString(dir.resolve("benchmarks/end-to-end-uniform.svg")))
                .startsWith("<svg")
                .contains(">pass-through</text>", ">100 000</text>");
    }

    @Test
    void figuresStandBesideTheirLimits() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        put(
                results,
                turn(Contestant.PASS_THROUGH, Workload.FLOOD, 100_000),
                turn(Contestant.TOLLGATE_OFF, Workload.FLOOD, 80_000),
                turn(Contestant.TOLLGATE_REDIS, Workload.FLOOD, 40_000).put("warm_up_seconds", 21.0),
                turn(Contestant.VERDICTS_GIVEN, Workload.FLOOD, 50_000));
        var latencies =
                List.of(timed(Contestant.PASS_THROUGH, 4_000, 10_000), timed(Contestant.TOLLGATE_REDIS, 6_000, 25_000));
        results.put(
                "latency", "./benchmarks/run latency", "Redis 7", new ArrayList<>(latencies), List.of("contestant"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains(
                        "| tollgate-redis | 40 000 | 0.40 | 0.80 | 0.50 | 25.0 | 2.50 | 1.25 | 2.00 | 3.00 | 4.50 | 21.0 |")
                .contains("| tollgate-redis | decided | 6.00 | 1.50 | 15.00 | 25.00 | 2.50 |");
    }

    private static ObjectNode timed(Contestant contestant, double p50Micros, double p99Micros) {
        var row = Results.row();
        row.put("load", 0.5);
        row.put("rate", 30_000);
        row.put("contestant", contestant.text());
        row.put("measure", "decided");
        row.put("p50_us", p50Micros);
        row.put("p95_us", 15_000);
        row.put("p99_us", p99Micros);
        row.put("max_us", 90_000);
        return row;
    }

    @Test
    void startsAreComparedWithTheSteadyRate() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        var row = Results.row();
        row.put("name", "class data");
        row.put("ready_seconds", 4.5);
        row.put("ready_cpu_seconds", 6.5);
        row.put("million_cpu_seconds", 21.5);
        row.put("first_per_second", 40_000);
        row.put("records_per_second", 80_000);
        row.put("share", 0.5);
        results.put("start", "./benchmarks/run start", "Redis 7", List.of(row), List.of("name"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains("| class data | 4.50 | 6.50 | 21.5 | 40 000 | 80 000 | 0.50 |");
    }

    @Test
    void partialRunReplacesOnlyItsOwnPart() {
        var file = dir.resolve("results.json");
        var results = Results.open(file);
        put(
                results,
                turn(Contestant.PASS_THROUGH, Workload.UNIFORM, 100_000),
                turn(Contestant.PASS_THROUGH, Workload.ZIPF, 120_000));
        put(results, turn(Contestant.PASS_THROUGH, Workload.UNIFORM, 80_000));
        results.save();

        var rates = new ArrayList<Double>();
        Results.open(file)
                .rows("end-to-end")
                .forEach(row -> rates.add(row.path("records_per_second").asDouble()));
        assertThat(rates).containsExactlyInAnyOrder(120_000.0, 80_000.0);
    }

    @Test
    void scriptIsSetBesideItsFloor() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        var row = Results.row();
        row.put("scene", "one request");
        row.put("agents", 16);
        row.put("floor_instructions", 60_000);
        row.put("instructions", 96_000);
        row.put("floor_us", 4);
        row.put("us", 7);
        var untold = Results.row(); // without valgrind
        untold.put("scene", "five requests");
        untold.put("agents", 16);
        untold.put("floor_us", 5);
        untold.put("us", 10);
        results.put("script", "./benchmarks/run script", "Redis 7", List.of(row, untold), List.of("scene"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains("| one request | 16 | 96 000 | 60 000 | 1.60 | 7.00 | 4.00 | 1.75 |")
                .contains("| five requests | 16 |  |  |  | 10.0 | 5.00 | 2.00 |");
    }

    @Test
    void holdsAreSetBesideOrdinaryDecisions() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        var ordinary = turn(Contestant.TOLLGATE_REDIS, Workload.UNIFORM, 60_000).put("name", "ordinary");
        ordinary.set("decision_cpu_us", ordinary.get("application_cpu_us"));
        var hold = turn(Contestant.TOLLGATE_REDIS, Workload.HOLDS, 30_000).put("name", "with a hold");
        hold.put("decision_cpu_us", hold.get("application_cpu_us").asDouble() / 2);
        results.put("holds", "./benchmarks/run holds", "Redis 7", List.of(ordinary, hold), List.of("name"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains("| ordinary | 60 000 | 1.00 |")
                .contains("| with a hold | 30 000 | 0.50 | 33.3 | 2.00 | 1.00 |");
    }

    private static ObjectNode backlog(int agents, int instances, double rate) {
        var row = Results.row();
        row.put("agents", agents);
        row.put("partitions", 8);
        row.put("bytes", 200);
        row.put("instances", instances);
        row.put("records_per_second", rate);
        row.put("tasks", instances == 1 ? "8" : "4+4");
        return row;
    }

    @Test
    void everyTableGrowsInOneThing() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        var rows = List.of(
                backlog(100_000, 2, 66_000),
                backlog(1_000_000, 1, 45_000),
                backlog(100_000, 1, 60_000),
                backlog(1_000, 1, 50_000));
        results.put(
                "scale",
                "./benchmarks/run scale",
                "Redis 7",
                new ArrayList<>(rows),
                List.of("agents", "partitions", "bytes", "instances"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .containsSubsequence(
                        "### By agents",
                        "| 1 000 | 50 000 | 1.00 | 10.0 |",
                        "| 100 000 | 60 000 | 1.20 | 12.0 |",
                        "| 1 000 000 | 45 000 | 0.90 | 9.00 |",
                        "### By instances",
                        "| 1 | 60 000 | 1.00 |",
                        "| 2 | 66 000 | 1.10 |",
                        "| 4+4 |")
                .doesNotContain("### By partitions", "### By size");
    }

    private static ObjectNode waited(HotAgent.Scene scene, HotAgent.TimedGroup group, double p50Micros) {
        var row = Results.row();
        row.put("load", 0.25);
        row.put("scene", scene.text);
        row.put("group", group.text);
        row.put("measure", "committed");
        row.put("p50_us", p50Micros);
        row.put("p99_us", 10 * p50Micros);
        return row;
    }

    @Test
    void hotAgentsTimesStandBesideTheOthers() throws IOException {
        var results = Results.open(dir.resolve("results.json"));
        var rows = List.of(
                waited(HotAgent.Scene.WITHOUT, HotAgent.TimedGroup.ITS_PARTITION, 1000),
                waited(HotAgent.Scene.HOT, HotAgent.TimedGroup.ITS_PARTITION, 3000),
                waited(HotAgent.Scene.HOT, HotAgent.TimedGroup.HOT, 4000));
        results.put(
                "hot-agent", "./benchmarks/run hot-agent", "Redis 7", new ArrayList<>(rows), List.of("group", "scene"));

        ReportPage.write(results, dir.resolve("PAGE.md"));

        assertThat(Files.readString(dir.resolve("PAGE.md")))
                .contains("| 25% | committed | the hot agent |  |  |  |  | 4.00 | 40.00 |")
                .contains("| 25% | committed | others on its partition | 1.00 | 10.00 |  |  | 3.00 | 30.00 |")
                .doesNotContain("| partitions of other threads |");
    }
}
