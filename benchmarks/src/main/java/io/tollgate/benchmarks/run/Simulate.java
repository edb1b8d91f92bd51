package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.benchmarks.report.RoundSummary;
import io.tollgate.simulator.Forecast;
import io.tollgate.simulator.PipelineSize;
import io.tollgate.simulator.Simulation;
import io.tollgate.simulator.StepCosts;
import io.tollgate.simulator.Traffic;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Simulates pipelines larger than one machine, with the costs of steps measured on this one. */
@Command(
        name = "simulate",
        description =
                "larger pipelines in simulated time, with the costs that end-to-end and scale have measured; checked against their rates",
        mixinStandardHelpOptions = true)
public final class Simulate implements Runnable {
    private static final long SEED = 42;
    /** A bucket that never empties within a run. */
    private static final double PLENTY = 1e9;

    @Mixin
    private final Output output = new Output();

    @Option(names = "--requests", paramLabel = "N", description = "of each case; default: ${DEFAULT-VALUE}")
    private int requests = 3_000_000;

    @Option(
            names = "--record-micros",
            paramLabel = "US",
            description = "CPU of the application for each request, in the larger pipelines; default: ${DEFAULT-VALUE}")
    private double recordMicros = 20;

    @Option(
            names = "--round-trip-micros",
            paramLabel = "US",
            description = "to Redis and back, in the larger pipelines; default: ${DEFAULT-VALUE}")
    private double roundTripMicros = 500;

    @Option(
            names = "--fetch-micros",
            paramLabel = "US",
            description = "from asking a broker until its records are here; default: ${DEFAULT-VALUE}")
    private double fetchMicros = 2_000;

    @Option(
            names = "--commit-micros",
            paramLabel = "US",
            description = "that a thread decides nothing, each 100 ms; default: ${DEFAULT-VALUE}")
    private double commitMicros = 5_000;

    /** The measurement of one case of {@code scale} or {@code end-to-end}. */
    private record Measured(
            String name,
            int agents,
            int partitions,
            double perSecond,
            double applicationMicros,
            double brokerMicros,
            double redisMicros) {}

    /** Redis' part of the costs: its CPU, which is its time if it has a core of its own. */
    private record RedisCosts(double entry, double request, double call) {}

    @Override
    public void run() {
        if (output.quick()) requests = 100_000;
        var results = output.open();
        var measured = measured(results);
        if (measured.size() < 2) throw new IllegalStateException("run scale first: what it measures is needed");
        var rows = new ArrayList<ObjectNode>();
        var redis = fitted(measured.get(0), measured.get(1), callMicros(results));
        rows.add(costs(redis));
        for (var each : measured) rows.add(check(each, redis));
        sizes(redis, rows);
        cells(rows);
        output.save("simulation", "", rows, "kind", "name");
    }

    /** Returns the measured pipelines with one Redis on two cores; Redis' costs are fitted to the first two. */
    private static List<Measured> measured(Results results) {
        var cases = new ArrayList<Measured>();
        for (var given : List.of(
                new Scale.Case(1_000, 8, 200, 1),
                Scale.Case.USUAL,
                new Scale.Case(1_000_000, 8, 200, 1),
                new Scale.Case(100_000, 1, 200, 1),
                new Scale.Case(100_000, 64, 200, 1))) {
            find(results, "scale", row -> Scale.Case.of(row).equals(given))
                    .map(row -> of(row, given.agents(), given.partitions()))
                    .ifPresent(cases::add);
        }
        find(
                        results,
                        "end-to-end",
                        row -> row.path("contestant").asText().equals(Contestant.TOLLGATE_REDIS.text())
                                && row.path("workload").asText().equals(Workload.UNIFORM.text()))
                .map(row -> of(row, Workload.AGENTS, TestBed.PARTITIONS))
                .ifPresent(cases::add);
        return cases;
    }

    private static Optional<JsonNode> find(Results results, String section, Predicate<JsonNode> which) {
        for (var row : results.rows(section)) {
            if (which.test(row) && row.has("broker_cpu_us")) return Optional.of(row);
        }
        return Optional.empty();
    }

    private static Measured of(JsonNode row, int agents, int partitions) {
        return new Measured(
                agents + " agents, " + partitions + (partitions == 1 ? " partition" : " partitions"),
                agents,
                partitions,
                row.path("records_per_second").asDouble(),
                row.path("application_cpu_us").asDouble(),
                row.path("broker_cpu_us").asDouble(),
                row.path("redis_cpu_us").asDouble());
    }

    /**
     * Returns Redis' cost of a call without its agents: that of a call of one agent minus that of an agent in a call
     * of many.
     */
    private static double callMicros(Results results) {
        var alone = new ArrayList<Double>();
        var together = new ArrayList<Double>();
        for (var row : results.rows("redis")) {
            if (row.path("name").asText().equals(RedisThroughput.ALONE)) {
                alone.add(row.path("redis_cpu_us").asDouble());
            } else if (row.path("name").asText().equals(RedisThroughput.TOGETHER)) {
                together.add(row.path("redis_cpu_us").asDouble());
            }
        }
        if (alone.isEmpty() || together.isEmpty()) {
            throw new IllegalStateException("run redis first: what it measures is needed");
        }
        return Math.max(
                0, RoundSummary.of(alone).median() - RoundSummary.of(together).median());
    }

    private ObjectNode costs(RedisCosts redis) {
        var row = Results.row();
        row.put("kind", "costs");
        row.put("name", "costs");
        row.put("entry_us", redis.entry());
        row.put("request_us", redis.request());
        row.put("call_us", redis.call());
        row.put("record_us", recordMicros);
        row.put("round_trip_us", roundTripMicros);
        row.put("fetch_us", fetchMicros);
        row.put("commit_us", commitMicros);
        Output.say(row.toString());
        return row;
    }

    /**
     * Returns the two costs that explain both measurements. These are two equations, since the simulation tells how
     * often entries are shared.
     */
    private RedisCosts fitted(Measured one, Measured other, double call) {
        var guess = new RedisCosts(8, 1, 0);
        double first = backlog(one, guess, 1).entriesEach();
        double second = backlog(other, guess, 1).entriesEach();
        // D = e * entry + (1 - e) * request for both.
        double determinant = first * (1 - second) - second * (1 - first);
        double entry = (one.redisMicros() * (1 - second) - other.redisMicros() * (1 - first)) / determinant;
        double request = (first * other.redisMicros() - second * one.redisMicros()) / determinant;
        return new RedisCosts(entry, Math.max(0, request), call);
    }

    /**
     * Runs a measured case: two stream threads, and all requests there at the start.
     *
     * @param slower the factor by which everything is slower, because broker, Redis and application share two cores
     */
    private Forecast backlog(Measured given, RedisCosts redis, double slower) {
        var costs = new StepCosts(
                given.applicationMicros() * slower,
                redis.entry() * slower,
                redis.request() * slower,
                0,
                50,
                1_000,
                commitMicros);
        var traffic = new Traffic(0, requests, given.agents(), 0, 200, PLENTY, 0);
        return Simulation.run(new PipelineSize(given.partitions(), 2, 1), costs, traffic, SEED);
    }

    private ObjectNode check(Measured given, RedisCosts redis) {
        double cores = 2;
        double slower = 1;
        var outcome = backlog(given, redis, slower);
        for (int i = 0; i < 3; i++) {
            double micros = given.applicationMicros() + given.brokerMicros() + outcome.redisMicrosEach() / slower;
            double demand = outcome.perSecond() * micros / 1e6;
            if (demand < cores * 1.001) break;
            slower *= demand / cores;
            outcome = backlog(given, redis, slower);
        }
        double micros = given.applicationMicros() + given.brokerMicros() + given.redisMicros();
        var row = Results.row();
        row.put("kind", "check");
        row.put("name", given.name());
        row.put("entries_each", outcome.entriesEach());
        row.put("redis_us", outcome.redisMicrosEach() / slower);
        row.put("measured_redis_us", given.redisMicros());
        row.put("model_per_second", cores * 1e6 / micros);
        row.put("records_per_second", outcome.perSecond());
        row.put("measured_per_second", given.perSecond());
        Output.say(row.toString());
        return row;
    }

    /** The sizes of docs/scaling.md, by the skew and the rate of the agents. */
    private void sizes(RedisCosts redis, List<ObjectNode> rows) {
        var small = new PipelineSize(8, 4, 1);
        for (double rate : new double[] {10_000, 50_000, 75_000})
            rows.add(size(small, redis, rate, 100_000, 0, PLENTY));
        rows.add(size(small, redis, 50_000, 100_000, 1, PLENTY));
        rows.add(size(small, redis, 50_000, 100_000, 1, 1_000));
        var large = new PipelineSize(128, 32, 32);
        for (double rate : new double[] {500_000, 1_000_000, 1_250_000, 1_500_000}) {
            rows.add(size(large, redis, rate, 1_000_000, 0, PLENTY));
        }
        rows.add(size(new PipelineSize(128, 32, 16), redis, 1_000_000, 1_000_000, 0, PLENTY));
        for (double skew : new double[] {0.6, 0.8, 1}) {
            rows.add(size(large, redis, 1_000_000, 1_000_000, skew, PLENTY));
        }
        rows.add(size(large, redis, 500_000, 1_000_000, 1, PLENTY));
        rows.add(size(large, redis, 500_000, 1_000_000, 1, 1_000));
    }

    private ObjectNode size(
            PipelineSize pipeline, RedisCosts redis, double perSecond, int agents, double skew, double capacity) {
        // Costs fitted to calls of many agents include a part of the call; a cluster's calls have one agent each.
        double call = pipeline.redisNodes() > 1 ? redis.call() : 0;
        var costs = new StepCosts(
                recordMicros, redis.entry(), redis.request(), call, roundTripMicros, fetchMicros, commitMicros);
        int count = (int) Math.min(requests, perSecond * 10);
        var traffic = new Traffic(perSecond, count, agents, skew, 300, capacity, capacity / 100);
        var outcome = Simulation.run(pipeline, costs, traffic, SEED);
        var row = Results.row();
        row.put("kind", "size");
        row.put("per_second", perSecond);
        row.put("partitions", pipeline.partitions());
        row.put("threads", pipeline.threads());
        row.put("redis_nodes", pipeline.redisNodes());
        row.put("agents", agents);
        row.put("skew", skew);
        row.put("capacity", capacity);
        row.put("name", pipeline + " " + traffic);
        row.put("decided_per_second", outcome.perSecond());
        row.put("approved", outcome.approved() / (double) outcome.decided());
        row.put("redis_us", outcome.redisMicrosEach());
        row.put("busiest_redis", outcome.busiestNode());
        row.put("threads_busy", outcome.threads());
        row.put("busiest_thread", outcome.busiestThread());
        row.put("p50_ms", outcome.micros().getValueAtPercentile(50) / 1e3);
        row.put("p99_ms", outcome.micros().getValueAtPercentile(99) / 1e3);
        Output.say(row.toString());
        return row;
    }

    /** The unevenness of cells into which a hash sorts agents. */
    private void cells(List<ObjectNode> rows) {
        int agents = output.quick() ? 100_000 : 10_000_000;
        int cells = 100;
        for (double skew : new double[] {0, 0.6, 0.8, 1}) {
            double[] shares = Simulation.cumulativeShares(agents, skew);
            var load = new double[cells];
            for (int agent = 0; agent < agents; agent++) {
                load[Simulation.placeOf(agent, cells, 3)] += shares[agent] - (agent == 0 ? 0 : shares[agent - 1]);
            }
            double busiest = Arrays.stream(load).max().orElse(0);
            var row = Results.row();
            row.put("kind", "cells");
            row.put("name", "skew " + skew);
            row.put("cells", cells);
            row.put("agents", agents);
            row.put("skew", skew);
            row.put("busiest_agent", shares[0] / shares[agents - 1]);
            row.put("busiest_cell_of_mean", busiest * cells / shares[agents - 1]);
            Output.say(row.toString());
            rows.add(row);
        }
    }
}
