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
 * @param name as in the header {@code quota-policy}: {@code default}, or the policy's key, {@code @}, its partition on
 *     the policies topic, {@code /} and its offset
 * @param holds the rules for requests that reserve an estimate
 * @param promises its limits, with a number that stands for the name where bytes count; the moment from which they
 *     count, and their predecessors
 */
public record Policy(String name, Mode mode, HoldRules holds, Promises promises) {
    /** The name of the policy of agents without one of their own. */
    public static final String DEFAULT = "default";

    /** A policy that counts from its first use, with the default rules for holds. */
    public Policy(String name, Mode mode, Terms terms) {
        this(name, mode, HoldRules.DEFAULT, Promises.of(terms));
    }

    public Policy(String name, Mode mode, List<NamedLimit> limits) {
        this(name, mode, new Terms(0, limits));
    }

    /** Returns the policy of agents without another one. */
    public static Policy byDefault(Limit limit) {
        return new Policy(DEFAULT, Mode.ENFORCE, Terms.of(limit));
    }

    /**
     * Returns the policy that made a decision for this agent: this one, or an earlier one of which only the terms
     * are known.
     */
    public Policy of(String agentId, Terms decidedBy) {
        return decidedBy == terms() || decidedBy.equals(terms())
                ? this
                : new Policy(PolicyNumber.name(decidedBy.policy(), agentId), mode, holds, Promises.of(decidedBy));
    }

    /** Returns the kind of bucket that it charges. */
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
