package io.tollgate.preflight;

import io.lettuce.core.api.sync.RedisCommands;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.RetriableException;

/**
 * Checks that the clocks of this host, Redis and the brokers agree. A restart while Redis is away starts with this
 * host's clock.
 */
final class ClockCheck {
    private static final long BOUND_MILLIS = 1000;

    private ClockCheck() {}

    /** Asks for Redis' time; the caller explains a failed call. */
    static boolean redis(RedisCommands<String, String> redis, List<Finding> findings) {
        return compare("Redis", findings, () -> {
            var time = redis.time();
            return Long.parseLong(time.get(0)) * 1000 + Long.parseLong(time.get(1)) / 1000;
        });
    }

    /**
     * Asks the leading controller when it was last in touch with itself. Skipped without the right
     * DESCRIBE on the cluster.
     */
    static void brokers(Brokers brokers, List<Finding> findings) {
        try {
            compare(
                    "Kafka's controller",
                    findings,
                    () -> controllerMillis(brokers).orElse(System.currentTimeMillis()));
        } catch (RetriableException away) {
            throw away;
        } catch (KafkaException notPermittedOrOld) {
            // The pipeline does not need this right.
        }
    }

    private static OptionalLong controllerMillis(Brokers brokers) {
        var quorum = Brokers.await(brokers.admin().describeMetadataQuorum().quorumInfo());
        return quorum.voters().stream()
                .filter(voter -> voter.replicaId() == quorum.leaderId())
                .map(voter -> voter.lastCaughtUpTimestamp())
                .findFirst()
                .orElse(OptionalLong.empty());
    }

    static boolean compare(String whose, List<Finding> findings, LongSupplier clock) {
        long before = System.currentTimeMillis();
        long theirs = clock.getAsLong();
        long after = System.currentTimeMillis();
        // Their answer was true at some moment between question and answer.
        long ahead = theirs > after ? theirs - after : Math.min(0, theirs - before);
        if (Math.abs(ahead) > BOUND_MILLIS) {
            findings.add(Finding.warning(String.format(
                    Locale.ROOT,
                    "the clock of %s is %.1f s %s this host's: synchronize both with NTP, or a restart during an outage"
                            + " adds or removes tokens",
                    whose,
                    Math.abs(ahead) / 1000.0,
                    ahead > 0 ? "ahead of" : "behind")));
        }
        return true;
    }
}
