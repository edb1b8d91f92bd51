package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * One of an agent's last decisions.
 *
 * @param requests where the request was published; null for a stray, whose record alone remembers that
 * @param offset at which it was published there
 */
public record RecentDecision(
        double costTokens,
        Decision decision,
        boolean enforced,
        @Nullable TopicPartition requests,
        long offset) {
    /** Returns what {@code quota-source} says of the request; empty for a stray. */
    public Optional<String> source() {
        return requests == null
                ? Optional.empty()
                : Optional.of(requests.topic() + "/" + requests.partition() + "/" + offset);
    }
}
