package io.tollgate.policy;

import io.tollgate.bucket.NamedLimit;
import java.util.List;
import java.util.Optional;

/**
 * What a value on the topic of policies says. Immutable.
 *
 * @param limits one without a name, or from 1 to 8 with different names
 * @param note for people
 */
public record PolicyDocument(Mode mode, List<NamedLimit> limits, Optional<String> note) {
    public PolicyDocument {
        limits = List.copyOf(limits);
    }
}
