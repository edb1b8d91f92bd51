package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CHARGED_ONCE;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;

import io.tollgate.verify.PromisedTerms.PolicyMode;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import io.tollgate.verify.Resets.Reset;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Follows buckets in Redis token by token, one agent's after the other, to find tokens that vanished without
 * an approval.
 */
final class RedisBucketsAudit {
    private final CheckerSettings settings;
    private final PolicyRecords policies;
    private final Decisions decisions;
    private final Violations violations;
    private long drops;
    private double droppedTokens;

    RedisBucketsAudit(CheckerSettings settings, PolicyRecords policies, Decisions decisions, Violations violations) {
        this.settings = settings;
        this.policies = policies;
        this.decisions = decisions;
        this.violations = violations;
    }

    /** Returns how often tokens vanished that no approval explains. */
    long drops() {
        return drops;
    }

    double droppedTokens() {
        return droppedTokens;
    }

    /** Follows the bucket through stretches in which Redis alone decided, under one policy with one limit. */
    void follow(List<Integer> byTime, List<Reset> filled) {
        Ledger ledger = null;
        String policy = "";
        int suspect = -1;
        int resetsSeen = 0;
        for (int from = 0, to; from < byTime.size(); from = to) {
            int first = byTime.get(from);
            long now = decisions.decidedAtMicros(first);
            for (; Resets.isBefore(filled, resetsSeen, now); resetsSeen++) {
                close(ledger, suspect);
                ledger = null;
                policy = "";
            }
            boolean followable = true;
            double approvedTokens = 0;
            double remaining = Double.POSITIVE_INFINITY;
            for (to = from; to < byTime.size() && decisions.decidedAtMicros(byTime.get(to)) == now; to++) {
                int row = byTime.get(to);
                followable &= !decisions.local(row)
                        && !decisions.shadow(row)
                        && Double.isFinite(decisions.remainingTokens(row))
                        && decisions.policy(row).equals(decisions.policy(first));
                if (decisions.outcome(row) == OutputTopic.APPROVED) approvedTokens += decisions.costTokens(row);
                remaining = Math.min(remaining, decisions.remainingTokens(row));
            }
            PromisedLimit limit = followable ? onlyLimit(decisions.policy(first), now) : null;
            if (limit == null || !policy.equals(decisions.policy(first))) {
                close(ledger, suspect);
                ledger = limit == null ? null : new Ledger(limit, now, remaining);
                policy = limit == null ? "" : decisions.policy(first);
            } else if (ledger != null) {
                boolean sound = ledger.missingTokens() == 0;
                ledger.step(now, approvedTokens, remaining);
                if (sound) suspect = first;
                if (settings.exclusive()) checkRefusals(byTime.subList(from, to), ledger, limit);
            }
        }
        close(ledger, suspect);
    }

    private void checkRefusals(List<Integer> step, Ledger ledger, PromisedLimit limit) {
        for (int row : step) {
            double cost = decisions.costTokens(row);
            if (decisions.outcome(row) == OutputTopic.REJECTED && cost <= limit.capacityTokens() && ledger.covers(cost))
                violations.add(
                        NO_FALSE_REFUSALS,
                        settings.at(decisions, row),
                        "refuses agent " + decisions.quotedAgent(row) + " " + Text.number(cost) + " tokens although "
                                + Text.number(ledger.coveredTokens()) + " must be left");
        }
    }

    private void close(@Nullable Ledger ledger, int suspect) {
        if (ledger == null || ledger.missingTokens() == 0) return;
        drops++;
        droppedTokens += ledger.missingTokens();
        if (settings.exclusive())
            violations.add(
                    CHARGED_ONCE,
                    settings.at(decisions, suspect),
                    "from here on, agent " + decisions.quotedAgent(suspect) + " lacks "
                            + Text.number(ledger.missingTokens()) + " tokens that no approval explains");
    }

    private @Nullable PromisedLimit onlyLimit(String policy, long atMicros) {
        PromisedTerms terms = policies.terms(policy, atMicros);
        return terms != null
                        && terms.mode() == PolicyMode.ENFORCE
                        && terms.limits().size() == 1
                ? terms.limits().get(0)
                : null;
    }
}
