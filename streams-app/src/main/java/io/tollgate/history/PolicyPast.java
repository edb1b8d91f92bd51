package io.tollgate.history;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.policy.InvalidPolicyException;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyJson;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;

/**
 * The policies in force at the time of a decision, with their predecessors. The header {@code quota-policy} names a
 * policy, and the policies topic holds the rest. Not thread-safe.
 */
final class PolicyPast {
    private static final String ANY = "*";
    /** The number of changes by which a pipeline may lag behind, or be ahead of what the records' times say. */
    private static final int TRIES = 50;
    /** The records kept of one key: more than {@link Policies} credits for. */
    private static final int KEPT = 12;

    private final Policy byDefault;
    private final Map<String, List<ConsumerRecord<byte[], byte[]>>> byKey = new HashMap<>();
    /** Lengths of prefixes, without the star. */
    private final TreeSet<Integer> lengths = new TreeSet<>();

    /** A clock that stands still until all records are read. */
    private static final class Clock {
        private double nowSeconds; // the default counts from the beginning of time

        double seconds() {
            return nowSeconds;
        }
    }

    /**
     * The policy in force for one agent.
     *
     * @param untilMicros the time from which another policy may be in force
     */
    record Found(@Nullable Policy policy, String header, long untilMicros) {
        static final Found NOTHING = new Found(null, "", Long.MIN_VALUE);

        boolean answers(String wanted, long atMicros) {
            return atMicros < untilMicros && header.equals(wanted);
        }
    }

    PolicyPast(Limit byDefault) {
        this.byDefault = Policy.byDefault(byDefault);
    }

    /** Takes the next record of the policies topic; an invalid one changes nothing. */
    void add(ConsumerRecord<byte[], byte[]> kafka) {
        if (kafka.key() == null) return;
        var key = new String(kafka.key(), StandardCharsets.UTF_8);
        try {
            if (AgentId.brokenRule(key).isPresent()) return;
            if (kafka.value() != null) PolicyJson.parse(kafka.value());
        } catch (InvalidPolicyException ignored) {
            return; // the one before it stays in force
        }
        byKey.computeIfAbsent(key, first -> new ArrayList<>(1)).add(kafka);
        if (key.endsWith(ANY)) lengths.add(key.length() - 1);
    }

    /** Returns every record that may ever have applied to the agent, in the order of the topic. */
    List<ConsumerRecord<byte[], byte[]>> of(String agentId) {
        var found = new ArrayList<>(byKey.getOrDefault(agentId, List.of()));
        for (int length : lengths) {
            if (length > agentId.length()) break;
            var key = agentId.substring(0, length) + ANY;
            if (!key.equals(agentId)) found.addAll(byKey.getOrDefault(key, List.of()));
        }
        if (found.isEmpty()) return Collections.emptyList(); // one for all agents
        found.sort(Comparator.comparingLong(ConsumerRecord::offset));
        return found;
    }

    /**
     * Returns the policy that the header names, as of this moment; none if it is no longer on the topic, or cannot
     * be read.
     *
     * @param records what {@link #of(String)} returns for the agent
     */
    Found find(String agentId, List<ConsumerRecord<byte[], byte[]>> records, String header, long atMicros) {
        int written = 0;
        long atMillis = atMicros / 1000;
        while (written < records.size() && records.get(written).timestamp() <= atMillis) written++;
        long untilMicros = written == records.size()
                ? Long.MAX_VALUE
                : records.get(written).timestamp() * 1000;
        // The pipeline may have lagged behind, or a clock may have been ahead so that the pipeline knew more.
        for (int count = written; count >= Math.max(0, written - TRIES); count--) {
            var policy = after(records.subList(0, count), agentId, atMicros);
            if (policy.name().equals(header)) return new Found(policy, header, untilMicros);
        }
        for (int count = written + 1; count <= Math.min(records.size(), written + TRIES); count++) {
            var policy = after(records.subList(0, count), agentId, atMicros);
            if (policy.name().equals(header)) return new Found(policy, header, untilMicros);
        }
        return new Found(null, header, untilMicros);
    }

    /** Returns the policy after these records. None counts from later than this moment: it had been seen by then. */
    private Policy after(List<ConsumerRecord<byte[], byte[]>> records, String agentId, long atMicros) {
        if (records.isEmpty()) return byDefault;
        var clock = new Clock();
        var policies = new Policies(byDefault, () -> {}, clock::seconds);
        clock.nowSeconds = TokenBucket.seconds(atMicros);
        for (var kafka : latest(records)) {
            policies.apply(kafka.partition(), kafka.offset(), kafka.timestamp(), kafka.key(), kafka.value());
        }
        return policies.of(agentId);
    }

    /** Returns the last records of each key; older ones no longer count. */
    private static List<ConsumerRecord<byte[], byte[]>> latest(List<ConsumerRecord<byte[], byte[]>> records) {
        if (records.size() <= KEPT) return records;
        var seen = new HashMap<String, Integer>();
        var kept = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        for (int i = records.size() - 1; i >= 0; i--) {
            var key = new String(records.get(i).key(), StandardCharsets.UTF_8);
            if (seen.merge(key, 1, Integer::sum) <= KEPT) kept.add(records.get(i));
        }
        Collections.reverse(kept);
        return kept;
    }
}
