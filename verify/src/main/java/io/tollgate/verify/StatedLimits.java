package io.tollgate.verify;

import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;

import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Statements of rejections about policies: the limit that refused. Compared with the policies once all are known. */
final class StatedLimits {
    private final PolicyRecords policies;
    private final Violations violations;
    private final Map<Stated, Statement> stated = new HashMap<>();

    private record Stated(String policy, PromisedLimit limit) {}

    /** Place and time of the last statement. */
    private record Statement(String where, long micros) {
        Statement orLater(Statement other) {
            return other.micros > micros ? other : this;
        }
    }

    StatedLimits(PolicyRecords policies, Violations violations) {
        this.policies = policies;
        this.violations = violations;
    }

    void add(String policy, PromisedLimit limit, String where, long decidedAtMicros) {
        stated.merge(new Stated(policy, limit), new Statement(where, decidedAtMicros), Statement::orLater);
    }

    /** A single limit is not named, even if the policy gives it a name. */
    private static boolean isOnly(PromisedLimit limit, PromisedTerms terms, String claimed) {
        return claimed.isEmpty()
                && terms.limits().size() == 1
                && terms.limits().get(0).equals(limit);
    }

    /** Compares the statements about a policy with the policy. */
    void check(List<String> notes) {
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
                            && Text.same(limit.capacityTokens(), claim.limit().capacityTokens())
                            && Text.same(
                                    limit.refillTokensPerSecond(), claim.limit().refillTokensPerSecond())
                            && Objects.equals(limit.periods(), claim.limit().periods()));
            if (!known)
                violations.add(
                        NO_FALSE_REFUSALS,
                        where,
                        "states a capacity, refill rate, period or limit that policy " + Text.shorten(claim.policy())
                                + " has not");
        });
    }
}
