package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import io.tollgate.verify.Requests.RequestVerdict;
import io.tollgate.verify.Snapshot.OutputPartition;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Checks the contract's invariants on records that somebody else has read.
 *
 * <p>Give it the requests first, then what was decided, each partition in the order of its offsets; policies and events at
 * any time. Then ask for the report, once. Keeps about 150 bytes for each decided request and none of their bytes.
 */
final class Checker {
    private static final List<String> ABSENT_WHEN_INVALID = List.of(
            "request_id",
            "agent_id",
            "tokens",
            "limit",
            "retry_after_ms",
            "remaining",
            "capacity",
            "refill_rate",
            "period",
            "zone",
            "decided_by",
            "decided_at",
            "request");
    private static final String TOO_MANY_OPEN_HOLDS = "too_many_open_holds";

    /** A timestamp that is farther than this from the time of the decision is replaced by that time. */
    static final Duration FAR = Duration.ofDays(2);

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

    /** Decided records whose request was not read: source partition and offset, outcome, partition and offset. */
    private final LongTable strangers = new LongTable(5);

    /** By output partition, the request behind its oldest record that came straight, without being sent home first. */
    private final Map<OutputPartition, Long> oldestStraight = new HashMap<>();

    /** By partition, the oldest request whose decision was read; only where older decisions may be there. */
    private final Map<Integer, Long> oldestSources = new HashMap<>();

    /** By policy and limit, the capacities and rates that rejections state, and the first rejection that does. */
    private final Map<Stated, Statement> stated = new HashMap<>();

    private final Map<String, Long> rejectedByReason = new TreeMap<>();
    private long requestsSeen;
    private long approved;
    private long shadowed;
    private long rejected;
    private long duplicates;
    private long pending;
    private long settledFromMicros = Long.MIN_VALUE;
    private long readAtMicros = Long.MIN_VALUE;

    /** Where and when something was stated last. */
    private record Statement(String where, long micros) {
        Statement orLater(Statement other) {
            return other.micros > micros ? other : this;
        }
    }

    private record Stated(String policy, PromisedLimit limit) {}

    Checker(CheckerSettings settings) {
        this.settings = settings;
        this.policies = new PolicyRecords(
                settings.topics().defaultCapacityTokens(), settings.topics().defaultRefillTokensPerSecond());
        this.holds = new Holds(settings, policies, violations);
    }

    /** Takes note of a request. */
    public void request(RequestRecord request) {
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

    /** Takes note of a policy. */
    public void policy(PolicyRecord policy) {
        policies.add(policy);
    }

    /** Takes note of the value of an event. */
    public void event(byte @Nullable [] value) {
        resets.add(value);
    }

    /** Takes note of a usage report. */
    public void reported(RequestRecord report) {
        holds.reported(report);
    }

    /** Takes note of what became of a hold or a report; not before all approvals and reports are noted. */
    public void settled(SettlementRecord settled) {
        holds.settled(settled);
    }

    /** Returns how many usage reports still wait for what becomes of them. */
    public long unanswered() {
        return holds.unanswered();
    }

    /** Takes note that settlements of before this moment may not have been read. */
    public void settledReadFrom(long micros) {
        settledFromMicros = micros;
    }

    /** Takes note of the time by which holds must have ended that had to. */
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
            violations.add(CONSERVATION, at(decided), "names no request in its header quota-source");
            return;
        }
        if (settings.isCut()) oldestSources.merge(source.partition(), source.offset(), Math::min);
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
            violations.add(CONSERVATION, at(decided), "decides " + text(source) + " once more");
            return;
        } else {
            request.setDecided();
            if (settings.isDue(request.timestampMillis())) pending--;
            checkCarriedOver(decided, request);
        }
        if (decided.outcome() == OutputTopic.APPROVED) approved(decided, headers, source, request);
        else rejected(decided, headers, source, request);
        for (String problem : headers.problems()) violations.add(CONSERVATION, at(decided), problem);
    }

    private void checkCarriedOver(OutputRecord decided, Requests.Seen request) {
        checkTimestamp(decided, request);
        if (fingerprint.ofCarried(decided.headers()) != request.headers())
            violations.add(CONSERVATION, at(decided), "has not the headers that its request has");
    }

    /** One that is far from the time of the decision is replaced by that time, so that retention does not go by it. */
    private void checkTimestamp(OutputRecord decided, Requests.Seen request) {
        var headers = new DecisionHeaders(decided.headers());
        String noted = headers.get(DecisionHeaders.TIMESTAMP);
        boolean replaced = decided.timestampMillis() != carried(request);
        if (replaced && !isFar(request.timestampMillis(), decided.timestampMillis()))
            violations.add(
                    CONSERVATION,
                    at(decided),
                    "has the timestamp " + decided.timestampMillis() + ", but its request "
                            + request.timestampMillis());
        String decidedAt = headers.get(DecisionHeaders.DECIDED_AT);
        if (replaced
                && decidedAt != null
                && decidedAt.matches("[0-9]{1,18}")
                && isFar(Long.parseLong(decidedAt) / 1000, decided.timestampMillis()))
            violations.add(CONSERVATION, at(decided), "has neither its request's timestamp nor that of its decision");
        boolean invalid = "invalid_request".equals(headers.get(DecisionHeaders.REASON)); // its rejection alone tells
        String expected = replaced && !invalid ? Long.toString(carried(request)) : null;
        if (!Objects.equals(noted, expected))
            violations.add(
                    CONSERVATION,
                    at(decided),
                    "header quota-timestamp must be " + (expected == null ? "absent" : expected) + ", but is "
                            + (noted == null ? "absent" : "\"" + Text.shorten(noted) + "\""));
    }

    private static boolean isFar(long oneMillis, long otherMillis) {
        // Not by their difference, which may be larger than any long.
        return oneMillis < otherMillis - FAR.toMillis() || oneMillis > otherMillis + FAR.toMillis();
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
            violations.add(CONSERVATION, at(decided), "has not the bytes that its request has");
        if (request != null && request.verdict() == RequestVerdict.INVALID) {
            violations.add(CONSERVATION, at(decided), "approves an invalid request");
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
        holds.approved(at(decided), text(source), decisions.agentId(agent), costTokens, headers, hold, decided.value());
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
            violations.add(CONSERVATION, at(decided), "is not a JSON object");
            return;
        }
        require(decided, reason.equals(rejection.text("reason")), "reason differs from header quota-reason");
        require(
                decided,
                !Objects.requireNonNullElse(rejection.text("detail"), "").isEmpty(),
                "detail is missing");
        checkSource(decided, rejection, source);
        switch (reason) {
            case "invalid_request" -> {
                rejectedByReason.merge(reason, 1L, Long::sum);
                invalid(decided, headers, rejection, request);
            }
            case "quota_exceeded", "cost_exceeds_capacity", TOO_MANY_OPEN_HOLDS -> {
                rejectedByReason.merge(reason, 1L, Long::sum);
                refused(decided, headers, source, rejection, request, reason);
            }
            default -> headers.wrong(DecisionHeaders.REASON, "a reason of the contract");
        }
    }

    private void checkSource(OutputRecord decided, RejectionBody rejection, DecisionHeaders.RequestPosition source) {
        JsonNode stated = rejection.fields().get("source");
        require(
                decided,
                stated != null
                        && source.topic().equals(stated.path("topic").textValue())
                        && RejectionBody.whole(stated.get("partition"), -1) == source.partition()
                        && RejectionBody.whole(stated.get("offset"), -1) == source.offset(),
                "source differs from header quota-source");
        require(decided, stated != null && stated.path("timestamp").isIntegralNumber(), "source.timestamp is missing");
        Requests.Seen request = requests.find(source.partition(), source.offset());
        if (stated != null && request != null)
            require(
                    decided,
                    RejectionBody.whole(stated.get("timestamp"), Long.MIN_VALUE) == carried(request),
                    "source.timestamp is not the request's");
    }

    /** A client may give none, which is -1; Kafka Streams takes and writes no negative one, and the nearest is 0. */
    private static long carried(Requests.Seen request) {
        return Math.max(0, request.timestampMillis());
    }

    private void invalid(
            OutputRecord decided, DecisionHeaders headers, RejectionBody rejection, Requests.@Nullable Seen request) {
        headers.requireOnlyThoseOfInvalid();
        for (String name : ABSENT_WHEN_INVALID)
            require(decided, !rejection.has(name), name + " must be absent from an invalid request");
        if (request == null) return;
        require(decided, fingerprint.of(decided.key()) == request.key(), "the key is not the request's");
        if (request.verdict() == RequestVerdict.VALID)
            violations.add(NO_FALSE_REFUSALS, at(decided), "calls a request invalid that keeps every rule");
        if (rejection.has("request_base64")) {
            byte[] bytes = decode(rejection.text("request_base64"));
            boolean same = bytes != null
                    && (fingerprint.of(bytes) == request.value()
                            || bytes.length == 0 && request.value() == Fingerprint.NONE);
            require(decided, same && !rejection.has("request_bytes"), "request_base64 is not the request");
        } else {
            checkDigest(decided, rejection, request);
        }
    }

    private void refused(
            OutputRecord decided,
            DecisionHeaders headers,
            DecisionHeaders.RequestPosition source,
            RejectionBody rejection,
            Requests.@Nullable Seen request,
            String reason) {
        String agentId = rejection.text("agent_id");
        double costTokens = rejection.number("tokens");
        double remaining = rejection.number("remaining");
        double capacity = rejection.number("capacity");
        double refillRate = rejection.number("refill_rate");
        require(decided, Double.isFinite(costTokens), "tokens is missing");
        require(decided, Double.isFinite(remaining), "remaining is missing");
        require(decided, Double.isFinite(capacity), "capacity is missing");
        require(decided, Double.isFinite(refillRate), "refill_rate is missing");
        require(decided, same(remaining, headers.remaining()), "remaining differs from header quota-remaining");
        require(
                decided,
                Objects.equals(rejection.text("decided_by"), headers.get(DecisionHeaders.DECIDED_BY)),
                "decided_by differs from header quota-decided-by");
        require(
                decided,
                rejection.whole("decided_at", -1) == headers.decidedAtMicros(),
                "decided_at differs from header quota-decided-at");
        String limit = rejection.text("limit");
        require(
                decided,
                Objects.equals(limit, headers.get(DecisionHeaders.LIMIT)) && rejection.has("limit") == (limit != null),
                "limit differs from header quota-limit");
        checkRequestInside(decided, rejection, request);
        PeriodStarts periods = periods(decided, rejection);
        PromisedLimit claimed = new PromisedLimit(limit == null ? "" : limit, capacity, refillRate, periods);
        boolean crowded = reason.equals(TOO_MANY_OPEN_HOLDS);
        if (!crowded) checkRefusal(decided, rejection, reason, costTokens, remaining, claimed);
        else if (rejection.has("retry_after_ms")) falseRefusal(decided, "has retry_after_ms where no wait helps");
        if (agentId == null) {
            require(decided, false, "agent_id is missing");
            return;
        }
        if (crowded) {
            holds.crowded(at(decided), agentId, headers);
            boolean asked = request == null || request.verdict() != RequestVerdict.VALID || request.hold();
            if (!asked) falseRefusal(decided, "refuses for want of a hold what asks for none");
        }
        if (!crowded)
            stated.merge(
                    new Stated(headers.policy(agentId), claimed),
                    new Statement(at(decided), headers.decidedAtMicros()),
                    Statement::orLater);
        if (request == null) {
            remember(decided, headers, source, null, decisions.agent(agentId), costTokens, false);
        } else if (request.verdict() == RequestVerdict.INVALID) {
            violations.add(CONSERVATION, at(decided), "decides on an invalid request by quota");
        } else {
            require(decided, agentId.equals(decisions.agentId(request.agent())), "agent_id is not the request's");
            require(decided, same(costTokens, request.costTokens()), "tokens is not the request's");
            remember(decided, headers, source, request, request.agent(), request.costTokens(), false);
        }
    }

    private void checkRequestInside(OutputRecord decided, RejectionBody rejection, Requests.@Nullable Seen request) {
        require(decided, !rejection.has("request_base64"), "request_base64 is for invalid requests");
        if (rejection.requestFrom() < 0) {
            checkDigest(decided, rejection, request);
            return;
        }
        require(decided, !rejection.has("request_bytes"), "request_bytes is there beside request");
        byte[] inside = Arrays.copyOfRange(
                Objects.requireNonNull(decided.value()), rejection.requestFrom(), rejection.requestTo());
        if (request != null && request.verdict() != RequestVerdict.INVALID)
            require(decided, fingerprint.of(inside) == request.bareValue(), "request is not the request");
        if (RequestReader.read(inside) instanceof Reading.Valid valid)
            require(
                    decided,
                    Objects.equals(valid.requestId(), rejection.text("request_id"))
                            && rejection.has("request_id") == (valid.requestId() != null),
                    "request_id is not the request's");
    }

    private void checkDigest(OutputRecord decided, RejectionBody rejection, Requests.@Nullable Seen request) {
        String sha256 = Objects.requireNonNullElse(rejection.text("request_sha256"), "");
        if (!sha256.matches("[0-9a-f]{64}")) {
            require(decided, false, "neither the request nor its digest is there");
        } else if (request != null) {
            long begin = ByteBuffer.wrap(HexFormat.of().parseHex(sha256)).getLong();
            require(
                    decided,
                    begin == request.value() && rejection.whole("request_bytes", -1) == request.bytes(),
                    "request_sha256 and request_bytes are not the request's");
        }
    }

    private @Nullable PeriodStarts periods(OutputRecord decided, RejectionBody rejection) {
        if (!rejection.has("period") && !rejection.has("zone")) return null;
        String period = rejection.text("period");
        String zone = rejection.text("zone");
        PeriodStarts periods = period == null || zone == null ? null : PeriodStarts.of(period, zone);
        require(decided, periods != null, "period and zone name no periods");
        return periods;
    }

    private void checkRefusal(
            OutputRecord decided,
            RejectionBody rejection,
            String reason,
            double costTokens,
            double remaining,
            PromisedLimit limit) {
        double capacity = limit.capacityTokens();
        double refillRate = limit.refillTokensPerSecond();
        boolean refills = refillRate > 0 || limit.periods() != null;
        boolean waitHelps = reason.equals("quota_exceeded");
        if (!waitHelps) {
            if (!(costTokens > capacity))
                falseRefusal(decided, "says that a cost of " + costTokens + " exceeds a capacity of " + capacity);
            if (rejection.has("retry_after_ms")) falseRefusal(decided, "has retry_after_ms where no wait helps");
            return;
        }
        if (!(remaining < costTokens))
            falseRefusal(decided, "refuses " + costTokens + " tokens although " + remaining + " are left");
        if (costTokens > capacity)
            falseRefusal(decided, "promises that waiting helps, but " + costTokens + " exceeds the capacity");
        if (!rejection.has("retry_after_ms")) {
            if (refills) falseRefusal(decided, "lacks retry_after_ms although waiting helps");
            return;
        }
        double expectedMillis = limit.waitMillis(costTokens - remaining, rejection.whole("decided_at", 0));
        double statedMillis = rejection.whole("retry_after_ms", -1);
        // Another program may have set the bucket's time ahead of the clock: nothing refills until that has come. By
        // how much
        // it was ahead of the decision is at most by how much it is ahead of the request.
        double aheadMillis = Math.max(0, rejection.number("decided_at") / 1000 - decided.timestampMillis());
        // A caller may round up and add a little, but must not be sent back too early, nor be sent away for long.
        double part = limit.periods() == null ? 0.01 : 0; // when a period ends is exactly known
        boolean plausible = refills
                && statedMillis >= Math.min(expectedMillis * (1 - part), 1e15) - 50
                && statedMillis <= expectedMillis * (1 + part) + 1000 + aheadMillis;
        if (!plausible)
            falseRefusal(
                    decided,
                    "has retry_after_ms " + Text.number(statedMillis) + ", but the bucket covers it after "
                            + Text.number(expectedMillis + aheadMillis) + " ms");
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
        require(decided, Arrays.equals(key, decided.key()), "the key is not the agent's id");
        if (request != null && source.partition() == decided.partition() && request.key() == fingerprint.of(key))
            oldestStraight.putIfAbsent(new OutputPartition(decided.outcome(), decided.partition()), source.offset());
        if (decidedAtMicros < 0 || !Double.isFinite(costTokens)) return;
        decisions.add(decided, source, agent, policy, costTokens, remaining, decidedAtMicros, local, shadow);
    }

    /** Looks at what only the whole shows, and returns all that was found. */
    public CheckReport report(Snapshot snapshot) {
        long outside = checkStrangers(snapshot);
        List<String> notes = new ArrayList<>();
        checkStated(notes);
        holds.check(approvals(snapshot), settledFromMicros, readAtMicros, notes);
        var audit = new AgentAudit(settings, policies, decisions, resets, holds, violations, snapshot);
        audit.run();
        long lost = 0;
        long unjudged = 0;
        if (pending > 0) {
            var counter = new LostRequests(snapshot, audit);
            requests.forEach(counter::visit);
            lost = counter.lost;
            unjudged = counter.unjudged;
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
                        at(outcome, (int) strangers.get(row, 3), strangers.get(row, 4)),
                        "decides " + settings.topics().requestsTopic() + "/" + partition + "/" + offset
                                + ", where no request is");
            }
        }
        return outside;
    }

    /** A limit that stands alone is not named, even where the policy gives it a name. */
    private static boolean isOnly(PromisedTerms.PromisedLimit limit, PromisedTerms terms, String claimed) {
        return claimed.isEmpty()
                && terms.limits().size() == 1
                && terms.limits().get(0).equals(limit);
    }

    /** Compares what rejections say about a policy with the policy. */
    private void checkStated(List<String> notes) {
        stated.forEach((claim, statement) -> {
            String where = statement.where();
            if (PolicyRecords.isDefault(claim.policy())) {
                if (policies.widenDefault(
                        claim.limit().capacityTokens(), claim.limit().refillTokensPerSecond()))
                    notes.add("default policy: " + where + " states capacity "
                            + claim.limit().capacityTokens()
                            + " and refill rate " + claim.limit().refillTokensPerSecond()
                            + ", more than TOKEN_BUCKET_SIZE and TOKEN_REFILL_RATE here; checked with the larger");
                return;
            }
            PromisedTerms terms = policies.terms(claim.policy(), statement.micros());
            if (terms == null) return;
            boolean known = terms.limits().stream()
                    .anyMatch(limit -> (limit.name().equals(claim.limit().name())
                                    || isOnly(limit, terms, claim.limit().name()))
                            && same(limit.capacityTokens(), claim.limit().capacityTokens())
                            && same(limit.refillTokensPerSecond(), claim.limit().refillTokensPerSecond())
                            && Objects.equals(limit.periods(), claim.limit().periods()));
            if (!known)
                violations.add(
                        NO_FALSE_REFUSALS,
                        where,
                        "states a capacity, refill rate, period or limit that policy " + Text.shorten(claim.policy())
                                + " has not");
        });
    }

    /** Tells requests that were lost from those whose decision retention may have removed. */
    private final class LostRequests {
        private final Snapshot snapshot;
        private final AgentAudit audit;
        private long lost;
        private long unjudged;

        private LostRequests(Snapshot snapshot, AgentAudit audit) {
            this.snapshot = snapshot;
            this.audit = audit;
        }

        private void visit(Requests.Seen request) {
            if (request.decided() || !settings.isDue(request.timestampMillis()) || isBeforeTheCut(request)) return;
            if (!snapshot.trimmed().isEmpty() && mayBeTrimmed(request)) {
                unjudged++;
                return;
            }
            lost++;
            violations.add(
                    CONSERVATION,
                    settings.topics().requestsTopic() + "/" + request.partition() + "/" + request.offset(),
                    "is decided on neither topic");
        }

        /** Older than all whose decisions were read: its timestamp was ahead, and its decision stands before what was read. */
        private boolean isBeforeTheCut(Requests.Seen request) {
            Long oldest = oldestSources.get(request.partition());
            return oldest != null && request.offset() < oldest;
        }

        private boolean mayBeTrimmed(Requests.Seen request) {
            if (request.agent() < 0) return anyTrimmed(OutputTopic.REJECTED);
            int output = audit.outputPartition(request.agent());
            for (OutputTopic outcome : OutputTopic.values()) {
                boolean trimmed = output < 0
                        ? anyTrimmed(outcome)
                        : snapshot.trimmed().contains(new OutputPartition(outcome, output));
                if (trimmed && !isAfterTheOldest(request, outcome, output)) return true;
            }
            return false;
        }

        /** Whether an older decision, behind which this one would have to stand, is still there. */
        private boolean isAfterTheOldest(Requests.Seen request, OutputTopic outcome, int output) {
            Long oldest =
                    request.partition() == output ? oldestStraight.get(new OutputPartition(outcome, output)) : null;
            return oldest != null && request.offset() > oldest
                    || audit.decidedBefore(request.agent(), outcome, request.partition(), request.offset());
        }

        private boolean anyTrimmed(OutputTopic outcome) {
            return snapshot.trimmed().stream().anyMatch(trimmed -> trimmed.outcome() == outcome);
        }
    }

    private void require(OutputRecord decided, boolean kept, String what) {
        if (!kept) violations.add(CONSERVATION, at(decided), what);
    }

    private void falseRefusal(OutputRecord decided, String what) {
        violations.add(NO_FALSE_REFUSALS, at(decided), what);
    }

    private String at(OutputRecord decided) {
        return at(decided.outcome(), decided.partition(), decided.offset());
    }

    private String at(OutputTopic outcome, int partition, long offset) {
        return settings.topics().topic(outcome) + "/" + partition + "/" + offset;
    }

    private static String text(DecisionHeaders.RequestPosition source) {
        return source.topic() + "/" + source.partition() + "/" + source.offset();
    }

    /** Whether two doubles are the same but for the digits that a way of writing may drop. */
    static boolean same(double one, double other) {
        return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one));
    }

    static byte @Nullable [] decode(@Nullable String base64) {
        try {
            return base64 == null ? null : Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException malformed) {
            return null;
        }
    }
}
