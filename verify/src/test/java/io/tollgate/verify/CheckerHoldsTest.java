package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.HOLDS_END_ONCE;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CheckerHoldsTest {
    private static final String AGENT = "a";
    private static final int HOME = History.home(AGENT);
    private static final long HOUR_MICROS = 3_600_000_000L;

    private final History history = new History();

    static IntStream seeds() {
        return IntStream.rangeClosed(1, 20);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void soundHistoryIsClean(int seed) {
        var random = new Random(seed);
        history.holdPolicy("returns", 500, 5, "returned", 10);
        var open = new ArrayList<String>();
        for (int i = 0; i < 400; i++) {
            history.pass(random.nextInt(200_000));
            history.spend(HOME, AGENT, random.nextInt(20));
            if (random.nextInt(3) == 0 && history.left(AGENT) >= 1) open.add(history.hold(AGENT, random.nextInt(2)));
            if (!open.isEmpty() && random.nextBoolean())
                history.report(AGENT, open.remove(random.nextInt(open.size())), random.nextInt(3));
            if (i % 50 == 0) history.report(AGENT, "agent-requests/0/77777", 3);
            if (i % 100 == 0) history.invalidReport(history.publishReport(AGENT, "{}"));
        }
        String returned = history.hold("returns", 400, 5, true);
        history.pass(5_000_000).expire(returned).spend(History.home("returns"), "returns", 500);

        CheckReport report = history.check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.figures())
                .containsEntry("expired", 1L)
                .containsEntry("invalid_report", 4L)
                .containsKeys("reserved_tokens", "refunded_tokens", "overrun_tokens");
    }

    @Test
    void unusedTokensComeBack() {
        history.report(AGENT, history.hold(AGENT, 100), 30).spend(HOME, AGENT, 70);

        assertThat(history.check().violations()).isEmpty();
        history.settled.clear();
        assertThat(history.check().violationCounts()).containsKey(NO_OVER_ADMISSION);
    }

    @Test
    void excessOverAFullBucketIsGone() {
        String hold = history.hold(AGENT, 50);
        history.pass(10_000_000).report(AGENT, hold, 0); // it is full again
        history.pass(2_000_000).spend(HOME, AGENT, 100).approve(HOME, AGENT, 50, null);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void bucketRefundedTwice() {
        history.report(AGENT, history.hold(AGENT, 100), 30).spend(HOME, AGENT, 70);
        history.approve(HOME, AGENT, 70, null);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void topicRefundedTwice() {
        String hold = history.hold(AGENT, 100);
        history.report(AGENT, hold, 30);
        TopicRecord report = history.publishReport(AGENT, usage(AGENT, hold, 30));
        history.answer(report, AGENT, hold, "settled", 100, 30).spend(HOME, AGENT, 70);
        history.approve(HOME, AGENT, 70, null);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L, NO_OVER_ADMISSION, 1L));
    }

    @Test
    void moreRefundedThanReserved() {
        String hold = history.hold(AGENT, 60);
        TopicRecord report = history.publishReport(AGENT, usage(AGENT, hold, 10));
        history.answer(report, AGENT, hold, "settled", 100, 10);

        assertThat(history.check().violationCounts()).containsOnlyKeys(HOLDS_END_ONCE);
    }

    @Test
    void holdVanishedUnsettled() {
        String hold = history.hold(AGENT, 60);
        TopicRecord report = history.publishReport(AGENT, usage(AGENT, hold, 10));
        history.pass(2_000_000).answer(report, AGENT, hold, "no_such_hold", 0, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void deadlinePassedWithoutAnEnd() {
        history.hold(AGENT, 60);
        history.pass(HOUR_MICROS);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void settledAfterItsDeadline() {
        String hold = history.hold(AGENT, 60);
        history.pass(600_000_000).report(AGENT, hold, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void expiredBeforeItsDeadline() {
        String hold = history.hold(AGENT, 60);
        history.pass(599_999_999).expire(hold);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void deadlineIsThePolicys() {
        history.holdPolicy(AGENT, 100, 60, "charged", 10).hold(AGENT, 10, 61, false);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void unsettledIsThePolicys() {
        history.holdPolicy(AGENT, 100, 60, "charged", 10);
        String hold = history.hold(AGENT, 10, 60, true); // gives back what the policy charges
        history.pass(60_000_000).expire(hold);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void anotherAgentsHoldSettled() {
        String hold = history.hold("b", 60);
        TopicRecord report = history.publishReport(AGENT, usage(AGENT, hold, 10));
        history.answer(report, AGENT, hold, "settled", 60, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void unknownHoldSettled() {
        history.spend(HOME, AGENT, 60);
        String name = "agent-requests/" + HOME + "/0";
        history.answer(history.publishReport(AGENT, usage(AGENT, name, 10)), AGENT, name, "settled", 60, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void reportDropped() {
        history.report(AGENT, history.hold(AGENT, 60), 10).settled.clear();

        assertThat(history.check().violations())
                .containsExactly(new Violation(
                        CONSERVATION, "agent-usage/" + HOME + "/0", "is answered by no record of settled-requests"));
    }

    @Test
    void reportAnsweredTwice() {
        String hold = history.hold(AGENT, 60);
        history.report(AGENT, hold, 10).answer(history.reports.get(0), AGENT, hold, "no_such_hold", 0, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(CONSERVATION, 1L));
    }

    @Test
    void goodReportCalledInvalid() {
        history.invalidReport(history.publishReport(AGENT, usage(AGENT, "x", 1)));

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(CONSERVATION, 1L));
    }

    @Test
    void usedIsTheReports() {
        String hold = history.hold(AGENT, 60);
        history.answer(history.publishReport(AGENT, usage(AGENT, hold, 50)), AGENT, hold, "settled", 60, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(CONSERVATION, 1L));
    }

    @Test
    void tooManyOpenHolds() {
        history.holdPolicy(AGENT, 100, 600, "charged", 2);
        for (int i = 0; i < 3; i++) history.hold(AGENT, 10);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void refusedWithoutAnyOpenHold() {
        history.refuse(HOME, AGENT, 1, "too_many_open_holds");

        assertThat(history.check().violationCounts()).containsOnlyKeys(NO_FALSE_REFUSALS);
    }

    @Test
    void refusedBesideOpenHolds() {
        history.holdPolicy(AGENT, 100, 600, "charged", 2).hold(AGENT, 10);
        String second = history.pass(1_000_000).hold(AGENT, 10);
        history.pass(1_000_000).refuseHold(AGENT, 1);
        assertThat(history.check().violations()).isEmpty();

        history.pass(1_000_000).report(AGENT, second, 10);
        history.pass(61_000_000).refuseHold(AGENT, 1);
        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_FALSE_REFUSALS, 1L));
    }

    @Test
    void holdWithoutADeadline() {
        history.hold(AGENT, 10);
        history.decided.replaceAll(d -> new OutputRecord(
                d.outcome(),
                d.partition(),
                d.offset(),
                d.timestampMillis(),
                d.key(),
                d.value(),
                d.headers().stream().filter(h -> !h.name().equals("quota-hold")).toList()));

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(HOLDS_END_ONCE, 1L));
    }

    @Test
    void refundsAreToldApart() {
        history.report("b", history.hold("b", 100), 0).spend(HOME, AGENT, 100).approve(HOME, AGENT, 50, null);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void overrunMayLeaveADebt() {
        String hold = history.hold(AGENT, 60);
        history.report(AGENT, hold, 160).spend(HOME, AGENT, 0).spend(HOME, AGENT, 10);

        CheckReport report = history.check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.figures()).containsEntry("overrun_tokens", 100.0);
    }

    @Test
    void settlementsKeyIsTheAgent() {
        history.report(AGENT, history.hold(AGENT, 60), 10);
        history.settled.replaceAll(s -> new TopicRecord(
                s.partition(),
                s.offset(),
                s.timestampMillis(),
                "x".getBytes(StandardCharsets.UTF_8),
                s.value(),
                s.headers()));

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(CONSERVATION, 1L));
    }

    @Test
    void earlierHoldsAreNotJudged() {
        String hold = history.hold(AGENT, 100);
        history.report(AGENT, hold, 0);
        history.requests.clear();
        history.decided.clear();
        var later = new Snapshot(Map.of(HOME, new Snapshot.OffsetSpan(1, 1, 1)), Set.of());

        assertThat(history.check(later, false).violations()).isEmpty();
    }

    @Test
    void otherInstallationsAreNotJudged() {
        String hold = "other-requests/0/1";
        var report = history.publishReport(AGENT, usage(AGENT, hold, 0));
        history.spend(HOME, AGENT, 100).answer(report, AGENT, hold, "settled", 60, 0);
        history.answer(report, AGENT, hold, "no_such_hold", 0, 0);
        assertThat(history.check().violations()).isEmpty();

        history.approve(HOME, AGENT, 60, null);
        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void shadowMaySayTooManyAreOpen() {
        history.policy(AGENT, AGENT, 100, 10, "shadow").approve(HOME, AGENT, 1, "shadow:too_many_open_holds");

        assertThat(history.check().violations()).isEmpty();
    }

    private static String usage(String agent, String hold, double tokens) {
        return "{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":" + tokens + "}";
    }
}
