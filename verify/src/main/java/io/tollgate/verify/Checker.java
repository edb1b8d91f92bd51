package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;

import io.tollgate.verify.LostRequests.OldestDecided;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import io.tollgate.verify.Requests.RequestVerdict;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Checks the contract's invariants on records that the caller has read.
 *
 * <p>Pass the requests first, then the decided records, each partition in the order of its offsets; policies and events
 * at any time. Then ask for the report, once. Keeps about 150 bytes for each decided request and none of their bytes.
 */
final class Checker {
    private static final String TOO_MANY_OPEN_HOLDS = "too_many_open_holds";

    private static final Set<String> SHADOW_REASONS =
            Set.of("shadow:quota_exceeded", "shadow:cost_exceeds_capacity", "shadow:too_many_open_holds");

    private final CheckerSettings settings;
    private final Violations violations = new Violations();
    private final PolicyRecords policies;
    private final Requests requests = new Requests();
    private final Decisions decisions = new Decisions();
    private final Resets resets = new Resets();
    private final Holds holds;
    private final Fingerprint fingerprint = new Fingerprint();
    private final CarriedOver carriedOver;
    private final StatedLimits stated;

    /** Decided records whose request was not read: source partition and offset, outcome, partition and offset. */
    private final LongTable strangers = new LongTable(5);

    private final OldestDecided oldest = new OldestDecided();

    private final Map<String, Long> rejectedByReason = new TreeMap<>();
    private long requestsSeen;
    private long approved;
    private long shadowed;
    private long rejected;
    private long duplicates;
    private long pending;
    private long settledFromMicros = Long.MIN_VALUE;
    private long readAtMicros = Long.MIN_VALUE;

    Checker(CheckerSettings settings) {
        this.settings = settings;
        this.policies = new PolicyRecords(
                settings.topics().defaultCapacityTokens(), settings.topics().defaultRefillTokensPerSecond());
        this.holds = new Holds(settings, policies, violations);
        this.carriedOver = new CarriedOver(settings, violations, fingerprint);
        this.stated = new StatedLimits(policies, violations);
    }

    public void request(TopicRecord request) {
        requestsSeen++;
        Reading reading = RequestReader.read(request.value());
        if (reading instanceof Reading.Valid valid) {
            requests.add(
                    request, RequestVerdict.VALID, decisions.agent(valid.agentId()), valid.costTokens(), valid.hold());
        } else if (reading instanceof Reading.Doubtful doubtful) {
            Reading.Valid valid = doubtful.ifValid();
            requests.add(
                    request,
                    RequestVerdict.DOUBTFUL,
                    decisions.agent(valid.agentId()),
                    valid.costTokens(),
                    valid.hold());
        } else {
            requests.add(request, RequestVerdict.INVALID, -1, 0, false);
        }
        if (settings.isDue(request.timestampMillis())) pending++;
    }

    public void policy(TopicRecord policy) {
        policies.add(policy);
    }

    /** Adds an event, given by its value. */
    public void event(byte @Nullable [] value) {
        resets.add(value);
    }

    /** Adds a usage report. */
    public void reported(TopicRecord report) {
        holds.reports().add(report);
    }

    /** Adds a settlement. All approvals and reports must have been added before. */
    public void settled(TopicRecord settled) {
        holds.settled(settled);
    }

    /** Returns how many usage reports still wait for their settlement. */
    public long unanswered() {
        return holds.reports().unanswered();
    }

    /** Notes that settlements before this moment may not have been read. */
    public void settledReadFrom(long micros) {
        settledFromMicros = micros;
    }

    /** Notes the time by which every due hold must have ended. */
    public void readAt(long micros) {
        readAtMicros = micros;
    }

    /** Returns how many requests still wait for their decision. */
    public long pending() {
        return pending;
    }

    /** Checks a decided record by itself and against its request. */
    public void decided(OutputRecord decided) {
        var headers = new DecisionHeaders(decided.headers());
        DecisionHeaders.RequestPosition source = headers.source();
        if (source == null || !source.topic().equals(settings.topics().requestsTopic())) {
            violations.add(CONSERVATION, settings.at(decided), "names no request in its header quota-source");
            return;
        }
        if (settings.isCut()) oldest.decided(source);
        Requests.Seen request = requests.find(source.partition(), source.offset());
        if (request == null) {
            strangers.add(
                    source.partition(),
                    source.offset(),
                    decided.outcome().ordinal(),
                    decided.partition(),
                    decided.offset());
        } else if (request.decided()) {
            duplicates++;
            violations.add(CONSERVATION, settings.at(decided), "decides " + text(source) + " once more");
            return;
        } else {
            request.setDecided();
            if (settings.isDue(request.timestampMillis())) pending--;
            carriedOver.check(decided, request);
        }
        if (decided.outcome() == OutputTopic.APPROVED) approved(decided, headers, source, request);
        else rejected(decided, headers, source, request);
        for (String problem : headers.problems()) violations.add(CONSERVATION, settings.at(decided), problem);
    }

    private void approved(
            OutputRecord decided,
            DecisionHeaders headers,
            DecisionHeaders.RequestPosition source,
            Requests.@Nullable Seen request) {
        approved++;
        headers.requireDecision("approved");
        String reason = headers.get(DecisionHeaders.REASON);
        boolean shadow = reason != null;
        if (shadow) {
            shadowed++;
            if (!SHADOW_REASONS.contains(reason)) headers.wrong(DecisionHeaders.REASON, "a shadow verdict or absent");
        }
        if (request != null && fingerprint.of(decided.value()) != request.value())
            violations.add(CONSERVATION, settings.at(decided), "does not have the bytes of its request");
        if (request != null && request.verdict() == RequestVerdict.INVALID) {
            violations.add(CONSERVATION, settings.at(decided), "approves an invalid request");
            return;
        }
        int agent;
        double costTokens;
        Boolean hold;
        if (request != null) {
            agent = request.agent();
            costTokens = request.costTokens();
            hold = request.verdict() == RequestVerdict.VALID ? request.hold() : null;
        } else {
            Reading reading = RequestReader.read(decided.value());
            if (!(reading instanceof Reading.Valid valid)) return;
            agent = decisions.agent(valid.agentId());
            costTokens = valid.costTokens();
            hold = valid.hold();
        }
        holds.approved(
                settings.at(decided),
                text(source),
                decisions.agentId(agent),
                costTokens,
                headers,
                hold,
                decided.value());
        remember(decided, headers, source, request, agent, costTokens, shadow);
    }

    private void rejected(
            OutputRecord decided,
            DecisionHeaders headers,
            DecisionHeaders.RequestPosition source,
            Requests.@Nullable Seen request) {
        rejected++;
        headers.requireDecision("rejected");
        String reason = Objects.requireNonNullElse(headers.get(DecisionHeaders.REASON), "");
        RejectionBody rejection = RejectionBody.read(decided.value());
        if (rejection == null) {
            violations.add(CONSERVATION, settings.at(decided), "is not a JSON object");
            return;
        }
        String agentOfRequest = request == null || request.agent() < 0 ? null : decisions.agentId(request.agent());
        var check = new RejectionCheck(
                violations, fingerprint, settings.at(decided), decided, headers, rejection, request, agentOfRequest);
        check.common(reason, source);
        switch (reason) {
            case "invalid_request" -> {
                rejectedByReason.merge(reason, 1L, Long::sum);
                check.invalid();
            }
            case "quota_exceeded", "cost_exceeds_capacity", TOO_MANY_OPEN_HOLDS -> {
                rejectedByReason.merge(reason, 1L, Long::sum);
                boolean crowded = reason.equals(TOO_MANY_OPEN_HOLDS);
                refused(decided, headers, source, rejection, request, crowded, check.refused(reason, crowded));
            }
            default -> headers.wrong(DecisionHeaders.REASON, "a reason of the contract");
        }
    }

    private void refused(
            OutputRecord decided,
            DecisionHeaders headers,
            DecisionHeaders.RequestPosition source,
            RejectionBody rejection,
            Requests.@Nullable Seen request,
            boolean crowded,
            PromisedLimit claimed) {
        String agentId = rejection.text("agent_id");
        if (agentId == null) return;
        if (crowded) holds.crowded(settings.at(decided), agentId, headers);
        else stated.add(headers.policy(agentId), claimed, settings.at(decided), headers.decidedAtMicros());
        if (request == null) {
            remember(decided, headers, source, null, decisions.agent(agentId), rejection.number("tokens"), false);
        } else if (request.verdict() != RequestVerdict.INVALID) {
            remember(decided, headers, source, request, request.agent(), request.costTokens(), false);
        }
    }

    private void remember(
            OutputRecord decided,
            DecisionHeaders headers,
            DecisionHeaders.RequestPosition source,
            Requests.@Nullable Seen request,
            int agent,
            double costTokens,
            boolean shadow) {
        String agentId = decisions.agentId(agent);
        double remaining = headers.remaining();
        boolean mayBeDebt = shadow || decided.outcome() == OutputTopic.REJECTED;
        if (remaining < 0 && !mayBeDebt) headers.wrong(DecisionHeaders.REMAINING, "at least 0");
        long decidedAtMicros = headers.decidedAtMicros();
        boolean local = headers.local();
        String policy = headers.policy(agentId);
        byte[] key = agentId.getBytes(StandardCharsets.UTF_8);
        violations.require(settings.at(decided), Arrays.equals(key, decided.key()), "the key is not the agent's id");
        if (request != null && source.partition() == decided.partition() && request.key() == fingerprint.of(key))
            oldest.decidedStraight(decided, source);
        if (decidedAtMicros < 0 || !Double.isFinite(costTokens)) return;
        decisions.add(decided, source, agent, policy, costTokens, remaining, decidedAtMicros, local, shadow);
    }

    /** Checks what only all records together show, and returns the report. */
    public CheckReport report(Snapshot snapshot) {
        long outside = checkStrangers(snapshot);
        List<String> notes = new ArrayList<>();
        stated.check(notes);
        holds.check(approvals(snapshot), settledFromMicros, readAtMicros, notes);
        var audit = new AgentAudit(settings, policies, decisions, resets, holds, violations, snapshot);
        audit.run();
        long lost = 0;
        long unjudged = 0;
        if (pending > 0) {
            var undecided = new LostRequests(settings, violations, snapshot, audit, oldest);
            requests.forEach(undecided::visit);
            lost = undecided.lost();
            unjudged = undecided.unjudged();
        }

        Map<String, Number> figures = new LinkedHashMap<>();
        figures.put("requests", requestsSeen);
        figures.put("decided", approved + rejected);
        figures.put("approved", approved);
        figures.put("approved_by_shadow", shadowed);
        figures.put("rejected", rejected);
        rejectedByReason.forEach((reason, count) -> figures.put("rejected_" + reason, count));
        figures.put("pending", lost);
        figures.put("duplicates", duplicates);
        figures.put("outside_of_what_was_read", outside);
        figures.put("bucket_resets", resets.size());
        figures.putAll(holds.figures());
        figures.putAll(audit.figures());
        if (unjudged > 0)
            notes.add(unjudged + " requests have no decision, but retention has removed old decisions: not judged");
        notes.addAll(audit.notes());
        return new CheckReport(figures, violations.counts(), violations.first(), audit.agents(), notes);
    }

    private Holds.Approvals approvals(Snapshot snapshot) {
        return new Holds.Approvals() {
            @Override
            public boolean mustHaveBeenRead(String name) {
                DecisionHeaders.RequestPosition source = DecisionHeaders.source(name);
                if (source == null || !source.topic().equals(settings.topics().requestsTopic())) return true;
                Requests.Seen request = requests.find(source.partition(), source.offset());
                if (request != null) return request.decided() || areComplete();
                Snapshot.OffsetSpan range = snapshot.requests().get(source.partition());
                return range == null
                        || source.offset() >= range.first() && source.offset() < range.end()
                        || source.offset() >= range.logEnd();
            }

            @Override
            public boolean areComplete() {
                return !settings.isCut() && snapshot.trimmed().isEmpty();
            }
        };
    }

    private long checkStrangers(Snapshot snapshot) {
        long outside = 0;
        for (int row = 0; row < strangers.size(); row++) {
            int partition = (int) strangers.get(row, 0);
            long offset = strangers.get(row, 1);
            Snapshot.OffsetSpan range = snapshot.requests().get(partition);
            boolean elsewhere =
                    range != null && (offset < range.first() || offset >= range.end() && offset < range.logEnd());
            if (elsewhere) {
                outside++;
            } else {
                OutputTopic outcome = OutputTopic.values()[(int) strangers.get(row, 2)];
                violations.add(
                        CONSERVATION,
                        settings.at(outcome, (int) strangers.get(row, 3), strangers.get(row, 4)),
                        "decides " + settings.topics().requestsTopic() + "/" + partition + "/" + offset
                                + ", where no request is");
            }
        }
        return outside;
    }

    private static String text(DecisionHeaders.RequestPosition source) {
        return source.topic() + "/" + source.partition() + "/" + source.offset();
    }
}
