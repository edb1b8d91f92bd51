package io.tollgate.verify;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** All decisions about valid requests, in the order of reading: cost, time and place. */
final class Decisions {
    private static final int DECIDED_AT = 0;
    private static final int COST = 1;
    private static final int REMAINING = 2;
    private static final int PARTITIONS = 3; // source in the upper half, output in the lower
    private static final int SOURCE_OFFSET = 4;
    private static final int OUTPUT_OFFSET = 5;
    private static final int AGENT_AND_POLICY = 6;
    private static final int FLAGS = 7;

    private static final long APPROVED = 1;
    private static final long LOCAL = 2;
    private static final long SHADOW = 4;
    private static final int AHEAD = 3; // above the flags

    private final LongTable rows = new LongTable(8);
    private final Interned agents = new Interned();
    private final Interned policies = new Interned();

    /** Numbers for texts. */
    private static final class Interned {
        private final Map<String, Integer> numbers = new HashMap<>();
        private final List<String> texts = new ArrayList<>();

        int number(String text) {
            Integer known = numbers.putIfAbsent(text, texts.size());
            if (known != null) return known;
            texts.add(text);
            return texts.size() - 1;
        }
    }

    void add(
            OutputRecord decided,
            DecisionHeaders.RequestPosition source,
            int agent,
            String policy,
            double costTokens,
            double remainingTokens,
            long decidedAtMicros,
            boolean local,
            boolean shadow) {
        rows.add(
                decidedAtMicros,
                Double.doubleToRawLongBits(costTokens),
                Double.doubleToRawLongBits(remainingTokens),
                pack(source.partition(), decided.partition()),
                source.offset(),
                decided.offset(),
                pack(agent, policies.number(policy)),
                (decided.outcome() == OutputTopic.APPROVED ? APPROVED : 0)
                        | (local ? LOCAL : 0)
                        | (shadow ? SHADOW : 0)
                        | Math.max(0, decidedAtMicros - decided.timestampMillis() * 1000) << AHEAD);
    }

    int size() {
        return rows.size();
    }

    int agent(String agentId) {
        return agents.number(agentId);
    }

    String agentId(int agent) {
        return agents.texts.get(agent);
    }

    int agents() {
        return agents.texts.size();
    }

    int agentOf(int row) {
        return upper(rows.get(row, AGENT_AND_POLICY));
    }

    /** Returns the agent's id for a message. */
    String quotedAgent(int row) {
        return "\"" + Text.shorten(agentId(agentOf(row))) + "\"";
    }

    String policy(int row) {
        return policies.texts.get(lower(rows.get(row, AGENT_AND_POLICY)));
    }

    long decidedAtMicros(int row) {
        return rows.get(row, DECIDED_AT);
    }

    /**
     * Returns a time that had certainly come at this decision. A bucket's own time may be ahead, if another program has
     * set it so, but a request is older than its decision.
     */
    long provenMicros(int row) {
        return decidedAtMicros(row) - (rows.get(row, FLAGS) >>> AHEAD);
    }

    double costTokens(int row) {
        return rows.getDouble(row, COST);
    }

    double remainingTokens(int row) {
        return rows.getDouble(row, REMAINING);
    }

    int sourcePartition(int row) {
        return upper(rows.get(row, PARTITIONS));
    }

    long sourceOffset(int row) {
        return rows.get(row, SOURCE_OFFSET);
    }

    int outputPartition(int row) {
        return lower(rows.get(row, PARTITIONS));
    }

    long outputOffset(int row) {
        return rows.get(row, OUTPUT_OFFSET);
    }

    OutputTopic outcome(int row) {
        return (rows.get(row, FLAGS) & APPROVED) != 0 ? OutputTopic.APPROVED : OutputTopic.REJECTED;
    }

    boolean local(int row) {
        return (rows.get(row, FLAGS) & LOCAL) != 0;
    }

    boolean shadow(int row) {
        return (rows.get(row, FLAGS) & SHADOW) != 0;
    }

    /** Returns the rows of every agent in the order of reading, one agent after the other. */
    int[] byAgent(int[] begins) {
        for (int row = 0; row < size(); row++) begins[agentOf(row) + 1]++;
        for (int agent = 0; agent < agents(); agent++) begins[agent + 1] += begins[agent];
        int[] next = begins.clone();
        int[] sorted = new int[size()];
        for (int row = 0; row < size(); row++) sorted[next[agentOf(row)]++] = row;
        return sorted;
    }

    private static long pack(int upper, int lower) {
        return (long) upper << 32 | lower;
    }

    private static int upper(long packed) {
        return (int) (packed >>> 32);
    }

    private static int lower(long packed) {
        return (int) packed;
    }
}
