package io.tollgate.verify;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.tollgate.verify.Snapshot.OffsetSpan;
import io.tollgate.verify.Snapshot.OutputPartition;
import java.time.DayOfWeek;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.time.temporal.TemporalAdjusters;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The topics of a pipeline that keeps every promise: a reference model of its own, with the bucket as the contract
 * describes it. Tests alter {@link #decided} afterwards.
 */
final class History {
    static final int PARTITIONS = 3;
    static final VerifySettings SETTINGS = new VerifySettings(
            Map.of(),
            "agent-requests",
            "approved-requests",
            "rejected-requests",
            "agent-quotas",
            "quota-events",
            "agent-usage",
            "settled-requests",
            100,
            10);
    private static final long START_MICROS = 1_767_225_600_000_000L;
    /** In the seconds after each, a period of some calendar agent starts: of years, days whose clocks change, and odd hours. */
    private static final List<String> STARTS = List.of(
            "2025-12-31T23:59:45Z",
            "2026-03-31T21:59:45Z", // April in Berlin
            "2026-03-29T00:59:45Z", // an hour is left out
            "2026-10-25T00:59:45Z", // an hour is shown twice
            "2026-10-31T23:59:45Z",
            "2026-06-30T18:14:45Z", // July in Kathmandu
            "2028-02-29T23:59:45Z");

    private static final Promise EACH_MINUTE = new Promise("", 200, "minute", "UTC");
    private static final Promise EACH_HOUR = new Promise("", 250, "hour", "Europe/Berlin");
    private static final Promise EACH_DAY = new Promise("day", 300, "day", "Asia/Kathmandu");
    private static final Promise EACH_MONTH = new Promise("month", 400, "month", "Europe/Berlin");

    final List<TopicRecord> requests = new ArrayList<>();
    final List<TopicRecord> policies = new ArrayList<>();
    final List<OutputRecord> decided = new ArrayList<>();
    final List<byte[]> events = new ArrayList<>();
    final List<TopicRecord> reports = new ArrayList<>();
    final List<TopicRecord> settled = new ArrayList<>();

    private final Map<Integer, Long> nextSource = new HashMap<>();
    private final Map<OutputPartition, Long> nextOutput = new HashMap<>();
    private final Map<String, List<Bucket>> buckets = new HashMap<>();
    private final Map<String, Plan> plans = new HashMap<>();
    private final Map<String, Held> open = new HashMap<>();
    private long nowMicros = START_MICROS;
    private long aheadMicros;
    private long retryMoreMillis;
    private String decidedBy = "redis";
    /** Of requests from now on; empty: the time. */
    private OptionalLong timestamp = OptionalLong.empty();

    private boolean noted;

    /** The terms of the policy that the header names. */
    record Plan(String policy, String mode, List<Promise> limits) {}

    /**
     * One limit; the name is empty where there is only one without.
     *
     * @param period at whose starts it is full, in the zone; null: it refills at the rate
     */
    record Promise(
            String name,
            double capacity,
            double rate,
            @Nullable String period,
            @Nullable String zone) {
        Promise(String name, double capacity, double rate) {
            this(name, capacity, rate, null, null);
        }

        Promise(String name, double capacity, String period, String zone) {
            this(name, capacity, 0, period, zone);
        }

        String json() {
            return (name.isEmpty() ? "" : "\"name\":\"" + name + "\",") + "\"capacity\":" + capacity
                    + (period == null
                            ? ",\"refill_rate\":" + rate
                            : ",\"period\":\"" + period + "\",\"zone\":\"" + zone + "\"");
        }

        /** Returns what an instant's period is called: the date with which it begins, or what clocks show, and by which offset. */
        Object periodOf(long micros) {
            var local = Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000)).atZone(ZoneId.of(zone));
            return switch (period) {
                case "minute" -> local.truncatedTo(ChronoUnit.MINUTES).toString();
                case "hour" -> local.truncatedTo(ChronoUnit.HOURS).toString();
                case "day" -> local.toLocalDate();
                case "week" -> local.toLocalDate().with(TemporalAdjusters.previousOrSame(DayOfWeek.MONDAY));
                default -> YearMonth.from(local);
            };
        }

        /** Returns when the next period starts, by trying one minute after the other. */
        long nextPeriodMicros(long micros) {
            long minute = Math.floorDiv(micros, 60_000_000) * 60_000_000;
            var now = periodOf(micros);
            do minute += 60_000_000;
            while (periodOf(minute).equals(now));
            return minute;
        }

        double waitMillis(double missing, long nowMicros) {
            return period == null ? missing / rate * 1000 : (nextPeriodMicros(nowMicros) - nowMicros) / 1e3;
        }
    }

    /** An open hold. */
    private record Held(String agent, double reserved, long deadlineMicros, boolean returned) {}

    private static final class Bucket {
        private double tokens;
        private long lastMicros;

        Bucket(double tokens, long lastMicros) {
            this.tokens = tokens;
            this.lastMicros = lastMicros;
        }

        void refill(Promise limit, long nowMicros) {
            if (limit.period() != null && !limit.periodOf(nowMicros).equals(limit.periodOf(lastMicros)))
                tokens = limit.capacity();
            else tokens = Math.min(limit.capacity(), tokens + (nowMicros - lastMicros) / 1e6 * limit.rate());
            lastMicros = nowMicros;
        }
    }

    /** Returns a history of {@code size} requests by many kinds of agents, through Redis and without. */
    static History sound(long seed, int size) {
        var random = new Random(seed);
        var history = new History();
        history.nowMicros =
                Instant.parse(STARTS.get(random.nextInt(STARTS.size()))).toEpochMilli() * 1000;
        history.policy("minutely", "minutely", "enforce", EACH_MINUTE);
        history.policy("hourly", "hourly", "enforce", EACH_HOUR);
        history.policy("budget/*", "budget/x", "enforce", new Promise("burst", 30, 15), EACH_DAY, EACH_MONTH);
        history.policy("own", "own", 50, 20, "enforce");
        history.policy("b*", "b", 100, 10, "enforce");
        history.policy("shadowed", "shadowed", 20, 5, "shadow");
        history.policy("free", "free", 10, 1, "off");
        history.policy("named", "named", "enforce", new Promise("burst", 30, 15));
        history.policy("several", "several", "enforce", new Promise("burst", 30, 15), new Promise("day", 300, 0.5));
        for (int i = 0; i < size; i++) {
            history.pass(random.nextInt(60_000));
            history.decidedBy(i % 100 >= 70 ? "local" : "redis");
            List<String> agents = List.of(
                    "a", "b", "ü🦊", "own", "shadowed", "free", "named", "several", "minutely", "hourly", "budget/x");
            String agent = agents.get(random.nextInt(agents.size()));
            if (i % 40 == 39) history.reset("own");
            int partition = random.nextInt(5) == 0 ? random.nextInt(PARTITIONS) : home(agent);
            switch (random.nextInt(20)) {
                case 0 -> history.invalid(partition, random.nextBoolean() ? null : "{\"agent_id\":" + i + "}");
                case 1 -> history.spend(partition, agent, 1000);
                case 2 -> history.spend(partition, agent, 0);
                default -> history.spend(partition, agent, random.nextInt(100) / 4.0);
            }
        }
        return history;
    }

    static int home(String agent) {
        return Math.floorMod(agent.hashCode(), PARTITIONS);
    }

    History pass(long micros) {
        nowMicros += micros;
        return this;
    }

    /** Sets buckets' own time ahead of the clock from now on, and tells a wait that is longer than it is. */
    History ahead(long micros, long retryMoreMillis) {
        aheadMicros = micros;
        this.retryMoreMillis = retryMoreMillis;
        return this;
    }

    History decidedBy(String by) {
        decidedBy = by;
        return this;
    }

    /** Publishes with this timestamp from now on, which decisions replace by their own. */
    History withTimestamps(long millis, boolean noted) {
        timestamp = OptionalLong.of(millis);
        this.noted = noted;
        return this;
    }

    long nowMicros() {
        return nowMicros;
    }

    /** Sets a policy of one limit without a name. */
    History policy(String key, String agent, double capacity, double rate, String mode) {
        return policy(key, agent, mode, new Promise("", capacity, rate));
    }

    /** Sets a policy; limits with names stand in a list. */
    History policy(String key, String agent, String mode, Promise... limits) {
        var texts = Stream.of(limits).map(Promise::json).toList();
        String json = "{\"mode\":\"" + mode + "\","
                + (limits[0].name().isEmpty() ? texts.get(0) : "\"limits\":[{" + String.join("},{", texts) + "}]")
                + "}";
        long offset = policies.size();
        policies.add(
                new TopicRecord(0, offset, nowMicros / 1000, key.getBytes(UTF_8), json.getBytes(UTF_8), List.of()));
        plans.put(agent, new Plan(key + "@0/" + offset, mode, List.of(limits)));
        return this;
    }

    /** Deletes the policy of a key; agents continue with the former terms. */
    History deletePolicy(String key) {
        policies.add(new TopicRecord(0, policies.size(), nowMicros / 1000, key.getBytes(UTF_8), null, List.of()));
        return this;
    }

    /** Publishes and decides a request by the bucket's arithmetic, charged to all limits or to none. */
    History spend(int partition, String agent, double cost) {
        Plan plan = plan(agent);
        List<Bucket> held = refilled(agent, plan);
        if (plan.mode().equals("off")) return approve(partition, agent, cost, null);
        int by = refusing(plan, held, cost);
        if (by < 0) for (Bucket bucket : held) bucket.tokens -= cost;
        String reason =
                by < 0 ? null : cost > plan.limits().get(by).capacity() ? "cost_exceeds_capacity" : "quota_exceeded";
        if (reason != null && plan.mode().equals("enforce")) return refuse(partition, agent, cost, reason);
        return approve(partition, agent, cost, reason == null ? null : "shadow:" + reason);
    }

    /** Returns the limit that no wait helps, else the one with the longest wait; -1 if all cover the cost. */
    private int refusing(Plan plan, List<Bucket> held, double cost) {
        int refusing = -1;
        double longest = -1;
        for (int i = 0; i < held.size(); i++) {
            if (cost <= held.get(i).tokens) continue;
            Promise limit = plan.limits().get(i);
            if (cost > limit.capacity()) return i;
            double wait = limit.waitMillis(cost - held.get(i).tokens, nowMicros);
            if (wait <= longest) continue;
            refusing = i;
            longest = wait;
        }
        return refusing;
    }

    /** Publishes and approves a request that holds its cost for 600 s; returns the hold's name. */
    String hold(String agent, double cost) {
        return hold(agent, cost, 600, false);
    }

    /** As above, by a policy that gives so much time. */
    String hold(String agent, double cost, int withinSeconds, boolean returned) {
        for (Bucket bucket : refilled(agent, plan(agent))) bucket.tokens -= cost;
        int partition = home(agent);
        byte[] value =
                bytes("{\"request_id\":\"r-1\",\"agent_id\":\"" + agent + "\",\"tokens\":" + cost + ",\"hold\":true}");
        TopicRecord request = publish(partition, agent, value);
        long deadlineMicros = nowMicros + withinSeconds * 1_000_000L;
        List<HeaderField> headers = new ArrayList<>(quotaHeaders("approved", null, request, agent, left(agent)));
        headers.add(0, new HeaderField("trace", bytes("t")));
        headers.add(new HeaderField("quota-hold", bytes("" + deadlineMicros)));
        put(OutputTopic.APPROVED, partition, request, bytes(agent), value, headers);
        open.put(sourceHeader(request), new Held(agent, cost, deadlineMicros, returned));
        return sourceHeader(request);
    }

    /** Sets a policy with one limit and rules for holds. */
    History holdPolicy(String agent, double capacity, int withinSeconds, String unsettled, int maxOpen) {
        policy(agent, agent, capacity, 0, "enforce");
        TopicRecord policy = policies.remove(policies.size() - 1);
        String json = new String(policy.value(), UTF_8)
                .replaceFirst(
                        "\\{",
                        "{\"holds\":{\"within_s\":" + withinSeconds + ",\"unsettled\":\"" + unsettled
                                + "\",\"max_open\":" + maxOpen + "},");
        policies.add(new TopicRecord(
                policy.partition(), policy.offset(), policy.timestampMillis(), policy.key(), bytes(json), List.of()));
        return this;
    }

    /** Publishes a report and answers it; what it gives back is in the bucket. */
    History report(String agent, String hold, double used) {
        TopicRecord report = publishReport(
                agent, "{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"tokens\":" + used + "}");
        Held held = open.get(hold);
        if (held == null || !held.agent().equals(agent)) return answer(report, agent, hold, "no_such_hold", 0, used);
        open.remove(hold);
        giveBack(agent, held.reserved() - used);
        return answer(report, agent, hold, "settled", held.reserved(), used);
    }

    /** Lets a hold end by its deadline, now. */
    History expire(String hold) {
        Held held = open.remove(hold);
        double used = held.returned() ? 0 : held.reserved();
        giveBack(held.agent(), held.reserved() - used);
        return answer(null, held.agent(), hold, "expired", held.reserved(), used);
    }

    /** Publishes a report that nobody answers. */
    TopicRecord publishReport(String agent, String json) {
        int partition = home(agent);
        var report = new TopicRecord(partition, reports.size(), nowMicros / 1000, bytes(agent), bytes(json), List.of());
        reports.add(report);
        return report;
    }

    /** Calls a report invalid. */
    History invalidReport(TopicRecord report) {
        String value = "{\"outcome\":\"invalid_report\",\"detail\":\"tokens must be a number\"," + usageSource(report)
                + ",\"report_base64\":\"" + Base64.getEncoder().encodeToString(report.value()) + "\"}";
        return put("x", "invalid_report", value);
    }

    /** Writes the settlement of a hold or a report; {@code report} is null where there is none. */
    History answer(
            @Nullable TopicRecord report, String agent, String hold, String outcome, double reserved, double used) {
        String value =
                "{\"agent_id\":\"" + agent + "\",\"hold\":\"" + hold + "\",\"outcome\":\"" + outcome + "\",\"used\":"
                        + used + ",\"decided_at\":" + nowMicros
                        + (report == null ? "" : "," + usageSource(report))
                        + (outcome.equals("no_such_hold")
                                ? "}"
                                : ",\"reserved\":" + reserved + ",\"refunded\":" + (reserved - used)
                                        + ",\"remaining\":" + left(agent)
                                        + ",\"request_id\":\"r-1\",\"decided_by\":\"redis\"}");
        return put(agent, outcome, value);
    }

    private History put(String key, String outcome, String value) {
        settled.add(new TopicRecord(
                0,
                settled.size(),
                nowMicros / 1000,
                bytes(key),
                bytes(value),
                List.of(new HeaderField("quota-outcome", bytes(outcome)))));
        return this;
    }

    private void giveBack(String agent, double tokens) {
        Plan plan = plan(agent);
        List<Bucket> held = refilled(agent, plan);
        for (int i = 0; i < held.size(); i++)
            held.get(i).tokens = Math.min(plan.limits().get(i).capacity(), held.get(i).tokens + tokens);
    }

    double left(String agent) {
        return refilled(agent, plan(agent)).stream()
                .mapToDouble(bucket -> bucket.tokens)
                .min()
                .orElseThrow();
    }

    private static String usageSource(TopicRecord report) {
        return "\"source\":{\"topic\":\"agent-usage\",\"partition\":" + report.partition() + ",\"offset\":"
                + report.offset() + ",\"timestamp\":" + report.timestampMillis() + "}";
    }

    /** Takes tokens out of a bucket without a record. */
    History steal(String agent, double tokens) {
        for (Bucket bucket : refilled(agent, plan(agent))) bucket.tokens -= tokens;
        return this;
    }

    /** Resets a bucket and sends its event, at a moment of its own. */
    History reset(String agent) {
        pass(1);
        Plan plan = plan(agent);
        List<Bucket> held = refilled(agent, plan);
        for (int i = 0; i < held.size(); i++)
            held.get(i).tokens = plan.limits().get(i).capacity();
        Promise first = plan.limits().get(0);
        events.add(bytes("{\"event\":\"bucket_reset\",\"agent_id\":\"" + agent + "\",\"at\":" + nowMicros
                + ",\"remaining\":" + first.capacity() + ",\"capacity\":" + first.capacity() + ",\"refill_rate\":"
                + first.rate() + ",\"policy\":\"" + plan.policy() + "\"}"));
        return this;
    }

    History approve(int partition, String agent, double cost, @Nullable String reason) {
        TopicRecord request = publish(partition, agent, json(agent, cost));
        double left = refilled(agent, plan(agent)).stream()
                .mapToDouble(bucket -> bucket.tokens)
                .min()
                .orElseThrow();
        List<HeaderField> headers = new ArrayList<>(quotaHeaders("approved", reason, request, agent, left));
        headers.add(0, new HeaderField("trace", "t".getBytes(UTF_8)));
        put(OutputTopic.APPROVED, home(agent), request, agent.getBytes(UTF_8), request.value(), headers);
        return this;
    }

    History refuse(int partition, String agent, double cost, String reason) {
        return refuse(partition, agent, cost, reason, json(agent, cost));
    }

    /** Refuses a request for a hold beside as many open ones as the policy allows. */
    History refuseHold(String agent, double cost) {
        String asked = new String(json(agent, cost), UTF_8).trim().replaceFirst("}$", ",\"hold\":true}");
        return refuse(home(agent), agent, cost, "too_many_open_holds", bytes(asked));
    }

    private History refuse(int partition, String agent, double cost, String reason, byte[] asked) {
        Plan plan = plan(agent);
        List<Bucket> held = refilled(agent, plan);
        int by = Math.max(0, refusing(plan, held, cost));
        Bucket bucket = held.get(by);
        Promise limit = plan.limits().get(by);
        TopicRecord request = publish(partition, agent, asked);
        List<HeaderField> headers = new ArrayList<>(quotaHeaders("rejected", reason, request, agent, bucket.tokens));
        headers.add(0, new HeaderField("trace", "t".getBytes(UTF_8)));
        if (!limit.name().isEmpty()) headers.add(new HeaderField("quota-limit", bytes(limit.name())));
        long retryMillis = (long) Math.ceil(limit.waitMillis(cost - bucket.tokens, nowMicros) + aheadMicros / 1e3)
                + retryMoreMillis;
        String value = "{\"request_id\":\"r-x" + home(agent) + "\",\"agent_id\":\"" + agent + "\",\"tokens\":"
                + cost + ",\"reason\":\"" + reason + "\",\"detail\":\"too much\","
                + (limit.name().isEmpty() ? "" : "\"limit\":\"" + limit.name() + "\",")
                + (reason.equals("quota_exceeded") ? "\"retry_after_ms\":" + retryMillis + "," : "")
                + "\"remaining\":" + bucket.tokens + ",\"capacity\":" + limit.capacity() + ",\"refill_rate\":"
                + limit.rate()
                + (limit.period() == null
                        ? ""
                        : ",\"period\":\"" + limit.period() + "\",\"zone\":\"" + limit.zone() + "\"")
                + ",\"decided_by\":\"" + decidedBy + "\",\"decided_at\":" + (nowMicros + aheadMicros)
                + ","
                + source(request) + ",\"request\":" + new String(bytes(request), UTF_8).trim() + "}";
        put(OutputTopic.REJECTED, home(agent), request, agent.getBytes(UTF_8), bytes(value), headers);
        return this;
    }

    History invalid(int partition, @Nullable String text) {
        byte[] value = text == null ? null : bytes(text);
        TopicRecord request = publish(partition, "some key", value);
        String base64 = Base64.getEncoder().encodeToString(value == null ? new byte[0] : value);
        String rejection = "{\"reason\":\"invalid_request\",\"detail\":\"agent_id must be a string\"," + source(request)
                + ",\"request_base64\":\"" + base64 + "\"}";
        List<HeaderField> headers = List.of(
                new HeaderField("trace", "t".getBytes(UTF_8)),
                new HeaderField("quota-decision", bytes("rejected")),
                new HeaderField("quota-reason", bytes("invalid_request")),
                new HeaderField("quota-source", bytes(sourceHeader(request))));
        put(OutputTopic.REJECTED, partition, request, request.key(), bytes(rejection), headers);
        return this;
    }

    /** Publishes a request that nobody decides. */
    TopicRecord publish(int partition, String key, byte @Nullable [] value) {
        long offset = nextSource.merge(partition, 1L, Long::sum) - 1;
        var request = new TopicRecord(
                partition,
                offset,
                timestamp.orElse(nowMicros / 1000),
                bytes(key),
                value,
                List.of(
                        new HeaderField("trace", bytes("t")),
                        new HeaderField("quota-decision", bytes("approved")),
                        new HeaderField("quota-forged", null)));
        requests.add(request);
        return request;
    }

    byte[] json(String agent, double cost) {
        String json = "{\"request_id\": \"r-x" + home(agent) + "\", \"agent_id\":\"" + agent + "\",\"tokens\":" + cost
                + ",\"payload\":{\"a\":1,\"a\":[2]}}";
        return bytes(cost == 0 ? "\n " + json + "\n" : json);
    }

    private List<HeaderField> quotaHeaders(
            String decision, @Nullable String reason, TopicRecord request, String agent, double left) {
        List<HeaderField> headers = new ArrayList<>();
        headers.add(new HeaderField("quota-decision", bytes(decision)));
        if (reason != null) headers.add(new HeaderField("quota-reason", bytes(reason)));
        headers.add(new HeaderField("quota-remaining", bytes("" + left)));
        headers.add(new HeaderField("quota-decided-by", bytes(decidedBy)));
        headers.add(new HeaderField("quota-decided-at", bytes("" + (nowMicros + aheadMicros))));
        headers.add(new HeaderField("quota-policy", bytes(plan(agent).policy())));
        headers.add(new HeaderField("quota-source", bytes(sourceHeader(request))));
        if (noted) headers.add(new HeaderField("quota-timestamp", bytes("" + Math.max(0, request.timestampMillis()))));
        return headers;
    }

    private void put(
            OutputTopic outcome,
            int partition,
            TopicRecord request,
            byte @Nullable [] key,
            byte @Nullable [] value,
            List<HeaderField> headers) {
        decided.add(new OutputRecord(
                outcome, partition, nextOffset(outcome, partition), nowMicros / 1000, key, value, headers));
    }

    long nextOffset(OutputTopic outcome, int partition) {
        return nextOutput.merge(new OutputPartition(outcome, partition), 1L, Long::sum) - 1;
    }

    private Plan plan(String agent) {
        return plans.computeIfAbsent(agent, id -> new Plan("default", "enforce", List.of(new Promise("", 100, 10))));
    }

    private List<Bucket> refilled(String agent, Plan plan) {
        List<Bucket> held = buckets.computeIfAbsent(
                agent,
                id -> plan.limits().stream()
                        .map(limit -> new Bucket(limit.capacity(), nowMicros))
                        .toList());
        for (int i = 0; i < held.size(); i++) held.get(i).refill(plan.limits().get(i), nowMicros);
        return held;
    }

    Snapshot snapshot(OutputPartition... trimmed) {
        Map<Integer, OffsetSpan> ranges = new HashMap<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            long end = nextSource.getOrDefault(partition, 0L);
            ranges.put(partition, new OffsetSpan(0, end, end));
        }
        return new Snapshot(ranges, Set.of(trimmed));
    }

    CheckReport check() {
        return check(snapshot(), false);
    }

    CheckReport checkExclusive() {
        return check(snapshot(), true);
    }

    CheckReport check(Snapshot snapshot, boolean exclusive) {
        var checker = new Checker(CheckerSettings.ofAll(SETTINGS, exclusive));
        requests.forEach(checker::request);
        decided.forEach(checker::decided);
        policies.forEach(checker::policy);
        events.forEach(checker::event);
        reports.forEach(checker::reported);
        settled.forEach(checker::settled);
        checker.readAt(nowMicros);
        return checker.report(snapshot);
    }

    private static String source(TopicRecord request) {
        return "\"source\":{\"topic\":\"agent-requests\",\"partition\":" + request.partition() + ",\"offset\":"
                + request.offset() + ",\"timestamp\":" + Math.max(0, request.timestampMillis()) + "}";
    }

    private static String sourceHeader(TopicRecord request) {
        return "agent-requests/" + request.partition() + "/" + request.offset();
    }

    private static byte[] bytes(TopicRecord request) {
        byte[] value = request.value();
        return value == null ? new byte[0] : value;
    }

    static byte[] bytes(String text) {
        return text.getBytes(UTF_8);
    }
}
