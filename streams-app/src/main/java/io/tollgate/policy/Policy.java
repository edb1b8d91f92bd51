package io.tollgate.policy;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.redis.BucketKind;
import java.util.List;

/**
 * What an agent was promised, and by whom. Immutable.
 *
 * @param name what the header {@code quota-policy} says: {@code default}, or the key of the policy, {@code @}, its partition,
 *     {@code /} and its offset on the topic of policies
 * @param holds what counts for requests that reserve an estimate
 * @param promises its limits, with a number that stands for the name where bytes count; since when they count, and what came before
 */
public record Policy(String name, Mode mode, HoldRules holds, Promises promises) {
    /** What {@code quota-policy} says of agents that have no policy. */
    public static final String DEFAULT = "default";

    /** A policy that counts from whenever it is first asked for, and says nothing of holds. */
    public Policy(String name, Mode mode, Terms terms) {
        this(name, mode, HoldRules.DEFAULT, Promises.of(terms));
    }

    public Policy(String name, Mode mode, List<NamedLimit> limits) {
        this(name, mode, new Terms(0, limits));
    }

    /** Returns the policy of agents that have no other. */
    public static Policy byDefault(Limit limit) {
        return new Policy(DEFAULT, Mode.ENFORCE, Terms.of(limit));
    }

    /** Returns the policy that a decision for this agent was made by: this one, or an earlier one of which only the terms are known. */
    public Policy of(String agentId, Terms decidedBy) {
        return decidedBy == terms() || decidedBy.equals(terms())
                ? this
                : new Policy(PolicyNumber.name(decidedBy.policy(), agentId), mode, holds, Promises.of(decidedBy));
    }

    /** Returns which of an agent's buckets it spends. */
    public BucketKind kind() {
        return mode == Mode.SHADOW ? BucketKind.SHADOW : BucketKind.ENFORCED;
    }

    /** Returns its limits, and its number. */
    public Terms terms() {
        return promises.terms();
    }

    /** Returns all limits; the first is the one that other programs share. */
    public List<NamedLimit> limits() {
        return terms().limits();
    }

    /** Returns the first limit. */
    public Limit limit() {
        return terms().first();
    }
}
