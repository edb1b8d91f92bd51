package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What has happened lately to one task's agents, for people who look: the last decisions of the agents seen last, and who was
 * refused most. For one stream thread alone, but for {@link #mostThrottled}. Memory is bounded, however many agents there are.
 */
final class TaskActivity {
    static final int DECISIONS_EACH = 16;

    private static final int AGENTS = 1_000;
    private static final int THROTTLED = 256;
    static final int SHOWN = 100;
    /** Refusals are counted for this long, and remembered for as long again. */
    private static final long PERIOD_NANOS = 60_000_000_000L;

    private final List<LastDecisions> rings = new ArrayList<>();
    private int hand;
    private Map<String, long[]> refusals = new HashMap<>();
    private Map<String, long[]> refusalsBefore = Map.of();
    private long periodEndsNanos = System.nanoTime() + PERIOD_NANOS;
    private volatile List<Throttled> mostThrottled = List.of();

    /** The newest decisions of one agent, in a ring. */
    static final class LastDecisions {
        private @Nullable AgentQueue owner;
        private boolean seenLately;
        private final @Nullable Decision[] decisions = new Decision[DECISIONS_EACH];
        private final double[] costs = new double[DECISIONS_EACH];
        private final boolean[] enforced = new boolean[DECISIONS_EACH];
        private int count;

        void add(double costTokens, Decision decision, boolean binding) {
            int at = count++ % DECISIONS_EACH;
            if (count == 2 * DECISIONS_EACH) count = DECISIONS_EACH; // never overflows
            decisions[at] = decision;
            costs[at] = costTokens;
            enforced[at] = binding;
        }

        List<RecentDecision> newestFirst() {
            var all = new ArrayList<RecentDecision>(DECISIONS_EACH);
            for (int back = 1; back <= Math.min(count, DECISIONS_EACH); back++) {
                int at = (count - back) % DECISIONS_EACH;
                var decision = decisions[at];
                if (decision != null) all.add(new RecentDecision(costs[at], decision, enforced[at]));
            }
            return all;
        }

        void clear() {
            count = 0;
        }
    }

    /** Notes a decision; {@code enforced}: whether a refusal is one, or only says what would be. */
    void decided(AgentQueue agent, double costTokens, Decision decision, boolean enforced) {
        var last = agent.lastDecisions();
        if (last == null || last.owner != agent) {
            last = rings.size() < AGENTS ? newRing() : takeFromAnother();
            if (last != null) {
                last.owner = agent;
                agent.keep(last);
            }
        }
        if (last != null) {
            last.seenLately = true;
            last.add(costTokens, decision, enforced);
        }
        if (enforced && !decision.isApproved()) refused(agent.id());
    }

    private LastDecisions newRing() {
        var ring = new LastDecisions();
        rings.add(ring);
        return ring;
    }

    /**
     * Takes the ring of an agent that was not seen since the hand of a clock passed it last; null if the one under the hand was. With a
     * million agents nearly every decision comes here, so it looks at one ring only: an agent that is seen again soon finds one.
     */
    private @Nullable LastDecisions takeFromAnother() {
        var ring = rings.get(hand);
        hand = hand + 1 == AGENTS ? 0 : hand + 1;
        boolean free = !ring.seenLately;
        ring.seenLately = false;
        if (!free) return null;
        ring.clear();
        return ring;
    }

    /**
     * Counts as Misra and Gries do: a full table gives one of each count for the newcomer's, so that whoever has more than one
     * in {@value #THROTTLED} of the refusals is in it, and each step costs the same on average.
     *
     * @see <a href="https://doi.org/10.1016/0167-6423(82)90012-0">Finding repeated elements, 1982</a>
     */
    private void refused(String agentId) {
        var count = refusals.get(agentId);
        if (count != null) {
            count[0]++;
        } else if (refusals.size() < THROTTLED) {
            refusals.put(agentId, new long[] {1});
        } else {
            refusals.values().removeIf(each -> --each[0] == 0);
        }
    }

    List<RecentDecision> recent(AgentQueue agent) {
        var last = agent.lastDecisions();
        return last == null || last.owner != agent ? List.of() : last.newestFirst();
    }

    /** Makes what was refused since the last time visible to other threads. */
    void publish() {
        long now = System.nanoTime();
        if (now - periodEndsNanos >= 0) {
            refusalsBefore = now - periodEndsNanos >= PERIOD_NANOS ? Map.of() : refusals;
            refusals = new HashMap<>();
            periodEndsNanos = now + PERIOD_NANOS;
        }
        if (refusals.isEmpty() && refusalsBefore.isEmpty()) {
            mostThrottled = List.of();
            return;
        }
        var sums = new HashMap<String, Long>();
        refusals.forEach((agent, count) -> sums.merge(agent, count[0], Long::sum));
        refusalsBefore.forEach((agent, count) -> sums.merge(agent, count[0], Long::sum));
        mostThrottled = sums.entrySet().stream()
                .map(sum -> new Throttled(sum.getKey(), sum.getValue()))
                .sorted(Comparator.comparingLong(Throttled::refusals).reversed())
                .limit(SHOWN)
                .toList();
    }

    /** Returns who was refused most within the last one to two minutes, as last published, most first. Thread-safe. */
    List<Throttled> mostThrottled() {
        return mostThrottled;
    }
}
