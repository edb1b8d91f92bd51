package io.tollgate.benchmarks.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Request;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class WorkloadTest {
    private static final int DRAWS = 200_000;

    private static double share(Workload workload, IntPredicate agents) {
        var random = new SplittableRandom(42);
        int hits = 0;
        for (int i = 0; i < DRAWS; i++) {
            if (agents.test(workload.agent(random))) hits++;
        }
        return hits / (double) DRAWS;
    }

    @Test
    void zipfHalvesTheSecondAgentsShare() {
        assertThat(share(Workload.ZIPF, agent -> agent == 0)).isCloseTo(0.102, within(0.005));
        assertThat(share(Workload.ZIPF, agent -> agent == 1)).isCloseTo(0.051, within(0.004));
        assertThat(share(Workload.ZIPF, agent -> agent < 0 || agent >= Workload.AGENTS))
                .isZero();
    }

    @Test
    void uniformAndFloodMatchTheirNames() {
        assertThat(share(Workload.UNIFORM, agent -> agent < 20)).isCloseTo(0.002, within(0.001));
        assertThat(share(Workload.FLOOD, agent -> agent < 20)).isCloseTo(0.9, within(0.01));
    }

    @Test
    void requestIsReadableAndOrdinary() {
        byte[] bytes = Workload.request(1_234_567, 4321);

        assertThat(bytes.length).isBetween(180, 230);
        assertThat(RecordClassifier.ofRequests(8, () -> Integer.MAX_VALUE).rekeyed(null, bytes, new RecordHeaders()))
                .isInstanceOfSatisfying(Request.class, request -> {
                    assertThat(request.agentId()).isEqualTo("agent-4321");
                    assertThat(request.costTokens()).isEqualTo(1);
                });
    }

    @Test
    void requestsOfHoldsAloneReserve() {
        assertThat(hold(Workload.HOLDS)).isTrue();
        assertThat(hold(Workload.UNIFORM)).isFalse();
    }

    private static boolean hold(Workload workload) {
        var parse = RecordClassifier.ofRequests(8, () -> Integer.MAX_VALUE);
        return ((Request) parse.rekeyed(null, workload.requestOf(1, 2), new RecordHeaders())).hold();
    }
}
