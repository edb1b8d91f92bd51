package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * One of an agent's last decisions.
 *
 * @param requests the partition on which the request was published; null for a stray, since only its record holds that
 * @param offset its offset there
 */
public record RecentDecision(
        double costTokens,
        Decision decision,
        boolean enforced,
        @Nullable TopicPartition requests,
        long offset) {
    /** Returns the request's {@code quota-source}; empty for a stray. */
    public Optional<String> source() {
        return requests == null
                ? Optional.empty()
                : Optional.of(requests.topic() + "/" + requests.partition() + "/" + offset);
    }
}
