package io.tollgate.policy;

import io.tollgate.bucket.NamedLimit;
import java.util.List;
import java.util.Optional;

/**
 * The contents of a record on the policies topic. Immutable.
 *
 * @param limits one without a name, or from 1 to 8 with different names
 * @param holds empty: {@link HoldRules#DEFAULT} counts
 * @param note free text for readers
 */
public record PolicyDocument(Mode mode, List<NamedLimit> limits, Optional<HoldRules> holds, Optional<String> note) {
    /** A policy with the default rules for holds. */
    public PolicyDocument(Mode mode, List<NamedLimit> limits, Optional<String> note) {
        this(mode, limits, Optional.empty(), note);
    }

    public PolicyDocument {
        limits = List.copyOf(limits);
    }
}
