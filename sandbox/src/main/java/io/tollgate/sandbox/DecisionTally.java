package io.tollgate.sandbox;

import io.tollgate.sandbox.process.SandboxTopics;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/**
 * Counts published and decided requests, and knows for each published one whether it was decided exactly once. Takes
 * two bits for each request.
 *
 * <p>Thread-safe.
 */
final class DecisionTally {
    /** The figures at one moment; all but {@code published} and {@code missing} are of decisions seen. */
    record Tally(
            long published,
            long decided,
            long approved,
            Map<String, Long> rejectedByReason,
            long byRedis,
            long byLocal,
            long missing,
            long duplicates,
            long others) {
        long rejected() {
            return rejectedByReason.values().stream().mapToLong(Long::longValue).sum();
        }
    }

    private final long[] firstOffsets;
    private final BitSet[] published;
    private final BitSet[] decided;
    private final Map<String, Long> rejectedByReason = new TreeMap<>();
    private final Map<String, Long> refusalsByAgent = new HashMap<>();
    private long publishedCount;
    private long decidedCount;
    private long approvedCount;
    private long holdCount;
    private long byRedis;
    private long byLocal;
    private long duplicates;
    private long others;

    /** @param firstOffsets for each partition of the requests' topic, where this run's requests begin */
    DecisionTally(long[] firstOffsets) {
        this.firstOffsets = firstOffsets.clone();
        published = new BitSet[firstOffsets.length];
        decided = new BitSet[firstOffsets.length];
        for (int partition = 0; partition < firstOffsets.length; partition++) {
            published[partition] = new BitSet();
            decided[partition] = new BitSet();
        }
    }

    /** Notes that the broker has acknowledged a request. */
    synchronized void published(int partition, long offset) {
        published[partition].set(index(partition, offset));
        publishedCount++;
    }

    /** Notes a record of the topics of decisions. */
    synchronized void decided(@Nullable String agent, Headers headers) {
        int[] source = source(text(headers, "quota-source"));
        if (source.length == 0) { // of an earlier run in the same folder, or not our decision
            others++;
            return;
        }
        BitSet seen = decided[source[0]];
        if (seen.get(source[1])) {
            duplicates++;
            return;
        }
        seen.set(source[1]);
        decidedCount++;
        if ("approved".equals(text(headers, "quota-decision"))) {
            approvedCount++;
            if (headers.lastHeader("quota-hold") != null) holdCount++;
        } else {
            String reason = text(headers, "quota-reason");
            rejectedByReason.merge(reason.isEmpty() ? "no reason given" : reason, 1L, Long::sum);
            if (agent != null && !reason.equals("invalid_request")) refusalsByAgent.merge(agent, 1L, Long::sum);
        }
        switch (text(headers, "quota-decided-by")) {
            case "redis" -> byRedis++;
            case "local" -> byLocal++;
            default -> {} // an invalid request has no agent
        }
    }

    /** Returns partition and index of the request; empty if it is not of this run. */
    private int[] source(String text) {
        String[] parts = text.split("/");
        if (parts.length != 3 || !parts[0].equals(SandboxTopics.REQUESTS)) return new int[0];
        try {
            int partition = Integer.parseInt(parts[1]);
            long offset = Long.parseLong(parts[2]);
            if (partition < 0 || partition >= firstOffsets.length || offset < firstOffsets[partition])
                return new int[0];
            return new int[] {partition, index(partition, offset)};
        } catch (NumberFormatException notOurs) {
            return new int[0];
        }
    }

    private int index(int partition, long offset) {
        return Math.toIntExact(offset - firstOffsets[partition]);
    }

    private static String text(Headers headers, String name) {
        Header header = headers.lastHeader(name);
        return header == null || header.value() == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }

    /** Returns how many approvals have opened a hold. */
    synchronized long holds() {
        return holdCount;
    }

    synchronized Tally figures() {
        long missing = 0;
        for (int partition = 0; partition < published.length; partition++) {
            var open = (BitSet) published[partition].clone();
            open.andNot(decided[partition]);
            missing += open.cardinality();
        }
        return new Tally(
                publishedCount,
                decidedCount,
                approvedCount,
                Map.copyOf(rejectedByReason),
                byRedis,
                byLocal,
                missing,
                duplicates,
                others);
    }

    /** Returns the positions of the first undecided requests, as {@code partition/offset}. */
    synchronized List<String> firstMissing(int limit) {
        var found = new ArrayList<String>();
        for (int partition = 0; partition < published.length; partition++) {
            var open = (BitSet) published[partition].clone();
            open.andNot(decided[partition]);
            for (int i = open.nextSetBit(0); i >= 0 && found.size() < limit; i = open.nextSetBit(i + 1)) {
                found.add(partition + "/" + (firstOffsets[partition] + i));
            }
        }
        return found;
    }

    /** Returns the agents refused most often, the most refused first. */
    synchronized List<Map.Entry<String, Long>> mostThrottled(int limit) {
        return refusalsByAgent.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()))
                .limit(limit)
                .map(Map.Entry::copyOf)
                .toList();
    }
}
