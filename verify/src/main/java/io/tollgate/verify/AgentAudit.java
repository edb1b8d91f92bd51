package io.tollgate.verify;

import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;
import static io.tollgate.verify.Invariant.NO_OVER_ADMISSION;
import static io.tollgate.verify.Invariant.ORDER;

import io.tollgate.verify.CheckReport.AgentFigures;
import io.tollgate.verify.Holds.Credit;
import io.tollgate.verify.PromisedTerms.PolicyMode;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import io.tollgate.verify.Resets.Reset;
import io.tollgate.verify.Snapshot.OutputPartition;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/** Checks the decisions of each agent against each other, one agent at a time. */
final class AgentAudit {
    private static final int AGENTS_SHOWN = 10;
    private static final Comparator<AgentFigures> BY_INTEREST =
            Comparator.comparingDouble(AgentFigures::localSeconds).thenComparingLong(AgentFigures::decisions);

    private final CheckerSettings settings;
    private final PolicyRecords policies;
    private final Decisions decisions;
    private final Resets resets;
    private final Holds holds;
    private final Violations violations;
    private final Snapshot snapshot;
    private final int[] begins;
    private final int[] rows;
    private final RedisBucketsAudit redisBuckets;
    private final PriorityQueue<AgentFigures> shown = new PriorityQueue<>(BY_INTEREST);

    private long agents;
    private long byLocal;
    private double localSeconds;
    private double worstOverdraft;
    private double worstBeyondSlack;
    private long unknownPolicy;

    AgentAudit(
            CheckerSettings settings,
            PolicyRecords policies,
            Decisions decisions,
            Resets resets,
            Holds holds,
            Violations violations,
            Snapshot snapshot) {
        this.settings = settings;
        this.policies = policies;
        this.decisions = decisions;
        this.resets = resets;
        this.holds = holds;
        this.violations = violations;
        this.snapshot = snapshot;
        this.begins = new int[decisions.agents() + 1];
        this.rows = decisions.byAgent(begins);
        this.redisBuckets = new RedisBucketsAudit(settings, policies, decisions, violations);
    }

    void run() {
        for (int agent = 0; agent < decisions.agents(); agent++) {
            if (begins[agent] == begins[agent + 1]) continue;
            agents++;
            checkOutputOrder(agent);
            List<Integer> bySource = sorted(
                    agent,
                    Comparator.<Integer>comparingInt(decisions::sourcePartition)
                            .thenComparingLong(decisions::sourceOffset));
            checkTimeOrder(bySource);
            // At the same microsecond approvals come first, so that no refusal is called false wrongly.
            List<Integer> byTime = sorted(
                    agent,
                    Comparator.<Integer>comparingLong(decisions::decidedAtMicros)
                            .thenComparing(decisions::outcome)
                            .thenComparingInt(decisions::sourcePartition)
                            .thenComparingLong(decisions::sourceOffset));
            List<Reset> filled = filled(agent);
            String agentId = decisions.agentId(agent);
            double overdraft = checkSpending(byTime, filled, holds.creditsOf(agentId), policies.rates(agentId));
            // A bucket in Redis learns of settlements a moment later, at a time that the topics do not show.
            if (!holds.concerns(agentId)) redisBuckets.follow(complete(agent, byTime), filled);
            show(figures(agent, byTime, overdraft));
        }
    }

    Map<String, Number> figures() {
        Map<String, Number> figures = new LinkedHashMap<>();
        figures.put("agents", agents);
        figures.put("decided_by_redis", decisions.size() - byLocal);
        figures.put("decided_by_local", byLocal);
        figures.put("local_seconds_of_all_agents", localSeconds);
        figures.put("longest_gap_seconds", longestGapSeconds());
        figures.put("worst_overdraft_tokens", worstOverdraft);
        figures.put("worst_overdraft_beyond_slack_tokens", worstBeyondSlack);
        figures.put("unexplained_drops", redisBuckets.drops());
        figures.put("unexplained_drops_tokens", redisBuckets.droppedTokens());
        return figures;
    }

    List<String> notes() {
        return unknownPolicy == 0
                ? List.of()
                : List.of(unknownPolicy
                        + " decisions name a policy that is no longer on the topic or not readable: not checked for"
                        + " over-admission");
    }

    List<AgentFigures> agents() {
        return shown.stream().sorted(BY_INTEREST.reversed()).toList();
    }

    /** Returns the partition of the agent's decisions; -1 without decisions. */
    int outputPartition(int agent) {
        return begins[agent] == begins[agent + 1] ? -1 : decisions.outputPartition(rows[begins[agent]]);
    }

    /**
     * Returns whether the agent's oldest decision on that topic, of those from the same partition, is about an
     * older request.
     */
    boolean decidedBefore(int agent, OutputTopic outcome, int sourcePartition, long sourceOffset) {
        return IntStream.range(begins[agent], begins[agent + 1])
                .map(at -> rows[at])
                .filter(row -> decisions.outcome(row) == outcome && decisions.sourcePartition(row) == sourcePartition)
                .limit(1)
                .anyMatch(row -> decisions.sourceOffset(row) < sourceOffset);
    }

    private List<Integer> sorted(int agent, Comparator<Integer> order) {
        return IntStream.range(begins[agent], begins[agent + 1])
                .mapToObj(at -> rows[at])
                .sorted(order)
                .toList();
    }

    private record Lane(OutputTopic outcome, int outputPartition, int sourcePartition) {}

    private void checkOutputOrder(int agent) {
        Map<Lane, Long> lastOffsets = new HashMap<>();
        for (int at = begins[agent]; at < begins[agent + 1]; at++) {
            int row = rows[at];
            var lane = new Lane(decisions.outcome(row), decisions.outputPartition(row), decisions.sourcePartition(row));
            Long last = lastOffsets.put(lane, decisions.sourceOffset(row));
            if (last != null && last > decisions.sourceOffset(row))
                violations.add(
                        ORDER,
                        at(row),
                        "decides " + source(row) + " of agent " + decisions.quotedAgent(row) + " after offset " + last);
        }
    }

    private void checkTimeOrder(List<Integer> bySource) {
        for (int i = 1; i < bySource.size(); i++) {
            int before = bySource.get(i - 1);
            int row = bySource.get(i);
            if (decisions.sourcePartition(before) == decisions.sourcePartition(row)
                    && decisions.decidedAtMicros(before) > decisions.decidedAtMicros(row))
                violations.add(
                        ORDER,
                        at(row),
                        "decides " + source(row) + " of agent " + decisions.quotedAgent(row) + " at "
                                + decisions.decidedAtMicros(row) + " µs, before " + source(before) + " at "
                                + decisions.decidedAtMicros(before) + " µs");
        }
    }

    /** Nothing may be decided before all policies are read, or by a policy that does not apply. */
    private void checkPolicy(int row) {
        String policy = decisions.policy(row);
        String objection =
                policies.objection(decisions.agentId(decisions.agentOf(row)), policy, decisions.provenMicros(row));
        if (objection == null) return;
        violations.add(
                decisions.outcome(row) == OutputTopic.APPROVED ? NO_OVER_ADMISSION : NO_FALSE_REFUSALS,
                at(row),
                "decides agent " + decisions.quotedAgent(row) + " by "
                        + (PolicyRecords.isDefault(policy) ? "the default" : "the policy " + Text.shorten(policy))
                        + ", "
                        + objection);
    }

    private void checkMode(int row, PolicyMode mode) {
        if (mode != PolicyMode.ENFORCE && decisions.outcome(row) == OutputTopic.REJECTED)
            violations.add(
                    NO_FALSE_REFUSALS,
                    at(row),
                    "refuses agent " + decisions.quotedAgent(row) + " under a policy that refuses nothing: "
                            + Text.shorten(decisions.policy(row)));
        if (mode != PolicyMode.SHADOW && decisions.shadow(row))
            violations.add(
                    NO_OVER_ADMISSION,
                    at(row),
                    "approves agent " + decisions.quotedAgent(row)
                            + " in shadow under a policy that is not a shadow policy: "
                            + Text.shorten(decisions.policy(row)));
    }

    /**
     * Returns the times at which the agent's enforced buckets were all full. A shadow policy has buckets of its own.
     */
    private List<Reset> filled(int agent) {
        return resets.of(decisions.agentId(agent)).stream()
                .filter(reset -> {
                    PromisedTerms terms = policies.terms(reset.policy(), reset.atMicros());
                    return terms == null || terms.mode() != PolicyMode.SHADOW;
                })
                .toList();
    }

    private double checkSpending(
            List<Integer> byTime, List<Reset> filled, List<Credit> credits, RateTimeline.AgentRates rates) {
        Map<String, AdmissionBound> spending = new HashMap<>();
        double worst = 0;
        int resetsSeen = 0;
        int creditsSeen = 0;
        for (int row : byTime) {
            checkPolicy(row);
            for (; Resets.isBefore(filled, resetsSeen, decisions.decidedAtMicros(row)); resetsSeen++)
                spending.clear(); // full, as at the beginning
            PromisedTerms terms = policies.terms(decisions.policy(row), decisions.decidedAtMicros(row));
            if (terms == null) {
                unknownPolicy++;
                spending.clear();
                continue;
            }
            // These promise nothing, and the enforced buckets stay as they were: meanwhile they refill by the policy
            // before.
            checkMode(row, terms.mode());
            if (terms.mode() != PolicyMode.ENFORCE) continue;
            boolean counts = decisions.outcome(row) == OutputTopic.APPROVED;
            double cost = counts ? decisions.costTokens(row) : 0;
            long now = decisions.decidedAtMicros(row);
            int creditsBefore = creditsSeen;
            while (creditsSeen < credits.size() && credits.get(creditsSeen).atMicros() <= now) creditsSeen++;
            List<Credit> givenBack = credits.subList(creditsBefore, creditsSeen); // in every limit
            for (PromisedLimit limit : terms.limits()) {
                AdmissionBound of = spending.computeIfAbsent(limit.name(), name -> new AdmissionBound(limit, now));
                double gained = rates.gainedTokens(
                        limit.name(),
                        limit == terms.limits().get(0),
                        of.lastMicros(),
                        now,
                        of.lastLimit(),
                        limit,
                        policies.byDefault());
                if (of.approve(limit, now, cost, gained, givenBack))
                    violations.add(NO_OVER_ADMISSION, at(row), overdrawn(row, limit, of));
                worst = Math.max(worst, of.overdraftTokens());
                worstBeyondSlack = Math.max(worstBeyondSlack, of.beyondSlackTokens());
            }
            if (spending.size() > terms.limits().size())
                spending.keySet()
                        .retainAll(
                                terms.limits().stream().map(PromisedLimit::name).toList());
        }
        worstOverdraft = Math.max(worstOverdraft, worst);
        return worst;
    }

    private String overdrawn(int row, PromisedLimit limit, AdmissionBound spending) {
        return "agent " + decisions.quotedAgent(row) + " got " + Text.number(spending.overdraftTokens())
                + " tokens more within " + Text.number(spending.seconds()) + " s than capacity "
                + Text.number(limit.capacityTokens())
                + (limit.periods() == null
                        ? " and refill rate " + Text.number(limit.refillTokensPerSecond()) + " give"
                        : " gives each " + limit.periods().unit() + " in "
                                + limit.periods().zone())
                + (limit.name().isEmpty() ? "" : " under limit " + Text.shorten(limit.name())) + ", and only "
                + Text.number(limit.slackTokens()) + " of them are slack";
    }

    /** Returns the stretch of an agent's decisions in which no approval can be missing for want of reading. */
    private List<Integer> complete(int agent, List<Integer> byTime) {
        boolean cut = settings.fromMillis() != Long.MIN_VALUE
                || snapshot.trimmed().contains(new OutputPartition(OutputTopic.APPROVED, outputPartition(agent)));
        boolean quiet = snapshot.requests().values().stream().allMatch(range -> range.end() == range.logEnd());
        int from = 0;
        int to = byTime.size();
        // An agent's approvals stand on one partition, so all between the first and the last read one were read.
        if (cut) while (from < to && decisions.outcome(byTime.get(from)) != OutputTopic.APPROVED) from++;
        if (!quiet) while (to > from && decisions.outcome(byTime.get(to - 1)) != OutputTopic.APPROVED) to--;
        return byTime.subList(from, to);
    }

    private AgentFigures figures(int agent, List<Integer> byTime, double overdraft) {
        long local = 0;
        long localMicros = 0;
        long longestGapMicros = 0;
        for (int i = 0; i < byTime.size(); i++) {
            int row = byTime.get(i);
            if (decisions.local(row)) local++;
            if (i == 0) continue;
            int before = byTime.get(i - 1);
            long gapMicros = decisions.decidedAtMicros(row) - decisions.decidedAtMicros(before);
            longestGapMicros = Math.max(longestGapMicros, gapMicros);
            if (decisions.local(row) && decisions.local(before)) localMicros += gapMicros;
        }
        byLocal += local;
        localSeconds += localMicros / 1e6;
        return new AgentFigures(
                decisions.agentId(agent),
                byTime.size(),
                byTime.size() - local,
                local,
                localMicros / 1e6,
                longestGapMicros / 1e6,
                overdraft);
    }

    private void show(AgentFigures figures) {
        shown.add(figures);
        if (shown.size() > AGENTS_SHOWN) shown.poll();
    }

    /** Returns the longest time without any decision. */
    private double longestGapSeconds() {
        long[] times = IntStream.range(0, decisions.size())
                .mapToLong(decisions::decidedAtMicros)
                .sorted()
                .toArray();
        long longest = 0;
        for (int i = 1; i < times.length; i++) longest = Math.max(longest, times[i] - times[i - 1]);
        return longest / 1e6;
    }

    private String source(int row) {
        return settings.topics().requestsTopic() + "/" + decisions.sourcePartition(row) + "/"
                + decisions.sourceOffset(row);
    }

    private String at(int row) {
        return settings.at(decisions, row);
    }
}
