package io.tollgate.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Cases whose outcome is known without a simulation. */
class SimulationTest {
    private static final double PLENTY = 1e9;
    private static final StepCosts FREE = new StepCosts(0, 0, 0, 0, 0, 0, 0);
    private static final long SEED = 7;

    private static Traffic backlog(int requests, int agents) {
        return new Traffic(0, requests, agents, 0, 200, PLENTY, 0);
    }

    @ParameterizedTest
    @CsvSource({"1, 100000", "2, 200000", "4, 400000"})
    void threadsDecideWhatTheirCoresCan(int threads, double perSecond) {
        var costs = new StepCosts(10, 0.01, 0.01, 0, 0, 0, 0);

        var outcome = Simulation.run(new PipelineSize(64, threads, 1), costs, backlog(400_000, 10_000), SEED);

        assertThat(outcome.perSecond()).isCloseTo(perSecond, within(perSecond * 0.05));
        assertThat(outcome.threads()).isGreaterThan(0.9);
    }

    @ParameterizedTest
    @CsvSource({"1, 50000", "4, 200000"})
    void redisIsTheLimitForDistinctAgents(int nodes, double perSecond) {
        var costs = new StepCosts(0.1, 20, 1, 0, 0, 0, 0);

        var outcome = Simulation.run(new PipelineSize(64, 8, nodes), costs, backlog(200_000, 4_000_000), SEED);

        assertThat(outcome.perSecond()).isCloseTo(perSecond, within(perSecond * 0.08));
        assertThat(outcome.busiestNode()).isGreaterThan(0.9);
        assertThat(outcome.redisMicrosEach()).isCloseTo(20, within(1.0));
    }

    @Test
    void littleTrafficDoesNotWait() {
        var costs = new StepCosts(20, 10, 1, 5, 500, 2_000, 0);

        var outcome = Simulation.run(
                new PipelineSize(8, 2, 1), costs, new Traffic(10, 1_000, 1_000, 0, 200, PLENTY, 0), SEED);

        assertThat(outcome.micros().getValueAtPercentile(90)).isCloseTo(2_000 + 500 + 5 + 10 + 20, within(5L));
    }

    @Test
    void commitsTakeTheirTime() {
        var costs = new StepCosts(10, 0.01, 0.01, 0, 0, 0, 25_000);

        var outcome = Simulation.run(new PipelineSize(8, 1, 1), costs, backlog(400_000, 10_000), SEED);

        assertThat(outcome.perSecond()).isCloseTo(80_000, within(4_000.0));
    }

    @Test
    void fewAgentsShareEntries() {
        var outcome = Simulation.run(new PipelineSize(1, 1, 1), FREE, backlog(10_000, 10), SEED);

        assertThat(outcome.entriesEach()).isBetween(20 / 10_000.0, 30 / 10_000.0); // 1 000 each, 512 in a call
    }

    @ParameterizedTest
    @CsvSource({"0", "1"})
    void emptyBucketsApproveNothing(double skew) {
        var outcome = Simulation.run(
                new PipelineSize(8, 2, 1),
                new StepCosts(10, 5, 1, 0, 100, 1_000, 5_000),
                new Traffic(20_000, 200_000, 100, skew, 200, 50, 0),
                SEED);

        assertThat(outcome.decided()).isEqualTo(200_000);
        assertThat(outcome.approved()).isEqualTo(100 * 50);
        assertThat(outcome.entriesEach()).isLessThan(0.2); // floods cost Redis nothing
    }

    @Test
    void sameSeedGivesTheSameFigures() {
        var costs = new StepCosts(10, 5, 1, 2, 100, 1_000, 5_000);
        var traffic = new Traffic(100_000, 100_000, 5_000, 0.8, 200, 100, 10);

        var one = Simulation.run(new PipelineSize(16, 4, 3), costs, traffic, SEED);
        var other = Simulation.run(new PipelineSize(16, 4, 3), costs, traffic, SEED);

        assertThat(one).isEqualTo(other);
        assertThat(one).isNotEqualTo(Simulation.run(new PipelineSize(16, 4, 3), costs, traffic, SEED + 1));
    }

    @Test
    void placesAreEven() {
        var counts = new int[100];
        for (int agent = 0; agent < 1_000_000; agent++) counts[Simulation.placeOf(agent, 100, 3)]++;

        assertThat(Arrays.stream(counts).min().orElse(0)).isGreaterThan(9_500);
        assertThat(Arrays.stream(counts).max().orElse(0)).isLessThan(10_500);
    }
}
