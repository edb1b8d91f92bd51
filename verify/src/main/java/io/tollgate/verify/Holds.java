package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.HOLDS_END_ONCE;

import io.tollgate.verify.PromisedTerms.PolicyMode;
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
 * Checks each hold against its end. Not thread-safe.
 *
 * <p>Pass approvals and reports first, then settlements, in the order of each partition's offsets. Keeps some 300 bytes
 * for each hold.
 */
final class Holds {
    /** The clocks of a decision and of a settlement may differ, and one repeated after a crash has a later time. */
    static final long GRACE_MICROS = 60_000_000;

    /** A report may come between the moment of an approval and the moment at which its hold stands open. */
    private static final long OPENING_MICROS = 1_000_000;

    /** An approval that stands open until it is settled, or until its deadline. */
    record OpenedHold(
            String where,
            String agentId,
            double reservedTokens,
            long openedMicros,
            long deadlineMicros,
            String policy,
            @Nullable String requestId) {}

    /** A settlement: the end of a hold, or of what a report called one. */
    record Statement(
            String where,
            int partition,
            long offset,
            String outcome,
            String hold,
            long atMicros,
            RejectionBody fields) {}

    /** An approval that should have opened a hold, but does not say so. */
    private record Unheld(String where, String policy, long atMicros, boolean shadowVerdict) {}

    /** Tokens that a settlement gave back. */
    record Credit(long atMicros, double tokens) {}

    private final CheckerSettings settings;
    private final PolicyRecords policies;
    private final Violations violations;
    private final Map<String, OpenedHold> holds = new LinkedHashMap<>();
    private final Map<String, Statement> ends = new HashMap<>();
    private final UsageReports reports;
    private final List<Statement> statements = new ArrayList<>();
    private final List<Unheld> unheld = new ArrayList<>();
    private final OpenHoldCounts counts;
    private final Map<String, List<Credit>> credits = new HashMap<>();
    private final Set<String> agents = new HashSet<>();
    private final Map<String, Long> outcomes = new HashMap<>();
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
        this.reports = new UsageReports(settings, violations);
        this.counts = new OpenHoldCounts(policies, violations);
    }

    /**
     * Adds an approval.
     *
     * @param asked whether its request asks for a hold; null if it may be read either way
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
        if (Boolean.FALSE.equals(asked))
            violations.add(HOLDS_END_ONCE, where, "opens a hold for a request that did not ask for one");
        if (!deadline.matches("[0-9]{1,18}")) {
            headers.wrong(DecisionHeaders.HOLD, "epoch microseconds");
            return;
        }
        String requestId = RequestReader.read(request) instanceof Reading.Valid valid ? valid.requestId() : null;
        holds.put(
                name,
                new OpenedHold(where, agentId, costTokens, atMicros, Long.parseLong(deadline), policy, requestId));
        agents.add(agentId);
        reservedTokens += costTokens;
    }

    /** Adds a refusal because too many holds were open. */
    void crowded(String where, String agentId, DecisionHeaders headers) {
        agents.add(agentId);
        counts.crowded(where, agentId, headers);
    }

    /** Returns the usage reports, to add more. */
    UsageReports reports() {
        return reports;
    }

    /** Checks a record by itself and against its report. */
    void settled(TopicRecord settled) {
        String where = settings.topics().settledTopic() + "/" + settled.partition() + "/" + settled.offset();
        RejectionBody fields = RejectionBody.read(settled.value());
        if (fields == null) {
            violations.add(CONSERVATION, where, "is not a JSON object");
            return;
        }
        String outcome = Objects.requireNonNullElse(fields.text("outcome"), "");
        violations.require(where, outcome.equals(header(settled)), "outcome differs from header quota-outcome");
        switch (outcome) {
            case "settled", "no_such_hold" -> {
                reports.answered(where, outcome, fields);
                state(where, settled, outcome, fields);
            }
            case "expired" -> state(where, settled, outcome, fields);
            case "invalid_report" -> reports.answered(where, outcome, fields);
            default -> violations.add(CONSERVATION, where, "has no outcome of the contract");
        }
        outcomes.merge(outcome, 1L, Long::sum);
    }

    private void state(String where, TopicRecord settled, String outcome, RejectionBody fields) {
        String hold = fields.text("hold");
        String agentId = fields.text("agent_id");
        if (hold == null || agentId == null) {
            violations.require(where, false, "hold or agent_id is missing");
            return;
        }
        violations.require(
                where,
                Arrays.equals(agentId.getBytes(StandardCharsets.UTF_8), settled.key()),
                "the key is not the agent's id");
        long atMicros = fields.whole("decided_at", -1);
        latestMicros = Math.max(latestMicros, atMicros);
        statements.add(new Statement(where, settled.partition(), settled.offset(), outcome, hold, atMicros, fields));
    }

    /**
     * Checks what only all records together show.
     *
     * @param approvals tells by a request's name whether its approval must have been read if it exists
     * @param toldFromMicros the end of holds opened, and of reports published, before this moment may not have
     *     been read
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
        unjudged += reports.checkUnanswered(toldFromMicros > Long.MIN_VALUE);
        if (unjudged > 0)
            notes.add(unjudged + " holds and reports may have ended in records that retention has removed: not judged");
        counts.check(holds, ends, approvals.areComplete());
        if (!agents.isEmpty() && settings.exclusive())
            notes.add(agents.size() + " agents with holds: of these, --exclusive follows no bucket token by token");
    }

    /** Tells whether a request was read together with its decision. */
    interface Approvals {
        boolean mustHaveBeenRead(String name);

        /** Returns whether nothing older than the records read can exist. */
        boolean areComplete();
    }

    private void checkUnheld(Unheld one) {
        PromisedTerms terms = policies.terms(one.policy(), one.atMicros());
        if (terms == null || terms.mode() == PolicyMode.OFF || terms.mode() == PolicyMode.SHADOW && one.shadowVerdict())
            return;
        violations.add(HOLDS_END_ONCE, one.where(), "opens no hold although its request asks for one");
    }

    private void checkDeadline(OpenedHold hold) {
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
        violations.require(end.where(), Double.isFinite(fields.number("remaining")), "remaining is missing");
        violations.require(
                end.where(),
                "redis".equals(fields.text("decided_by")) || "local".equals(fields.text("decided_by")),
                "decided_by is not redis or local");
        if (!(Double.isFinite(reserved + used + refunded) && used >= 0 && end.atMicros() >= 0)) {
            broken(end, "lacks reserved, used, refunded or decided_at");
            return;
        }
        if (settings.isOfOthers(end.hold())) return;
        OpenedHold hold = holds.get(end.hold());
        if (hold == null) {
            if (approvals.mustHaveBeenRead(end.hold())) {
                broken(end, "ends " + Text.shorten(end.hold()) + ", which is not a hold");
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
        violations.require(
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

    private void checkMoment(Statement end, OpenedHold hold, @Nullable PromisedTerms terms, double used) {
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
        OpenedHold hold = holds.get(said.hold());
        if (hold == null || !hold.agentId().equals(said.fields().text("agent_id"))) return;
        Statement end = ends.get(said.hold());
        boolean endedLater = end == null || end.partition() == said.partition() && end.offset() > said.offset();
        if (endedLater
                && said.atMicros() > hold.openedMicros() + OPENING_MICROS
                && said.atMicros() < hold.deadlineMicros())
            broken(said, "says that there is no hold " + said.hold() + ", which was open");
    }

    /** Returns the number of holds without an end that cannot be judged. */
    private long checkOpen(long toldFromMicros, long nowMicros) {
        long unjudged = 0;
        for (var entry : holds.entrySet()) {
            OpenedHold hold = entry.getValue();
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

    /** Returns the tokens that settlements gave back to the agent, the earliest first. */
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
        if (holds.isEmpty() && reports.size() == 0 && outcomes.isEmpty()) return figures;
        figures.put("holds", holds.size());
        figures.put("holds_open", open);
        figures.put("usage_reports", reports.size());
        for (String outcome : List.of("settled", "expired", "no_such_hold", "invalid_report"))
            figures.put(outcome, outcomes.getOrDefault(outcome, 0L));
        figures.put("settlements_outside_of_what_was_read", outside + reports.outside());
        figures.put("reserved_tokens", reservedTokens);
        figures.put("refunded_tokens", refundedTokens);
        figures.put("overrun_tokens", overrunTokens);
        return figures;
    }

    private static String header(TopicRecord settled) {
        return settled.headers().stream()
                .filter(header -> header.name().equals(DecisionHeaders.OUTCOME))
                .map(header -> header.value() == null ? "" : new String(header.value(), StandardCharsets.UTF_8))
                .findFirst()
                .orElse("");
    }

    private void broken(Statement statement, String what) {
        violations.add(HOLDS_END_ONCE, statement.where(), what);
    }
}
