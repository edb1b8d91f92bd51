package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CHARGED_ONCE;
import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;
import static io.tollgate.verify.Invariant.ORDER;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.tollgate.verify.Snapshot.OffsetSpan;
import io.tollgate.verify.Snapshot.OutputPartition;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckerTest {
    private static final String AGENT = "a";
    private static final int HOME = History.home(AGENT);

    private final History history = new History();

    @Test
    void farTimestampMayBeReplaced() {
        for (long timestamp : new long[] {Long.MIN_VALUE, -1, 0, 1_700_000_000, Long.MAX_VALUE}) {
            var history = new History().withTimestamps(timestamp, true);
            history.spend(HOME, AGENT, 1).spend(HOME, AGENT, 1000).invalid(HOME, "nothing");

            assertThat(history.check().violations())
                    .as(Long.toString(timestamp))
                    .isEmpty();
        }
    }

    /** Both were published with the time of now; the first one days before, under a clock that was ahead. */
    @Test
    void onlyRequestsBeforeTheCutMayBeOpen() {
        history.publish(HOME, AGENT, history.json(AGENT, 1));
        history.spend(HOME, AGENT, 1);
        history.publish(HOME, AGENT, history.json(AGENT, 1));
        history.spend(HOME, AGENT, 1);
        var checker = new Checker(new CheckerSettings(History.SETTINGS, 0, Long.MAX_VALUE, false));
        history.requests.forEach(checker::request);
        history.decided.forEach(checker::decided);

        assertThat(checker.report(history.snapshot()).violations())
                .containsExactly(
                        new Violation(CONSERVATION, "agent-requests/" + HOME + "/2", "is decided on neither topic"));
    }

    @Test
    void farTimestampMustBeNoted() {
        var history = new History().withTimestamps(0, false);
        history.spend(HOME, AGENT, 1);

        assertThat(history.check().violations())
                .extracting(Violation::what)
                .containsExactly("header quota-timestamp must be 0, but is absent");
    }

    @Test
    void nearTimestampMustBeCarried() {
        history.spend(HOME, AGENT, 1);
        var decided = history.decided.remove(0);
        history.decided.add(new OutputRecord(
                decided.outcome(),
                decided.partition(),
                decided.offset(),
                decided.timestampMillis() + 1000,
                decided.key(),
                decided.value(),
                decided.headers()));

        assertThat(history.check().violations())
                .hasSize(2)
                .first()
                .satisfies(violation -> assertThat(violation.what()).contains("has the timestamp"));
    }

    @Test
    void undecidedRequestIsLostAndNamed() {
        history.spend(HOME, AGENT, 1);
        history.publish(HOME, AGENT, history.json(AGENT, 1));

        CheckReport report = history.check();

        assertThat(report.violations())
                .containsExactly(
                        new Violation(CONSERVATION, "agent-requests/" + HOME + "/1", "is decided on neither topic"));
        assertThat(report.figures()).containsEntry("pending", 1L);
    }

    @Test
    void policyOfARecreatedTopicIsAnother() {
        history.policy(AGENT, AGENT, 100, 1, "enforce");
        for (int i = 0; i < 101; i++) history.spend(HOME, AGENT, 1); // the last is refused
        history.policies.clear();
        history.pass(3_600_000_000L).policy(AGENT, AGENT, 5, 0, "enforce");

        CheckReport report = history.checkExclusive();

        assertThat(report.violations()).isEmpty();
    }

    @Test
    void decisionsOutsideAreNotInvented() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        history.requests.subList(7, 10).clear(); // published after the snapshot
        history.requests.subList(0, 2).clear(); // removed by retention
        var snapshot = new Snapshot(Map.of(HOME, new OffsetSpan(2, 7, 10)), Set.of());

        CheckReport report = history.check(snapshot, false);

        assertThat(report.violations()).isEmpty();
        assertThat(report.figures()).containsEntry("outside_of_what_was_read", 5L);
    }

    @Test
    void decisionBeyondTheLogIsInvented() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        history.requests.subList(7, 10).clear();
        var snapshot = new Snapshot(Map.of(HOME, new OffsetSpan(0, 7, 9)), Set.of());

        assertThat(history.check(snapshot, false).violationCounts()).isEqualTo(Map.of(CONSERVATION, 1L));
    }

    @Test
    void trimmedDecisionsAreNotLost() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        history.decided.subList(0, 3).clear();
        Snapshot trimmed = history.snapshot(new OutputPartition(OutputTopic.APPROVED, HOME));

        CheckReport report = history.check(trimmed, false);

        assertThat(report.violations()).isEmpty();
        assertThat(report.notes()).hasSize(1);
    }

    @Test
    void missingDecisionAfterATrimIsLost() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        history.decided.remove(6);
        history.decided.subList(0, 3).clear();
        Snapshot trimmed = history.snapshot(new OutputPartition(OutputTopic.APPROVED, HOME));

        assertThat(history.check(trimmed, false).violations())
                .extracting(Violation::where)
                .containsExactly("agent-requests/" + HOME + "/6");
    }

    @Test
    void trimmedApprovalsAccuseNobody() {
        for (int i = 0; i < 60; i++) history.pass(100_000).spend(HOME, AGENT, 7);
        int[] left = {20};
        history.decided.removeIf(d -> d.outcome() == OutputTopic.APPROVED && left[0]-- > 0);

        CheckReport report = history.check(history.snapshot(new OutputPartition(OutputTopic.APPROVED, HOME)), true);

        assertThat(report.violations()).isEmpty();
    }

    @Test
    void trafficWhileReadingAccusesNobody() {
        for (int i = 0; i < 60; i++) history.pass(100_000).spend(HOME, AGENT, 7);
        List<OutputRecord> late = history.decided.subList(40, 60);
        late.removeIf(d -> d.outcome() == OutputTopic.APPROVED);
        history.requests.subList(40, 60).clear();

        CheckReport report = history.check(new Snapshot(Map.of(HOME, new OffsetSpan(0, 40, 60)), Set.of()), true);

        assertThat(late).isNotEmpty();
        assertThat(report.violations()).isEmpty();
    }

    @Test
    void survivingDuplicateAccusesNoOther() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        history.decided.add(history.decided.get(0));
        history.decided.subList(0, 3).clear();

        CheckReport report = history.check(history.snapshot(new OutputPartition(OutputTopic.APPROVED, HOME)), false);

        assertThat(report.violationCounts()).containsOnlyKeys(Invariant.ORDER);
    }

    @Test
    void compactedPolicyAccusesNobody() {
        history.policy(AGENT, AGENT, 5, 1, "enforce").policies.clear();
        for (int i = 0; i < 10; i++) history.approve(HOME, AGENT, 5, null);

        CheckReport report = history.check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.notes()).singleElement().asString().contains("10 decisions");
    }

    @ParameterizedTest
    @CsvSource({"agent-7", "agent-*", "*"})
    void defaultsInsteadOfPoliciesAreFound(String key) {
        history.spend(History.home("agent-7"), "agent-7", 1);
        history.policy(key, "nobody", 5, 1, "enforce").pass(1_000_000);
        history.spend(History.home("agent-7"), "agent-7", 1); // may not have been seen yet
        assertThat(history.check().violations()).isEmpty();

        history.pass(20_000_000).spend(History.home("agent-7"), "agent-7", 1);

        assertThat(history.check().violations())
                .singleElement()
                .satisfies(violation -> assertThat(violation.what())
                        .isEqualTo("decides agent \"agent-7\" by the default, although the policy " + key
                                + " had long been there"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\u0001',
            value = {
                "{'capacity':5,'refill_rate':0,'mode':'shadow','note':'für ü'}        | true",
                "{'limits':[{'name':'a','capacity':1,'refill_rate':0},{'name':'b-1','capacity':1,'refill_rate':2}]} | true",
                "{'capacity':5,'refill_rate':0,'note':5}                              | false",
                "{'capacity':5,'refill_rate':0,'limits':[]}                           | false",
                "{'limits':[]}                                                        | false",
                "{'limits':{'name':'a','capacity':1,'refill_rate':0}}                 | false",
                "{'limits':[{'name':'a','capacity':1,'refill_rate':0},{'name':'a','capacity':1,'refill_rate':2}]} | false",
                "{'limits':[{'name':'A','capacity':1,'refill_rate':0}]}               | false",
                "{'limits':[{'name':'a','capacity':0,'refill_rate':0}]}               | false",
                "{'capacity':'5','refill_rate':0}                                     | false",
                "{'capacity':5,'refill_rate':0,'of tomorrow':1}                       | false",
                "[]                                                                   | false"
            })
    void onlyCertainPoliciesCount(String policy, boolean certain) {
        var value = policy.strip().replace('\'', '"').getBytes(UTF_8);
        history.policies.add(
                new TopicRecord(0, 0, history.nowMicros() / 1000, AGENT.getBytes(UTF_8), value, List.of()));
        history.pass(60_000_000).spend(HOME, AGENT, 1);

        assertThat(history.check().violations()).hasSize(certain ? 1 : 0);
    }

    @Test
    void defaultsCountWithoutACertainPolicy() {
        history.policy("agent-7", "nobody", -5, 1, "enforce") // refused
                .policy("agent", "nobody", 5, 1, "enforce")
                .policy("agent-8*", "nobody", 5, 1, "enforce");
        history.pass(60_000_000).spend(History.home("agent-7"), "agent-7", 1);

        assertThat(history.check().violations()).isEmpty();
    }

    /** Another program has set the bucket's time a minute ahead: nothing refills until that has come. */
    @ParameterizedTest
    @CsvSource({"0, true", "900, true", "1500, false"})
    void waitOfABucketAheadIsRight(long moreMillis, boolean right) {
        history.spend(HOME, AGENT, 95)
                .ahead(59_178_000, moreMillis)
                .spend(HOME, AGENT, 15)
                .ahead(0, 0)
                .pass(70_000_000)
                .spend(HOME, AGENT, 15);

        assertThat(history.check().violations()).hasSize(right ? 0 : 1);
    }

    /** A bucket's own time may be ahead: the policy at that time is not the one that decided. */
    @Test
    void defaultOfABucketAheadIsNoViolation() {
        history.ahead(60_000_000, 0).spend(HOME, AGENT, 1);
        history.pass(20_000_000).policy(AGENT, "nobody", 5, 1, "enforce");

        assertThat(history.check().violations()).isEmpty();
    }

    /** A policy that was replaced, deleted or overridden long ago still decides. */
    @ParameterizedTest
    @CsvSource({"replaced", "deleted", "more special"})
    void policyLongGoneIsFound(String how) {
        history.policy("a*", AGENT, 50, 1, "enforce").spend(HOME, AGENT, 1).pass(1_000_000);
        switch (how) {
            case "replaced" -> history.policy("a*", "nobody", 5, 1, "enforce");
            case "more special" -> history.policy(AGENT, "nobody", 5, 1, "enforce");
            default -> history.deletePolicy("a*");
        }
        history.pass(5_000_000).spend(HOME, AGENT, 1); // may not have been seen yet
        assertThat(history.check().violations()).isEmpty();

        history.pass(20_000_000).spend(HOME, AGENT, 1).spend(HOME, AGENT, 49.5);

        assertThat(history.check().violations())
                .extracting(Violation::invariant)
                .containsExactlyInAnyOrder(NO_OVER_ADMISSION, NO_FALSE_REFUSALS);
    }

    @Test
    void refusedPolicyLeavesTheEarlierOne() {
        history.policy(AGENT, AGENT, 50, 1, "enforce").pass(1_000_000);
        history.policy(AGENT, "nobody", -5, 1, "enforce").pass(60_000_000).spend(HOME, AGENT, 1);

        assertThat(history.check().violations()).isEmpty();
    }

    /** A stored offset counted for another topic, so requests were left out. */
    @Test
    void requestsLeftOutAreFound() {
        for (int i = 0; i < 20; i++) history.spend(HOME, AGENT, 1);
        for (int i = 0; i < 100; i++) history.publish(HOME, AGENT, history.json(AGENT, 1));

        assertThat(history.check().violationCounts()).containsEntry(CONSERVATION, 100L);
    }

    /** Requests of an aborted transaction are on the log, but must not be read. */
    @Test
    void decidedThoughAbortedIsFound() {
        for (int i = 0; i < 60; i++) history.spend(HOME, AGENT, 1);
        history.requests.subList(5, 55).clear();

        assertThat(history.check().violationCounts()).containsEntry(CONSERVATION, 50L);
    }

    /** An agent's requests are decided where they were published, with a bucket for each partition. */
    @Test
    void bucketPerPartitionIsFound() {
        history.policy(AGENT, AGENT, 10, 0, "enforce");
        for (int i = 0; i < 10 * History.PARTITIONS; i++) history.approve(i % History.PARTITIONS, AGENT, 1, null);

        assertThat(history.check().violationCounts()).containsKey(NO_OVER_ADMISSION);
    }

    /** Strays overtook the requests at home. */
    @Test
    void wrongOrderIsFound() {
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 1);
        var late = history.decided.remove(3);
        history.decided.add(late);

        assertThat(history.check().violationCounts()).containsKey(ORDER);
    }

    /** The time before a change to a rate of 0 is credited by the new rate, and the time after by the former one. */
    @Test
    void oldRateAfterAChangeIsFound() {
        history.policy(AGENT, AGENT, 1000, 100, "enforce")
                .spend(HOME, AGENT, 1000)
                .pass(5_000_000);
        history.policy(AGENT, AGENT, 1000, 0, "enforce").pass(20_000_000);
        history.approve(HOME, AGENT, 1000, null); // 500 were due

        assertThat(history.check().violationCounts()).containsKey(NO_OVER_ADMISSION);
    }

    /** Another program sets back the time of the bucket, and that time is credited again. */
    @Test
    void timeCreditedTwiceIsFound() {
        history.spend(HOME, AGENT, 100);
        for (int second = 0; second < 22; second++)
            history.pass(1_000_000).approve(HOME, AGENT, 90, null); // 10 a second are due

        assertThat(history.check().violationCounts()).containsKey(NO_OVER_ADMISSION);
    }

    @Test
    void shadowAndOffDoNotCount() {
        history.policy(AGENT, AGENT, 5, 1, "shadow").policy("b", "b", 5, 1, "off");
        for (int i = 0; i < 10; i++) history.spend(HOME, AGENT, 4).spend(History.home("b"), "b", 4);

        assertThat(history.check().violations()).isEmpty();
    }

    @Test
    void raisedAndCutPolicyIsClean() {
        for (int i = 0; i < 20; i++) {
            history.policy(AGENT, AGENT, i % 2 == 0 ? 100 : 10, i % 2 == 0 ? 50 : 1, "enforce");
            for (int j = 0; j < 30; j++) history.pass(20_000).spend(HOME, AGENT, 3);
        }

        assertThat(history.check().violations()).isEmpty();
    }

    @Test
    void shortLivedRatesCount() {
        history.policy(AGENT, AGENT, 1000, 0, "enforce").approve(HOME, AGENT, 1000, null);
        history.pass(60_000_000).policy(AGENT, AGENT, 1000, 100, "enforce");
        history.pass(10_000_000).policy(AGENT, AGENT, 1000, 0, "enforce");
        history.pass(60_000_000).approve(HOME, AGENT, 1000, null);

        assertThat(history.check().violations()).isEmpty();
    }

    @Test
    void timeCountsAtTheRateInForce() {
        history.policy(AGENT, AGENT, 10_000, 100, "enforce").approve(HOME, AGENT, 10_000, null);
        history.pass(20_000_000).policy(AGENT, AGENT, 10_000, 0, "enforce");
        history.pass(100_000_000).approve(HOME, AGENT, 2000, null);

        assertThat(history.check().violations()).isEmpty();

        history.approve(HOME, AGENT, 3000, null);

        assertThat(history.check().violationCounts()).containsOnlyKeys(NO_OVER_ADMISSION);
    }

    @Test
    void newRateDoesNotReachBack() {
        history.policy("*", AGENT, 10_000, 0, "enforce").approve(HOME, AGENT, 10_000, null);
        history.pass(100_000_000).policy("*", AGENT, 10_000, 100, "enforce");
        history.pass(1_000_000).approve(HOME, AGENT, 100, null);

        assertThat(history.check().violations()).isEmpty();

        history.approve(HOME, AGENT, 5000, null);

        assertThat(history.check().violationCounts()).containsOnlyKeys(NO_OVER_ADMISSION);
    }

    @Test
    void overdraftWithinSlackIsAFigure() {
        history.approve(HOME, AGENT, 100, null).approve(HOME, AGENT, 0.4, null);

        CheckReport report = history.check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.figures().get("worst_overdraft_tokens").doubleValue()).isCloseTo(0.4, within(1e-9));
        assertThat(report.figures()).containsEntry("worst_overdraft_beyond_slack_tokens", 0.0);
    }

    @Test
    void doubleChargeCountsIfExclusive() {
        history.spend(HOME, AGENT, 5)
                .pass(1000)
                .steal(AGENT, 5)
                .spend(HOME, AGENT, 5)
                .pass(1000)
                .spend(HOME, AGENT, 5);

        assertThat(history.check().violations()).isEmpty();
        assertThat(history.check().figures()).containsEntry("unexplained_drops", 1L);
        assertThat(history.checkExclusive().violationCounts()).containsOnlyKeys(CHARGED_ONCE);
    }

    @Test
    void doubleChargeIsFoundAfterARefill() {
        history.spend(HOME, AGENT, 5)
                .pass(1000)
                .steal(AGENT, 5)
                .spend(HOME, AGENT, 5)
                .pass(60_000_000)
                .spend(HOME, AGENT, 5);

        assertThat(history.checkExclusive().violationCounts()).containsOnlyKeys(CHARGED_ONCE);
    }

    @Test
    void repeatedDecisionsAreClean() {
        history.spend(HOME, AGENT, 5).pass(1000).steal(AGENT, 30);
        for (int i = 0; i < 6; i++) history.approve(HOME, AGENT, 5, null).pass(10);
        history.spend(HOME, AGENT, 5);

        assertThat(history.checkExclusive().violations()).isEmpty();
    }

    @Test
    void unexplainedRefusalCountsIfExclusive() {
        history.spend(HOME, AGENT, 10).pass(1000).steal(AGENT, 60).refuse(HOME, AGENT, 50, "quota_exceeded");

        assertThat(history.check().violations()).isEmpty();
        assertThat(history.checkExclusive().violationCounts()).containsKey(NO_FALSE_REFUSALS);
    }

    @Test
    void digestStandsForALargeRequest() throws Exception {
        history.spend(HOME, AGENT, 1000);
        OutputRecord rejection = history.decided.get(0);
        byte[] request = history.requests.get(0).value();
        String text = new String(rejection.value(), UTF_8);
        String digest =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(request));
        String slim = text.substring(0, text.indexOf(",\"request\":")) + ",\"request_bytes\":" + request.length
                + ",\"request_sha256\":\"" + digest + "\"}";

        history.decided.set(0, withValue(rejection, slim));
        assertThat(history.check().violations()).isEmpty();

        history.decided.set(0, withValue(rejection, slim.replace("\"request_bytes\":", "\"request_bytes\":1")));
        assertThat(history.check().violationCounts()).containsOnlyKeys(CONSERVATION);
    }

    @Test
    void largerFormerDefaultCounts() {
        History before = new History();
        before.policy("default", AGENT, 500, 10, "enforce");
        for (int i = 0; i < 7; i++) before.spend(HOME, AGENT, 80);
        before.policies.clear();
        before.decided.replaceAll(CheckerTest::underDefault);

        CheckReport report = before.check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.notes()).singleElement().asString().contains("TOKEN_BUCKET_SIZE");
    }

    @Test
    void onlyFirstViolationsAreKept() {
        for (int i = 0; i < 5000; i++) history.publish(HOME, AGENT, history.json(AGENT, 1));
        history.approve(HOME, AGENT, 1000, null);

        CheckReport report = history.check();

        assertThat(report.violationCounts()).isEqualTo(Map.of(CONSERVATION, 5000L, NO_OVER_ADMISSION, 1L));
        assertThat(report.violations()).hasSize(21);
    }

    @Test
    void resetGivesTheBucketOnceMore() {
        history.spend(HOME, AGENT, 100).reset(AGENT).spend(HOME, AGENT, 100);

        CheckReport report = history.checkExclusive();

        assertThat(report.violations()).isEmpty();
        assertThat(report.figures()).containsEntry("bucket_resets", 1);
    }

    @Test
    void resetGivesEachLimitOnceMore() {
        history.policy(AGENT, AGENT, "enforce", new History.Promise("burst", 10, 1), new History.Promise("day", 50, 0));
        for (int i = 0; i < 3; i++) history.spend(HOME, AGENT, 10).reset(AGENT);

        assertThat(history.checkExclusive().violations()).isEmpty();
        history.events.clear();
        assertThat(history.check().violationCounts()).containsKey(NO_OVER_ADMISSION);
    }

    @Test
    void resetWithoutAnEventIsAViolation() {
        history.spend(HOME, AGENT, 100).reset(AGENT).spend(HOME, AGENT, 100);
        history.events.clear();

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void eventGivesTheBucketOnce() {
        history.spend(HOME, AGENT, 100).reset(AGENT).spend(HOME, AGENT, 100).reset(AGENT);
        history.spend(HOME, AGENT, 100).events.remove(1);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void eventGivesNothingBefore() {
        history.spend(HOME, AGENT, 100).reset(AGENT).spend(HOME, AGENT, 100);
        history.pass(1).reset(AGENT).events.remove(0);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void eventGivesNothingToOthers() {
        history.spend(HOME, AGENT, 100).reset(AGENT).spend(HOME, AGENT, 100);
        history.events.clear();
        history.reset("b");

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void shadowResetGivesNothing() {
        history.spend(HOME, AGENT, 100).policy(AGENT, AGENT, 100, 10, "shadow").reset(AGENT);
        history.policy(AGENT, AGENT, 100, 10, "enforce").spend(HOME, AGENT, 100);

        assertThat(history.check().violationCounts()).isEqualTo(Map.of(NO_OVER_ADMISSION, 1L));
    }

    @Test
    void tokensLostBeforeAResetAreMissed() {
        history.spend(HOME, AGENT, 10).pass(1000).spend(HOME, AGENT, 10).pass(1000);
        history.steal(AGENT, 40).spend(HOME, AGENT, 10).reset(AGENT).spend(HOME, AGENT, 10);

        assertThat(history.checkExclusive().violationCounts()).isEqualTo(Map.of(CHARGED_ONCE, 1L));
    }

    private static OutputRecord underDefault(OutputRecord d) {
        List<HeaderField> headers = d.headers().stream()
                .map(h -> h.name().equals("quota-policy") ? new HeaderField(h.name(), "default".getBytes(UTF_8)) : h)
                .toList();
        return new OutputRecord(
                d.outcome(), d.partition(), d.offset(), d.timestampMillis(), d.key(), d.value(), headers);
    }

    private static OutputRecord withValue(OutputRecord d, String value) {
        return new OutputRecord(
                d.outcome(),
                d.partition(),
                d.offset(),
                d.timestampMillis(),
                d.key(),
                value.getBytes(UTF_8),
                d.headers());
    }
}
