package io.tollgate.verify;

import io.tollgate.verify.PromisedTerms.PromisedLimit;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Tells the most that an agent's buckets can have gained between two decisions, also by policies that came and went
 * between them.
 *
 * <p>If the policy in force is uncertain, the faster one counts. Not thread-safe.
 */
final class RateTimeline {
    /** Rounding of the times in bucket and record. */
    private static final long LATE_MICROS = 100_000;

    /** @param terms null: deleted */
    private record Stood(@Nullable PromisedTerms terms, boolean certain) {}

    /** The records of the keys that apply to one agent; the key that takes precedence comes first. */
    record AgentRates(List<TreeMap<Long, Stood>> keys) {
        /**
         * Returns the most tokens that a limit can have gained between two decisions: in each stretch of time by its
         * rate, and by the fastest possible rate near a change or where the rate is unknown.
         *
         * @param first whether it is the policy's first limit, whose bucket continues under any name
         * @param before the limit at the first decision
         * @param after the limit at the second decision
         */
        double gainedTokens(
                String limit,
                boolean first,
                long fromMicros,
                long toMicros,
                PromisedLimit before,
                PromisedLimit after,
                PromisedTerms byDefault) {
            var named = List.of(before, after);
            var changes = changes(fromMicros, toMicros);
            if (changes.isEmpty()) return most(named, fromMicros, toMicros);
            double gained = 0;
            long begin = fromMicros;
            for (long end : ends(changes, fromMicros, toMicros)) {
                var near = near(changes, begin, end, toMicros);
                gained += most(possible(limit, first, begin, near, named, byDefault), begin, end);
                begin = end;
            }
            return gained;
        }

        private TreeSet<Long> changes(long fromMicros, long toMicros) {
            var changes = new TreeSet<Long>();
            for (var key : keys)
                changes.addAll(key.subMap(
                                fromMicros - PolicyTimeline.GRACE_MICROS,
                                false,
                                toMicros + PolicyTimeline.GRACE_MICROS,
                                true)
                        .keySet());
            return changes;
        }

        /** Returns the ends of the stretches: those near a change, and those between. */
        private static TreeSet<Long> ends(TreeSet<Long> changes, long fromMicros, long toMicros) {
            var ends = new TreeSet<Long>();
            for (long change : changes) {
                ends.add(change - PolicyTimeline.GRACE_MICROS);
                ends.add(change + lateMicros(change, toMicros));
            }
            ends.add(toMicros);
            return new TreeSet<>(ends.subSet(fromMicros, false, toMicros, true));
        }

        /**
         * Returns how long after a change the former rate may still have counted. A change may be seen late; once seen,
         * it counts from its moment.
         */
        private static long lateMicros(long change, long toMicros) {
            return toMicros > change + PolicyTimeline.GRACE_MICROS ? LATE_MICROS : PolicyTimeline.GRACE_MICROS;
        }

        private static List<Long> near(TreeSet<Long> changes, long beginMicros, long endMicros, long toMicros) {
            return changes.stream()
                    .filter(change -> change + lateMicros(change, toMicros) > beginMicros
                            && change - PolicyTimeline.GRACE_MICROS < endMicros)
                    .toList();
        }

        private static double most(List<PromisedLimit> limits, long fromMicros, long toMicros) {
            double most = 0;
            for (var limit : limits) most = Math.max(most, limit.gainedTokens(fromMicros, toMicros));
            return most;
        }

        /** Returns the possible limits in a stretch of time. */
        private List<PromisedLimit> possible(
                String limit,
                boolean first,
                long beginMicros,
                List<Long> near,
                List<PromisedLimit> named,
                PromisedTerms byDefault) {
            boolean certain = near.isEmpty() && isKnown(beginMicros);
            var possible = new ArrayList<PromisedLimit>(certain ? List.of() : named);
            for (var terms : at(beginMicros, byDefault)) add(terms, limit, first, possible);
            for (long change : near) {
                for (var terms : at(change, byDefault)) add(terms, limit, first, possible);
            }
            return possible;
        }

        /**
         * Returns whether the topic still holds the record that counted then: compaction leaves no older record of
         * a key.
         */
        private boolean isKnown(long micros) {
            for (var key : keys) {
                var stood = key.floorEntry(micros);
                if (stood == null) return false;
                if (stood.getValue().terms() != null && stood.getValue().certain()) return true;
            }
            return true;
        }

        private List<PromisedTerms> at(long micros, PromisedTerms byDefault) {
            var possible = new ArrayList<PromisedTerms>();
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

        private static void add(PromisedTerms terms, String limit, boolean first, List<PromisedLimit> to) {
            for (int i = 0; i < terms.limits().size(); i++) {
                var other = terms.limits().get(i);
                if (other.name().equals(limit) || (first && i == 0)) to.add(other);
            }
        }
    }

    private final Map<String, TreeMap<Long, Stood>> byKey = new HashMap<>();
    private long latestMicros = Long.MIN_VALUE;

    /** @param terms null where it is deleted, or cannot be read */
    void add(TopicRecord policy, @Nullable PromisedTerms terms) {
        if (policy.key() == null) return;
        latestMicros = Math.max(latestMicros, policy.timestampMillis() * 1000);
        byte[] value = policy.value();
        byKey.computeIfAbsent(new String(policy.key(), StandardCharsets.UTF_8), key -> new TreeMap<>())
                .put(latestMicros, new Stood(terms, value == null || PolicyTimeline.isCertain(value)));
    }

    AgentRates of(String agentId) {
        var keys = new ArrayList<TreeMap<Long, Stood>>();
        for (String key : PolicyTimeline.keys(agentId)) {
            var stood = byKey.get(key);
            if (stood != null) keys.add(stood);
        }
        return new AgentRates(keys);
    }
}
