package io.tollgate.verify;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Says how fast an agent's buckets may have filled at most between two decisions, also by policies that came and went between them.
 *
 * <p>Where it is not certain which policy was in force, the faster one counts. Not thread-safe.
 */
final class RateTimeline {
    /** @param terms null: deleted */
    private record Stood(@Nullable Terms terms, boolean certain) {}

    /** What stood under the keys that apply to one agent, the key that goes before the others first. */
    record OfAgent(List<TreeMap<Long, Stood>> keys) {
        /** Returns the largest rate of a limit that some policy gave; 0 where no policy is known to have changed then. */
        double largest(String limit, boolean first, long fromMicros, long toMicros, Terms byDefault) {
            var moments = new TreeSet<Long>();
            for (var key : keys)
                moments.addAll(key.subMap(
                                fromMicros - PolicyTimeline.GRACE_MICROS,
                                false,
                                toMicros + PolicyTimeline.GRACE_MICROS,
                                true)
                        .keySet());
            // What stood before, the decision before names.
            double largest = 0;
            for (long moment : moments) {
                for (var terms : at(moment, byDefault)) largest = Math.max(largest, rate(terms, limit, first));
            }
            return largest;
        }

        private List<Terms> at(long micros, Terms byDefault) {
            var possible = new ArrayList<Terms>();
            for (var key : keys) {
                for (var stood : key.headMap(micros, true).descendingMap().values()) {
                    if (stood.terms() != null) possible.add(stood.terms());
                    if (stood.terms() != null && stood.certain()) return possible;
                    if (stood.certain()) break;
                }
            }
            possible.add(byDefault);
            return possible;
        }

        private static double rate(Terms terms, String limit, boolean first) {
            double largest = 0;
            for (int i = 0; i < terms.limits().size(); i++) {
                var other = terms.limits().get(i);
                if (other.name().equals(limit) || (first && i == 0))
                    largest = Math.max(largest, other.refillTokensPerSecond());
            }
            return largest;
        }
    }

    private final Map<String, TreeMap<Long, Stood>> byKey = new HashMap<>();
    private long latestMicros = Long.MIN_VALUE;

    /** @param terms null where it is deleted, or cannot be read */
    void add(PolicyRecord policy, @Nullable Terms terms) {
        if (policy.key() == null) return;
        latestMicros = Math.max(latestMicros, policy.timestampMillis() * 1000);
        byte[] value = policy.value();
        byKey.computeIfAbsent(new String(policy.key(), StandardCharsets.UTF_8), key -> new TreeMap<>())
                .put(latestMicros, new Stood(terms, value == null || PolicyTimeline.isCertain(value)));
    }

    OfAgent of(String agentId) {
        var keys = new ArrayList<TreeMap<Long, Stood>>();
        for (String key : PolicyTimeline.keys(agentId)) {
            var stood = byKey.get(key);
            if (stood != null) keys.add(stood);
        }
        return new OfAgent(keys);
    }
}
