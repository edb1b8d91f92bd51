package io.tollgate.sandbox;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class DecisionTallyTest {
    private final DecisionTally tally = new DecisionTally(new long[] {100, 0});

    @Test
    void undecidedIsMissing() {
        tally.published(0, 100);
        tally.published(1, 7);

        tally.decided("a", headers("approved", "", "redis", "agent-requests/0/100"));

        assertThat(tally.figures().missing()).isEqualTo(1);
        assertThat(tally.firstMissing(5)).containsExactly("1/7");
        assertThat(tally.figures().byRedis()).isEqualTo(1);
    }

    @Test
    void earlyDecisionIsNotMissing() {
        tally.decided("a", headers("approved", "", "local", "agent-requests/1/3"));
        tally.published(1, 3);

        assertThat(tally.figures().missing()).isZero();
        assertThat(tally.figures().byLocal()).isEqualTo(1);
    }

    @Test
    void duplicateIsCountedOnce() {
        tally.published(1, 3);

        tally.decided("a", headers("approved", "", "redis", "agent-requests/1/3"));
        tally.decided("a", headers("rejected", "quota_exceeded", "redis", "agent-requests/1/3"));

        assertThat(tally.figures().duplicates()).isEqualTo(1);
        assertThat(tally.figures().decided()).isEqualTo(1);
    }

    @Test
    void othersDecisionsDoNotCount() {
        tally.decided("a", headers("approved", "", "redis", "agent-requests/0/99"));
        tally.decided("a", headers("approved", "", "redis", "agent-requests/2/0"));
        tally.decided("a", headers("approved", "", "redis", "elsewhere/0/100"));
        tally.decided("a", headers("approved", "", "redis", "agent-requests/0/x"));
        tally.decided(null, new RecordHeaders());

        assertThat(tally.figures().others()).isEqualTo(5);
        assertThat(tally.figures().decided()).isZero();
    }

    @Test
    void mostRefusedAgentComesFirst() {
        tally.decided("b", headers("rejected", "quota_exceeded", "redis", "agent-requests/1/0"));
        tally.decided("a", headers("rejected", "quota_exceeded", "redis", "agent-requests/1/1"));
        tally.decided("b", headers("rejected", "cost_exceeds_capacity", "redis", "agent-requests/1/2"));
        tally.decided("c", headers("rejected", "invalid_request", "", "agent-requests/1/3"));

        assertThat(tally.figures().rejectedByReason())
                .isEqualTo(Map.of("quota_exceeded", 2L, "cost_exceeds_capacity", 1L, "invalid_request", 1L));
        assertThat(tally.figures().rejected()).isEqualTo(4);
        assertThat(tally.mostThrottled(5)).containsExactly(Map.entry("b", 2L), Map.entry("a", 1L));
    }

    private static Headers headers(String decision, String reason, String by, String source) {
        return new RecordHeaders()
                .add("quota-decision", decision.getBytes(UTF_8))
                .add("quota-reason", reason.getBytes(UTF_8))
                .add("quota-decided-by", by.getBytes(UTF_8))
                .add("quota-source", source.getBytes(UTF_8));
    }
}
