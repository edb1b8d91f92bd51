package io.tollgate.policy;

import io.tollgate.bucket.NamedLimit;
import java.util.List;
import java.util.Optional;

/**
 * What a value on the topic of policies says. Immutable.
 *
 * @param limits one without a name, or from 1 to 8 with different names
 * @param holds empty: it says nothing of holds, so that {@link HoldRules#DEFAULT} counts
 * @param note for people
 */
public record PolicyDocument(Mode mode, List<NamedLimit> limits, Optional<HoldRules> holds, Optional<String> note) {
    /** A policy that says nothing of holds. */
    public PolicyDocument(Mode mode, List<NamedLimit> limits, Optional<String> note) {
        this(mode, limits, Optional.empty(), note);
    }

    public PolicyDocument {
        limits = List.copyOf(limits);
    }
}
