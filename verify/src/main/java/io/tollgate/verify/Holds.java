package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.HOLDS_END_ONCE;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;

import io.tollgate.verify.PromisedTerms.PolicyMode;
import io.tollgate.verify.PromisedTerms.PromisedHolds;
import io.tollgate.verify.Reading.UsageReading;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Checks each hold against what ended it, and each usage report against what became of it. Not thread-safe.
 *
 * <p>Give it approvals and reports first, then what was settled, in the order of each partition's offsets. Keeps some 300 bytes for each hold
 * and each report.
 */
final class Holds {
    /** The clocks of a decision and of a settlement may differ, and one that was repeated after a crash has a later time. */
    private static final long GRACE_MICROS = 60_000_000;

    /** A report may come between the moment of an approval and the moment at which its hold stands open. */
    private static final long OPENING_MICROS = 1_000_000;

    /** An approval that stands open until it is settled, or until its deadline. */
    private record Hold(
            String where,
            String agentId,
            double reservedTokens,
            long openedMicros,
            long deadlineMicros,
            String policy,
            @Nullable String requestId) {}

    /** A usage report; {@code usage} is null where it breaks a rule. */
    private static final class Report {
        private final @Nullable UsageReading usage;
        private final long bytes;
        private boolean answered;

        Report(@Nullable UsageReading usage, long bytes) {
            this.usage = usage;
            this.bytes = bytes;
        }
    }

    /** A record that says of a hold, or of what a report called one, what became of it. */
    private record Statement(
            String where,
            int partition,
            long offset,
            String outcome,
            String hold,
            long atMicros,
            RejectionBody fields) {}

    /** An approval that should stand open, but does not say so. */
    private record Unheld(String where, String policy, long atMicros, boolean shadowVerdict) {}

    /** A refusal because too many holds were open. */
    private record Crowded(String where, String agentId, String policy, long atMicros) {}

    /** Tokens that a settlement gave back. */
    record Credit(long atMicros, double tokens) {}

    private final CheckerSettings settings;
    private final PolicyRecords policies;
    private final Violations violations;
    private final Fingerprint fingerprint = new Fingerprint();
    private final Map<String, Hold> holds = new LinkedHashMap<>();
    private final Map<String, Statement> ends = new HashMap<>();
    private final Map<String, Report> reports = new LinkedHashMap<>();
    private final List<Statement> statements = new ArrayList<>();
    private final List<Unheld> unheld = new ArrayList<>();
    private final List<Crowded> crowded = new ArrayList<>();
    private final Map<String, List<Credit>> credits = new HashMap<>();
    private final Set<String> agents = new HashSet<>();
    private final Map<String, Long> outcomes = new HashMap<>();
    private long unanswered;
    private long outside;
    private long open;
    private double reservedTokens;
    private double refundedTokens;
    private double overrunTokens;
    private long latestMicros;

    Holds(CheckerSettings settings, PolicyRecords policies, Violations violations) {
        this.settings = settings;
        this.policies = policies;
        this.violations = violations;
    }

    /**
     * Takes note of an approval.
     *
     * @param asked whether its request asks for a hold; null: it may be read either way
     */
    void approved(
            String where,
            String name,
            String agentId,
            double costTokens,
            DecisionHeaders headers,
            @Nullable Boolean asked,
            byte @Nullable [] request) {
        long atMicros = headers.decidedAtMicros();
        String policy = headers.policy(agentId);
        String deadline = headers.get(DecisionHeaders.HOLD);
        latestMicros = Math.max(latestMicros, atMicros);
        if (deadline == null) {
            if (Boolean.TRUE.equals(asked))
                unheld.add(new Unheld(where, policy, atMicros, headers.get(DecisionHeaders.REASON) != null));
            return;
        }
        if (Boolean.FALSE.equals(asked)) violations.add(HOLDS_END_ONCE, where, "holds what did not ask for a hold");
        if (!deadline.matches("[0-9]{1,18}")) {
            headers.wrong(DecisionHeaders.HOLD, "epoch microseconds");
            return;
        }
        String requestId = RequestReader.read(request) instanceof Reading.Valid valid ? valid.requestId() : null;
        holds.put(name, new Hold(where, agentId, costTokens, atMicros, Long.parseLong(deadline), policy, requestId));
        agents.add(agentId);
        reservedTokens += costTokens;
    }

    /** Takes note of a refusal because too many holds were open. */
    void crowded(String where, String agentId, DecisionHeaders headers) {
        agents.add(agentId);
        crowded.add(new Crowded(where, agentId, headers.policy(agentId), headers.decidedAtMicros()));
    }

    /** Takes note of a usage report. */
    void reported(RequestRecord report) {
        UsageReading usage = RequestReader.readUsage(report.value()) instanceof UsageReading valid ? valid : null;
        String name = source(settings.topics().usageTopic(), report.partition(), report.offset());
        reports.put(name, new Report(usage, fingerprint.of(report.value())));
        unanswered++;
    }

    /** Returns how many reports still wait for what becomes of them. */
    long unanswered() {
        return unanswered;
    }

    /** Checks a record by itself and against its report. */
    void settled(SettlementRecord settled) {
        String where = source(settings.topics().settledTopic(), settled.partition(), settled.offset());
        RejectionBody fields = RejectionBody.read(settled.value());
        if (fields == null) {
            violations.add(CONSERVATION, where, "is not a JSON object");
            return;
        }
        String outcome = Objects.requireNonNullElse(fields.text("outcome"), "");
        require(where, outcome.equals(header(settled)), "outcome differs from header quota-outcome");
        switch (outcome) {
            case "settled", "no_such_hold" -> {
                answered(where, outcome, fields);
                state(where, settled, outcome, fields);
            }
            case "expired" -> state(where, settled, outcome, fields);
            case "invalid_report" -> answered(where, outcome, fields);
            default -> violations.add(CONSERVATION, where, "has no outcome of the contract");
        }
        outcomes.merge(outcome, 1L, Long::sum);
    }

    private void state(String where, SettlementRecord settled, String outcome, RejectionBody fields) {
        String hold = fields.text("hold");
        String agentId = fields.text("agent_id");
        if (hold == null || agentId == null) {
            require(where, false, "hold or agent_id is missing");
            return;
        }
        require(
                where,
                Arrays.equals(agentId.getBytes(StandardCharsets.UTF_8), settled.key()),
                "the key is not the agent's id");
        long atMicros = fields.whole("decided_at", -1);
        latestMicros = Math.max(latestMicros, atMicros);
        statements.add(new Statement(where, settled.partition(), settled.offset(), outcome, hold, atMicros, fields));
    }

    /** Checks what is said of a report against the report. */
    private void answered(String where, String outcome, RejectionBody fields) {
        var stated = fields.fields().get("source");
        if (stated == null
                || !settings.topics().usageTopic().equals(stated.path("topic").textValue())) {
            require(where, false, "names no usage report in source");
            return;
        }
        String name = source(
                settings.topics().usageTopic(),
                (int) RejectionBody.whole(stated.get("partition"), -1),
                RejectionBody.whole(stated.get("offset"), -1));
        Report report = reports.get(name);
        if (report == null) { // published before what was read, or later
            outside++;
            return;
        }
        if (report.answered) {
            boolean ofOthers = report.usage != null && isOfOthers(report.usage.hold());
            require(where, ofOthers, "answers " + name + " once more");
            return;
        }
        report.answered = true;
        unanswered--;
        UsageReading usage = report.usage;
        if (outcome.equals("invalid_report")) {
            require(where, usage == null || usage.doubtful(), "calls a report invalid that keeps every rule");
            require(
                    where,
                    !fields.has("report_base64")
                            || fingerprint.of(fields.base64("report_base64")) == report.bytes
                            || report.bytes == Fingerprint.NONE && "".equals(fields.text("report_base64")),
                    "report_base64 is not the report");
            require(
                    where,
                    !Objects.requireNonNullElse(fields.text("detail"), "").isEmpty(),
                    "detail is missing");
        } else if (usage == null) {
            require(where, false, "answers an invalid report as if it were none");
        } else {
            require(
                    where,
                    usage.agentId().equals(fields.text("agent_id"))
                            && usage.hold().equals(fields.text("hold")),
                    "agent_id or hold is not the report's");
            require(
                    where,
                    !outcome.equals("settled") || Text.same(usage.tokens(), fields.number("used")),
                    "used is not the report's tokens");
        }
    }

    /**
     * Looks at what only the whole shows.
     *
     * @param approvals says of a request, by its name, whether its approval must have been read if there is one
     * @param toldFromMicros holds that were opened and reports that were published before this moment may have ended without our having
     *     read it
     * @param nowMicros holds whose deadline is long before this moment have ended
     */
    void check(Approvals approvals, long toldFromMicros, long nowMicros, List<String> notes) {
        for (Unheld one : unheld) checkUnheld(one);
        holds.forEach((name, hold) -> checkDeadline(hold));
        for (Statement statement : statements)
            if (!statement.outcome().equals("no_such_hold")) checkEnd(statement, approvals);
        for (Statement statement : statements)
            if (statement.outcome().equals("no_such_hold")) checkNoSuchHold(statement);
        long unjudged = checkOpen(toldFromMicros, Math.max(nowMicros, latestMicros));
        for (var report : reports.entrySet()) {
            if (report.getValue().answered) continue;
            if (toldFromMicros > Long.MIN_VALUE) unjudged++;
            else violations.add(CONSERVATION, report.getKey(), "is answered by no record of settled-requests");
        }
        if (unjudged > 0)
            notes.add(unjudged + " holds and reports may have ended in records that retention has removed: not judged");
        checkConcurrency();
        for (Crowded one : crowded) checkCrowded(one, approvals);
        if (!agents.isEmpty() && settings.exclusive())
            notes.add(agents.size() + " agents with holds: of these, --exclusive follows no bucket token by token");
    }

    /** Says whether a request was read together with what was decided about it. */
    interface Approvals {
        boolean mustHaveBeenRead(String name);

        /** Whether nothing older than what was read can be there. */
        boolean areComplete();
    }

    private void checkUnheld(Unheld one) {
        PromisedTerms terms = policies.terms(one.policy(), one.atMicros());
        if (terms == null || terms.mode() == PolicyMode.OFF || terms.mode() == PolicyMode.SHADOW && one.shadowVerdict())
            return;
        violations.add(HOLDS_END_ONCE, one.where(), "opens no hold although its request asks for one");
    }

    private void checkDeadline(Hold hold) {
        PromisedTerms terms = policies.terms(hold.policy(), hold.openedMicros());
        if (terms == null) return;
        if (terms.mode() == PolicyMode.OFF)
            violations.add(HOLDS_END_ONCE, hold.where(), "opens a hold under a policy that is off");
        else if (hold.deadlineMicros() != hold.openedMicros() + terms.holds().withinMicros())
            violations.add(
                    HOLDS_END_ONCE,
                    hold.where(),
                    "may be settled for " + (hold.deadlineMicros() - hold.openedMicros()) / 1e6
                            + " s, but its policy gives " + terms.holds().withinMicros() / 1e6 + " s");
    }

    private void checkEnd(Statement end, Approvals approvals) {
        RejectionBody fields = end.fields();
        String agentId = Objects.requireNonNull(fields.text("agent_id"));
        agents.add(agentId);
        double reserved = fields.number("reserved");
        double used = fields.number("used");
        double refunded = fields.number("refunded");
        require(end.where(), Double.isFinite(fields.number("remaining")), "remaining is missing");
        require(
                end.where(),
                "redis".equals(fields.text("decided_by")) || "local".equals(fields.text("decided_by")),
                "decided_by is not redis or local");
        if (!(Double.isFinite(reserved + used + refunded) && used >= 0 && end.atMicros() >= 0)) {
            broken(end, "lacks reserved, used, refunded or decided_at");
            return;
        }
        if (isOfOthers(end.hold())) return;
        Hold hold = holds.get(end.hold());
        if (hold == null) {
            if (approvals.mustHaveBeenRead(end.hold())) {
                broken(end, "ends " + Text.shorten(end.hold()) + ", which is no hold");
                return;
            }
            outside++;
            if (refunded <= reserved) give(agentId, end.atMicros(), refunded);
            return;
        }
        if (!hold.agentId().equals(agentId)) {
            broken(end, "ends a hold of another agent, \"" + Text.shorten(hold.agentId()) + "\"");
            return;
        }
        Statement before = ends.putIfAbsent(end.hold(), end);
        if (before != null) {
            broken(end, "ends " + end.hold() + " once more, after " + before.where());
            return;
        }
        if (!Text.same(reserved, hold.reservedTokens()))
            broken(
                    end,
                    "says that " + Text.number(reserved) + " tokens were reserved, not "
                            + Text.number(hold.reservedTokens()));
        if (!(Math.abs(refunded - (hold.reservedTokens() - used))
                <= 1e-9 * Math.max(hold.reservedTokens(), used) + 1e-9))
            broken(
                    end,
                    "gives back " + Text.number(refunded) + " tokens of " + Text.number(hold.reservedTokens())
                            + ", of which " + Text.number(used) + " were used");
        require(
                end.where(),
                Objects.equals(hold.requestId(), fields.text("request_id")),
                "request_id is not that of the request");
        PromisedTerms terms = policies.terms(hold.policy(), hold.openedMicros());
        checkMoment(end, hold, terms, used);
        if (terms == null || terms.mode() != PolicyMode.SHADOW)
            give(agentId, end.atMicros(), Math.min(refunded, hold.reservedTokens()));
        if (refunded > 0) refundedTokens += refunded;
        else overrunTokens -= refunded;
    }

    private void checkMoment(Statement end, Hold hold, @Nullable PromisedTerms terms, double used) {
        if (end.outcome().equals("settled")) {
            if (end.atMicros() >= hold.deadlineMicros())
                broken(
                        end,
                        "settles " + end.hold() + " " + Text.number((end.atMicros() - hold.deadlineMicros()) / 1e6)
                                + " s after its deadline");
            return;
        }
        if (end.atMicros() < hold.deadlineMicros())
            broken(
                    end,
                    "lets " + end.hold() + " expire " + Text.number((hold.deadlineMicros() - end.atMicros()) / 1e6)
                            + " s before its deadline");
        if (terms == null) return;
        double expected = terms.holds().returned() ? 0 : hold.reservedTokens();
        if (!Text.same(used, expected))
            broken(
                    end,
                    "counts " + Text.number(used) + " tokens of a hold that nobody settled as used, not "
                            + Text.number(expected));
    }

    private void give(String agentId, long atMicros, double tokens) {
        if (tokens > 0)
            credits.computeIfAbsent(agentId, id -> new ArrayList<>()).add(new Credit(atMicros, tokens));
    }

    private void checkNoSuchHold(Statement said) {
        Hold hold = holds.get(said.hold());
        if (hold == null || !hold.agentId().equals(said.fields().text("agent_id"))) return;
        Statement end = ends.get(said.hold());
        boolean endedLater = end == null || end.partition() == said.partition() && end.offset() > said.offset();
        if (endedLater
                && said.atMicros() > hold.openedMicros() + OPENING_MICROS
                && said.atMicros() < hold.deadlineMicros())
            broken(said, "says that there is no hold " + said.hold() + ", which was open");
    }

    /** Returns of how many holds without an end nothing can be said. */
    private long checkOpen(long toldFromMicros, long nowMicros) {
        long unjudged = 0;
        for (var entry : holds.entrySet()) {
            Hold hold = entry.getValue();
            if (ends.containsKey(entry.getKey())) continue;
            if (hold.openedMicros() < toldFromMicros) {
                unjudged++;
            } else if (hold.deadlineMicros() + GRACE_MICROS < nowMicros) {
                violations.add(
                        HOLDS_END_ONCE,
                        hold.where(),
                        "is a hold that neither was settled nor has expired, "
                                + Text.number((nowMicros - hold.deadlineMicros()) / 1e6) + " s after its deadline");
            } else {
                open++;
            }
        }
        return unjudged;
    }

    /** Never are more holds open than the policy lets be. */
    private void checkConcurrency() {
        Map<String, List<Map.Entry<String, Hold>>> byAgent = new HashMap<>();
        for (var entry : holds.entrySet())
            byAgent.computeIfAbsent(entry.getValue().agentId(), id -> new ArrayList<>())
                    .add(entry);
        byAgent.forEach((agentId, theirs) -> {
            theirs.sort(Comparator.comparingLong(entry -> entry.getValue().openedMicros()));
            long[] ended = theirs.stream()
                    .mapToLong(entry -> certainEnd(entry.getKey()))
                    .sorted()
                    .toArray();
            int gone = 0;
            for (int i = 0; i < theirs.size(); i++) {
                Hold hold = theirs.get(i).getValue();
                while (gone < ended.length && ended[gone] <= hold.openedMicros()) gone++;
                PromisedTerms terms = policies.terms(hold.policy(), hold.openedMicros());
                if (terms == null || i + 1 - gone <= terms.holds().maxOpen()) continue;
                violations.add(
                        NO_OVER_ADMISSION,
                        hold.where(),
                        "is one of " + (i + 1 - gone) + " holds of agent \"" + Text.shorten(agentId)
                                + "\" open at once, but max_open is "
                                + terms.holds().maxOpen());
                return;
            }
        });
    }

    /** Returns the earliest moment at which the hold may have ended. */
    private long certainEnd(String name) {
        Statement end = ends.get(name);
        return end == null ? Long.MAX_VALUE : end.atMicros() - GRACE_MICROS;
    }

    private void checkCrowded(Crowded one, Approvals approvals) {
        PromisedTerms terms = policies.terms(one.policy(), one.atMicros());
        if (terms == null || !approvals.areComplete()) return;
        PromisedHolds rules = terms.holds();
        long mayBeOpen = holds.entrySet().stream()
                .filter(entry -> entry.getValue().agentId().equals(one.agentId()))
                .filter(entry -> entry.getValue().openedMicros() <= one.atMicros() + GRACE_MICROS)
                .filter(entry -> {
                    Statement end = ends.get(entry.getKey());
                    return end == null || end.atMicros() + GRACE_MICROS >= one.atMicros();
                })
                .count();
        if (mayBeOpen < rules.maxOpen())
            violations.add(
                    NO_FALSE_REFUSALS,
                    one.where(),
                    "says that " + rules.maxOpen() + " holds are open, but at most " + mayBeOpen + " are");
    }

    /** Returns what settlements gave back to the agent, the earliest first. */
    List<Credit> creditsOf(String agentId) {
        return credits.getOrDefault(agentId, List.of()).stream()
                .sorted(Comparator.comparingLong(Credit::atMicros))
                .toList();
    }

    /** Returns whether the agent's bucket is also changed by settlements. */
    boolean concerns(String agentId) {
        return agents.contains(agentId);
    }

    Map<String, Number> figures() {
        Map<String, Number> figures = new LinkedHashMap<>();
        if (holds.isEmpty() && reports.isEmpty() && outcomes.isEmpty()) return figures;
        figures.put("holds", holds.size());
        figures.put("holds_open", open);
        figures.put("usage_reports", reports.size());
        for (String outcome : List.of("settled", "expired", "no_such_hold", "invalid_report"))
            figures.put(outcome, outcomes.getOrDefault(outcome, 0L));
        figures.put("settlements_outside_of_what_was_read", outside);
        figures.put("reserved_tokens", reservedTokens);
        figures.put("refunded_tokens", refundedTokens);
        figures.put("overrun_tokens", overrunTokens);
        return figures;
    }

    /** Whether a hold is of an installation with another topic of requests: the topics of holds are the same for all. */
    private boolean isOfOthers(String hold) {
        var source = DecisionHeaders.source(hold);
        return source != null && !source.topic().equals(settings.topics().requestsTopic());
    }

    private static String header(SettlementRecord settled) {
        return settled.headers().stream()
                .filter(header -> header.name().equals(DecisionHeaders.OUTCOME))
                .map(header -> header.value() == null ? "" : new String(header.value(), StandardCharsets.UTF_8))
                .findFirst()
                .orElse("");
    }

    private static String source(String topic, int partition, long offset) {
        return topic + "/" + partition + "/" + offset;
    }

    private void broken(Statement statement, String what) {
        violations.add(HOLDS_END_ONCE, statement.where(), what);
    }

    private void require(String where, boolean kept, String what) {
        if (!kept) violations.add(CONSERVATION, where, what);
    }
}
