package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;
import static io.tollgate.verify.Invariant.ORDER;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Alters a sound history in one place; the checker must name the promise that this breaks. */
class CheckerMutationTest {
    private static final int SIZE = 800;

    /** One way to break a promise. */
    private record Mutation(String name, Invariant broken, Consumer<History> apply) {}

    private static final List<Mutation> MUTATIONS = List.of(
            at("approval dropped", CONSERVATION, approved(), (history, i) -> history.decided.remove(i)),
            at("rejection dropped", CONSERVATION, rejected(), (history, i) -> history.decided.remove(i)),
            at("approval duplicated", CONSERVATION, approved(), CheckerMutationTest::duplicate),
            at("rejection duplicated", CONSERVATION, rejected(), CheckerMutationTest::duplicate),
            at("decided on both topics", CONSERVATION, approved(), CheckerMutationTest::alsoReject),
            at("decision of no request added", CONSERVATION, approved(), CheckerMutationTest::invent),
            edit(
                    "approval carries another byte",
                    CONSERVATION,
                    approved(),
                    d -> value(d, text(d).replace("[2]", "[3]"))),
            edit("approval written anew", CONSERVATION, approved(), d -> value(d, text(d).replace(": ", ":"))),
            edit("approval without value", CONSERVATION, approved(), d -> withValue(d, null)),
            edit("approval under another key", CONSERVATION, approved(), d -> withKey(d, "somebody else")),
            edit("rejection under another key", CONSERVATION, refused(), d -> withKey(d, "somebody else")),
            edit("invalid request under another key", CONSERVATION, invalid(), d -> withKey(d, "somebody else")),
            edit("approval at another time", CONSERVATION, approved(), d -> withTimestamp(d, d.timestampMillis() + 1)),
            edit("rejection at another time", CONSERVATION, refused(), d -> withTimestamp(d, 0)),
            edit("header lost", CONSERVATION, approved(), d -> withoutHeader(d, "trace")),
            edit("header changed", CONSERVATION, refused(), d -> header(d, "trace", "u")),
            edit("header added", CONSERVATION, invalid(), d -> extraHeader(d, "new", "h")),
            edit("forged header carried", CONSERVATION, approved(), d -> extraHeader(d, "quota-forged", "x")),
            edit(
                    "forged decision carried",
                    CONSERVATION,
                    approved(),
                    d -> extraHeader(d, "quota-decision", "approved")),
            edit("quota-decision wrong", CONSERVATION, approved(), d -> header(d, "quota-decision", "rejected")),
            edit("quota-decision missing", CONSERVATION, refused(), d -> withoutHeader(d, "quota-decision")),
            edit("quota-reason missing", CONSERVATION, refused(), d -> withoutHeader(d, "quota-reason")),
            edit("quota-reason on an approval", CONSERVATION, plain(), d -> extraHeader(d, "quota-reason", "kind")),
            edit("quota-remaining missing", CONSERVATION, approved(), d -> withoutHeader(d, "quota-remaining")),
            edit("quota-remaining not a number", CONSERVATION, approved(), d -> header(d, "quota-remaining", "NaN")),
            edit("quota-remaining negative", CONSERVATION, paid(), d -> header(d, "quota-remaining", "-1")),
            edit("quota-remaining differs", CONSERVATION, refused(), d -> header(d, "quota-remaining", "0.123")),
            edit("quota-decided-by unknown", CONSERVATION, approved(), d -> header(d, "quota-decided-by", "me")),
            edit("quota-decided-at missing", CONSERVATION, approved(), d -> withoutHeader(d, "quota-decided-at")),
            edit("quota-decided-at not micros", CONSERVATION, approved(), d -> header(d, "quota-decided-at", "1.5")),
            edit("quota-policy of another agent", CONSERVATION, approved(), d -> header(d, "quota-policy", "x@0/1")),
            edit(
                    "quota-policy of a prefix that is not its",
                    CONSERVATION,
                    approved(),
                    d -> header(d, "quota-policy", "x*@0/1")),
            edit("quota-policy missing", CONSERVATION, refused(), d -> withoutHeader(d, "quota-policy")),
            edit("quota-source missing", CONSERVATION, approved(), d -> withoutHeader(d, "quota-source")),
            edit("quota-source of another topic", CONSERVATION, approved(), d -> header(d, "quota-source", "t/0/0")),
            edit("quota-remaining on invalid", CONSERVATION, invalid(), d -> extraHeader(d, "quota-remaining", "5")),
            edit("rejection cut short", CONSERVATION, refused(), d -> value(d, text(d).substring(1))),
            edit("rejection of another agent", CONSERVATION, refused(), d -> field(d, "agent_id", "\"zz\"")),
            edit("rejection of another cost", CONSERVATION, refused(), d -> field(d, "tokens", "5000")),
            edit("rejection of another reason", CONSERVATION, refused(), d -> field(d, "reason", "\"shadow\"")),
            edit("rejection without detail", CONSERVATION, rejected(), d -> field(d, "detail", "\"\"")),
            edit("rejection decided by another", CONSERVATION, refused(), d -> field(d, "decided_by", "\"me\"")),
            edit("rejection decided at another time", CONSERVATION, refused(), d -> field(d, "decided_at", "5")),
            edit("rejection of another id", CONSERVATION, refused(), d -> field(d, "request_id", "\"other\"")),
            edit("rejection of another source", CONSERVATION, rejected(), d -> field(d, "partition", "77")),
            edit("rejection of another timestamp", CONSERVATION, rejected(), d -> field(d, "timestamp", "77")),
            edit(
                    "rejection with a limit",
                    CONSERVATION,
                    refused(),
                    d -> value(d, text(d).replace("\"reason\"", "\"limit\":\"x\",\"reason\""))),
            edit("request inside changed", CONSERVATION, refused(), d -> value(d, text(d).replace("[2]", "[3]"))),
            edit("invalid bytes changed", CONSERVATION, invalid(), d -> field(d, "request_base64", "\"e30=\"")),
            edit(
                    "invalid with agent_id",
                    CONSERVATION,
                    invalid(),
                    d -> value(d, "{\"agent_id\":\"a\"," + text(d).substring(1))),
            at("order swapped", ORDER, approved(), CheckerMutationTest::swap),
            edit("decided before the one before", ORDER, late(), d -> header(d, "quota-decided-at", "1")),
            new Mutation(
                    "refusals under a shadow policy",
                    NO_FALSE_REFUSALS,
                    history -> history.policies.replaceAll(CheckerMutationTest::inShadow)),
            edit(
                    "shadow verdict under an enforced policy",
                    NO_OVER_ADMISSION,
                    plain(),
                    d -> extraHeader(d, "quota-reason", "shadow:quota_exceeded")),
            new Mutation("refusals of one agent approved", NO_OVER_ADMISSION, CheckerMutationTest::approveAll),
            new Mutation("credited faster than any policy gave", NO_OVER_ADMISSION, CheckerMutationTest::tooFast),
            new Mutation("bucket twice as large", NO_OVER_ADMISSION, history -> spree(history, "a", 201)),
            new Mutation("named bucket twice as large", NO_OVER_ADMISSION, history -> spree(history, "named", 61)),
            edit(
                    "refused although enough is left",
                    NO_FALSE_REFUSALS,
                    quotaExceeded(),
                    CheckerMutationTest::plentyLeft),
            edit("retry too early", NO_FALSE_REFUSALS, quotaExceeded(), d -> field(d, "retry_after_ms", "-1")),
            edit("retry far too late", NO_FALSE_REFUSALS, quotaExceeded(), d -> field(d, "retry_after_ms", "99999999")),
            edit(
                    "retry missing",
                    NO_FALSE_REFUSALS,
                    quotaExceeded(),
                    d -> value(d, text(d).replace("retry_after_ms", "x"))),
            edit(
                    "retry where no wait helps",
                    NO_FALSE_REFUSALS,
                    costExceeds(),
                    d -> value(d, "{\"retry_after_ms\":5," + text(d).substring(1))),
            edit("capacity misstated", NO_FALSE_REFUSALS, ofOwnPolicy(), d -> field(d, "capacity", "49.0")),
            edit("cost below the capacity", NO_FALSE_REFUSALS, costExceeds(), d -> field(d, "capacity", "5000.0")),
            new Mutation(
                    "burst of several twice as large", NO_OVER_ADMISSION, history -> spree(history, "several", 61)),
            new Mutation("day of several overdrawn slowly", NO_OVER_ADMISSION, CheckerMutationTest::overdrawTheDay),
            edit("limit not in the header", CONSERVATION, ofSeveral("day"), d -> withoutHeader(d, "quota-limit")),
            edit("limit not in the rejection", CONSERVATION, ofSeveral("burst"), d -> field(d, "limit", "\"day\"")),
            edit(
                    "another limit than the one of that capacity",
                    NO_FALSE_REFUSALS,
                    ofSeveral("day"),
                    d -> header(field(d, "limit", "\"burst\""), "quota-limit", "burst")),
            edit(
                    "a limit that the policy has not",
                    NO_FALSE_REFUSALS,
                    ofSeveral("burst"),
                    d -> header(field(d, "limit", "\"week\""), "quota-limit", "week")),
            edit(
                    "refused by a limit of which enough is left",
                    NO_FALSE_REFUSALS,
                    ofSeveral("day").and(quotaExceeded()),
                    CheckerMutationTest::plentyLeft),
            new Mutation(
                    "budget of an hour twice as large", NO_OVER_ADMISSION, history -> spree(history, "hourly", 501)),
            new Mutation("budget given again within its hour", NO_OVER_ADMISSION, CheckerMutationTest::sameHourTwice),
            new Mutation("budget of a month given each day", NO_OVER_ADMISSION, CheckerMutationTest::monthEachDay),
            edit(
                    "period misstated",
                    NO_FALSE_REFUSALS,
                    quotaExceeded().and(of("hourly")),
                    d -> field(d, "period", "\"day\"")),
            edit(
                    "zone misstated",
                    NO_FALSE_REFUSALS,
                    quotaExceeded().and(of("minutely")),
                    d -> field(d, "zone", "\"Asia/Tokyo\"")),
            edit(
                    "period left out",
                    NO_FALSE_REFUSALS,
                    quotaExceeded().and(of("minutely")),
                    d -> value(d, text(d).replace("\"period\":", "\"x\":").replace("\"zone\":", "\"y\":"))),
            edit("no such zone", CONSERVATION, quotaExceeded().and(of("hourly")), d -> field(d, "zone", "\"Utopia\"")),
            edit(
                    "retry before the hour ends",
                    NO_FALSE_REFUSALS,
                    quotaExceeded().and(of("hourly")),
                    d -> laterRetry(d, -2000)),
            edit(
                    "retry after the hour has ended",
                    NO_FALSE_REFUSALS,
                    quotaExceeded().and(of("hourly")),
                    d -> laterRetry(d, 2000)),
            new Mutation("no limit of several", NO_FALSE_REFUSALS, CheckerMutationTest::withoutLimit),
            new Mutation(
                    "valid request called invalid",
                    NO_FALSE_REFUSALS,
                    history -> history.invalid(0, "{\"agent_id\":\"a\"}")));

    static Stream<Arguments> mutations() {
        return MUTATIONS.stream()
                .flatMap(mutation ->
                        LongStream.of(1, 2, 3).mapToObj(seed -> Arguments.of(mutation.name(), seed, mutation)));
    }

    static LongStream seeds() {
        return LongStream.rangeClosed(1, 30);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void soundHistoryIsClean(long seed) {
        CheckReport report = History.sound(seed, SIZE).check();

        assertThat(report.violations()).isEmpty();
        assertThat(report.notes()).isEmpty();
        assertThat(report.figures())
                .containsEntry("requests", (long) SIZE)
                .containsEntry("decided", (long) SIZE)
                .containsEntry("pending", 0L)
                .containsEntry("duplicates", 0L);
        assertThat(report.figures().get("decided_by_local").longValue()).isPositive();
        assertThat(report.figures().get("rejected_quota_exceeded").longValue()).isPositive();
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void soundExclusiveHistoryIsClean(long seed) {
        assertThat(History.sound(seed, SIZE).checkExclusive().violations()).isEmpty();
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("mutations")
    void oneAlterationNamesTheBrokenPromise(String name, long seed, Object mutation) {
        var history = History.sound(seed, SIZE);

        ((Mutation) mutation).apply().accept(history);

        assertThat(history.check().violationCounts()).containsKey(((Mutation) mutation).broken());
    }

    /** Alters the decided record at an index. */
    private interface Alteration {
        void alter(History history, int index);
    }

    private static Mutation at(String name, Invariant broken, Predicate<OutputRecord> which, Alteration alteration) {
        return new Mutation(name, broken, history -> alteration.alter(history, index(history, which)));
    }

    private static Mutation edit(
            String name, Invariant broken, Predicate<OutputRecord> which, UnaryOperator<OutputRecord> edit) {
        return at(name, broken, which, (history, i) -> {
            OutputRecord before = history.decided.get(i);
            OutputRecord after = edit.apply(before);
            assertThat(after).as("the alteration changes something").isNotEqualTo(before);
            history.decided.set(i, after);
        });
    }

    private static int index(History history, Predicate<OutputRecord> which) {
        for (int i = SIZE / 2; i < SIZE; i++) if (which.test(history.decided.get(i))) return i;
        throw new AssertionError("no record to alter");
    }

    private static Predicate<OutputRecord> approved() {
        return d -> d.outcome() == OutputTopic.APPROVED;
    }

    private static Predicate<OutputRecord> plain() {
        return approved().and(d -> !hasHeader(d, "quota-reason"));
    }

    private static Predicate<OutputRecord> paid() {
        return plain().and(d -> !text(d).contains("\"tokens\":0.0"));
    }

    private static Predicate<OutputRecord> late() {
        return approved().and(d -> key(d).equals("a"));
    }

    private static Predicate<OutputRecord> rejected() {
        return d -> d.outcome() == OutputTopic.REJECTED;
    }

    private static Predicate<OutputRecord> quotaExceeded() {
        return rejected().and(d -> text(d).contains("\"quota_exceeded\""));
    }

    private static Predicate<OutputRecord> costExceeds() {
        return rejected().and(d -> text(d).contains("\"cost_exceeds_capacity\""));
    }

    private static Predicate<OutputRecord> refused() {
        return quotaExceeded().or(costExceeds()).and(d -> !hasHeader(d, "quota-limit"));
    }

    private static Predicate<OutputRecord> ofSeveral(String limit) {
        return rejected().and(d -> key(d).equals("several") && text(d).contains("\"limit\":\"" + limit + "\""));
    }

    private static Predicate<OutputRecord> ofOwnPolicy() {
        return refused().and(d -> key(d).equals("own"));
    }

    private static Predicate<OutputRecord> invalid() {
        return rejected().and(d -> text(d).contains("\"invalid_request\""));
    }

    private static void duplicate(History history, int i) {
        OutputRecord d = history.decided.get(i);
        long offset = history.nextOffset(d.outcome(), d.partition());
        history.decided.add(new OutputRecord(
                d.outcome(), d.partition(), offset, d.timestampMillis(), d.key(), d.value(), d.headers()));
    }

    private static void alsoReject(History history, int i) {
        OutputRecord d = history.decided.get(i);
        long offset = history.nextOffset(OutputTopic.REJECTED, d.partition());
        history.decided.add(new OutputRecord(
                OutputTopic.REJECTED, d.partition(), offset, d.timestampMillis(), d.key(), d.value(), d.headers()));
    }

    private static void invent(History history, int i) {
        duplicate(history, i);
        OutputRecord d = history.decided.remove(history.decided.size() - 1);
        history.decided.add(header(d, "quota-source", "agent-requests/0/99999"));
    }

    /** Lets two records of one agent from one partition change places on the topic. */
    private static void swap(History history, int i) {
        OutputRecord one = history.decided.get(i);
        String partition = partitionOf(one);
        for (int j = i + 1; j < history.decided.size(); j++) {
            OutputRecord other = history.decided.get(j);
            if (other.outcome() != one.outcome()
                    || !key(other).equals(key(one))
                    || !partitionOf(other).equals(partition)) continue;
            history.decided.set(i, withOffset(other, one.offset()));
            history.decided.set(j, withOffset(one, other.offset()));
            return;
        }
        throw new AssertionError("nothing to swap with");
    }

    private static void approveAll(History history) {
        List<OutputRecord> altered = new ArrayList<>();
        for (OutputRecord d : history.decided) {
            boolean refusal = quotaExceeded().test(d) && key(d).equals("own");
            altered.add(refusal ? approval(history, d) : d);
        }
        history.decided.clear();
        history.decided.addAll(altered);
    }

    private static OutputRecord approval(History history, OutputRecord d) {
        String source = new String(headerValue(d, "quota-source"), UTF_8);
        TopicRecord request = history.requests.stream()
                .filter(r -> source.equals("agent-requests/" + r.partition() + "/" + r.offset()))
                .findFirst()
                .orElseThrow();
        long offset = history.nextOffset(OutputTopic.APPROVED, d.partition());
        var moved = new OutputRecord(
                OutputTopic.APPROVED,
                d.partition(),
                offset,
                d.timestampMillis(),
                d.key(),
                request.value(),
                d.headers());
        return withoutHeader(header(moved, "quota-decision", "approved"), "quota-reason");
    }

    /** Approves in one instant what a full bucket, were it twice as large, would just not cover. */
    private static void spree(History history, String agent, double tokens) {
        history.pass(60_000_000);
        for (int i = 0; i < 10; i++) history.approve(History.home(agent), agent, tokens / 10, null);
    }

    /** Approves after a rate that came and went what a higher one would have given. */
    private static void tooFast(History history) {
        int home = History.home("hasty");
        history.policy("hasty", "hasty", 1000, 0, "enforce").approve(home, "hasty", 1000, null);
        history.pass(60_000_000).policy("hasty", "hasty", 1000, 5, "enforce");
        history.pass(10_000_000).policy("hasty", "hasty", 1000, 0, "enforce");
        history.pass(60_000_000).approve(home, "hasty", 1000, null);
    }

    /** Approves what the burst covers for half an hour, which is more than the day does. */
    private static void overdrawTheDay(History history) {
        for (int i = 0; i < 60; i++) history.pass(30_000_000).approve(History.home("several"), "several", 25, null);
    }

    private static Predicate<OutputRecord> of(String agent) {
        return d -> key(d).equals(agent);
    }

    /** Approves the whole budget at the start of an hour, and again half an hour later. */
    private static void sameHourTwice(History history) {
        history.pass(3_600_000_000L - history.nowMicros() % 3_600_000_000L);
        spree(history, "hourly", 250); // a minute into it
        history.pass(1_800_000_000L);
        spree(history, "hourly", 1);
    }

    /** Approves on three days in the middle of a month what the day covers, and the burst with it. */
    private static void monthEachDay(History history) {
        history.pass(10 * 86_400_000_000L);
        for (int day = 0; day < 3; day++) {
            for (int i = 0; i < 10; i++)
                history.pass(60_000_000).approve(History.home("budget/x"), "budget/x", 25, null);
            history.pass(86_400_000_000L);
        }
    }

    private static OutputRecord laterRetry(OutputRecord d, long millis) {
        var stated = Pattern.compile("\"retry_after_ms\":(\\d+)").matcher(text(d));
        assertThat(stated.find()).isTrue();
        return field(d, "retry_after_ms", Long.toString(Long.parseLong(stated.group(1)) + millis));
    }

    private static void withoutLimit(History history) {
        int i = index(history, ofSeveral("day"));
        OutputRecord d = withoutHeader(history.decided.get(i), "quota-limit");
        history.decided.set(i, value(d, text(d).replace("\"limit\":\"day\",", "")));
    }

    private static OutputRecord plentyLeft(OutputRecord d) {
        return header(field(d, "remaining", "90.0"), "quota-remaining", "90.0");
    }

    private static String text(OutputRecord d) {
        byte[] value = d.value();
        return value == null ? "" : new String(value, UTF_8);
    }

    private static String key(OutputRecord d) {
        byte[] key = d.key();
        return key == null ? "" : new String(key, UTF_8);
    }

    private static String partitionOf(OutputRecord d) {
        String source = new String(headerValue(d, "quota-source"), UTF_8);
        return source.substring(0, source.lastIndexOf('/'));
    }

    /** Replaces the first value of a field, which is the rejection's own. */
    private static OutputRecord field(OutputRecord d, String name, String json) {
        return value(d, text(d).replaceFirst("\"" + name + "\":(\"[^\"]*\"|[-0-9.E]+)", "\"" + name + "\":" + json));
    }

    private static OutputRecord value(OutputRecord d, String value) {
        return withValue(d, value.equals(text(d)) ? d.value() : value.getBytes(UTF_8));
    }

    private static OutputRecord withValue(OutputRecord d, byte[] value) {
        return new OutputRecord(
                d.outcome(), d.partition(), d.offset(), d.timestampMillis(), d.key(), value, d.headers());
    }

    private static OutputRecord withKey(OutputRecord d, String key) {
        return new OutputRecord(
                d.outcome(),
                d.partition(),
                d.offset(),
                d.timestampMillis(),
                key.getBytes(UTF_8),
                d.value(),
                d.headers());
    }

    private static OutputRecord withTimestamp(OutputRecord d, long timestampMillis) {
        return new OutputRecord(
                d.outcome(), d.partition(), d.offset(), timestampMillis, d.key(), d.value(), d.headers());
    }

    private static OutputRecord withOffset(OutputRecord d, long offset) {
        return new OutputRecord(
                d.outcome(), d.partition(), offset, d.timestampMillis(), d.key(), d.value(), d.headers());
    }

    private static OutputRecord withHeaders(OutputRecord d, List<HeaderField> headers) {
        return new OutputRecord(
                d.outcome(), d.partition(), d.offset(), d.timestampMillis(), d.key(), d.value(), headers);
    }

    private static OutputRecord withoutHeader(OutputRecord d, String name) {
        return withHeaders(
                d, d.headers().stream().filter(h -> !h.name().equals(name)).toList());
    }

    private static OutputRecord extraHeader(OutputRecord d, String name, String value) {
        List<HeaderField> headers = new ArrayList<>(d.headers());
        headers.add(new HeaderField(name, value.getBytes(UTF_8)));
        return withHeaders(d, headers);
    }

    private static OutputRecord header(OutputRecord d, String name, String value) {
        return withHeaders(
                d,
                d.headers().stream()
                        .map(h -> h.name().equals(name) ? new HeaderField(name, value.getBytes(UTF_8)) : h)
                        .toList());
    }

    private static boolean hasHeader(OutputRecord d, String name) {
        return d.headers().stream().anyMatch(h -> h.name().equals(name));
    }

    private static TopicRecord inShadow(TopicRecord policy) {
        var value =
                new String(policy.value(), UTF_8).replace("enforce", "shadow").getBytes(UTF_8);
        return new TopicRecord(
                policy.partition(), policy.offset(), policy.timestampMillis(), policy.key(), value, List.of());
    }

    private static byte[] headerValue(OutputRecord d, String name) {
        return d.headers().stream()
                .filter(h -> h.name().equals(name))
                .map(HeaderField::value)
                .findFirst()
                .orElseThrow();
    }
}
