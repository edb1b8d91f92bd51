package io.tollgate.quota;

import io.tollgate.bucket.Charge;
import io.tollgate.bucket.Decision;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * Recent activity of one task's agents, for display: the last decisions of the agents seen last, and the agents refused
 * most. For one stream thread alone, except for {@link #mostThrottled} and {@link #shadowScores}. Memory is bounded,
 * however many agents there are.
 */
final class TaskActivity {
    private static final int AGENTS = 1_000;
    private static final int THROTTLED = 256;
    static final int SHOWN = 100;
    /** The most shadow policies whose verdicts are counted: the first ones. */
    private static final int SHADOWS = 1_000;
    /** Refusals are counted for this long, and kept for as long again. */
    private static final long PERIOD_NANOS = 60_000_000_000L;

    private final List<LastDecisions> all = new ArrayList<>();
    private int hand;
    private Map<String, long[]> refusals = new HashMap<>();
    private Map<String, long[]> refusalsBefore = Map.of();
    private long periodEndsNanos = System.nanoTime() + PERIOD_NANOS;
    private volatile List<Throttled> mostThrottled = List.of();
    private final Map<String, Shadow> shadows = new HashMap<>();
    private volatile List<ShadowScore> shadowScores = List.of();

    private static final class Shadow {
        private final Instant since = Instant.now();
        private long requests;
        private long refusals;
    }

    /**
     * Notes a decision.
     *
     * @param policy of the agent: in shadow mode a refusal is hypothetical
     * @param requests the partition on which the request was published; null for a stray
     */
    void decided(AgentQueue agent, Charge charge, Decision decision, Policy policy, @Nullable TopicPartition requests) {
        boolean enforced = policy.mode() == Mode.ENFORCE;
        var last = agent.lastDecisions();
        if (last == null) last = newFor(agent);
        if (last != null)
            last.add(new RecentDecision(charge.costTokens(), decision, enforced, requests, charge.offset()));
        if (enforced && !decision.isApproved()) refused(agent.id());
        if (policy.mode() == Mode.SHADOW) shadowed(policy.name(), decision.isApproved());
    }

    private void shadowed(String policy, boolean approved) {
        var shadow = shadows.get(policy);
        if (shadow == null) {
            if (shadows.size() == SHADOWS) return;
            shadow = new Shadow();
            shadows.put(policy, shadow);
        }
        shadow.requests++;
        if (!approved) shadow.refusals++;
    }

    /**
     * Reuses the decisions of an agent not seen since the clock's hand last passed it; null if the agent under the hand
     * was seen. With a million agents nearly every decision comes here, so it tries only one: an agent that is seen
     * again soon finds one.
     */
    private @Nullable LastDecisions newFor(AgentQueue agent) {
        if (all.size() < AGENTS) {
            all.add(new LastDecisions());
            hand = all.size() - 1;
        }
        var last = all.get(hand);
        hand = hand + 1 == AGENTS ? 0 : hand + 1;
        if (last.wasSeenLately()) return null;
        last.begin(agent.id());
        agent.keep(last);
        return last;
    }

    /**
     * Counts as Misra and Gries do: a full table gives up one of each count for a newcomer. So every agent with more
     * than one in {@value #THROTTLED} of the refusals is in it, and each step has a constant average cost.
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
        return last == null ? List.of() : last.newestFirst();
    }

    /** Publishes the counts since the last time to other threads. */
    void publish() {
        long now = System.nanoTime();
        if (now - periodEndsNanos >= 0) {
            refusalsBefore = now - periodEndsNanos >= PERIOD_NANOS ? Map.of() : refusals;
            refusals = new HashMap<>();
            periodEndsNanos = now + PERIOD_NANOS;
        }
        var sums = new HashMap<String, Long>();
        for (var counts : List.of(refusals, refusalsBefore)) {
            counts.forEach((agent, count) -> sums.merge(agent, count[0], Long::sum));
        }
        mostThrottled = sums.entrySet().stream()
                .map(sum -> new Throttled(sum.getKey(), sum.getValue()))
                .sorted(Comparator.comparingLong(Throttled::refusals).reversed())
                .limit(SHOWN)
                .toList();
        shadowScores = shadows.entrySet().stream()
                .map(each -> new ShadowScore(
                        each.getKey(), each.getValue().requests, each.getValue().refusals, each.getValue().since))
                .toList();
    }

    /** Returns the scores of shadow policies since this task began, as last published. Thread-safe. */
    List<ShadowScore> shadowScores() {
        return shadowScores;
    }

    /**
     * Returns the agents refused most within the last one to two minutes, as last published, most first. Thread-safe.
     */
    List<Throttled> mostThrottled() {
        return mostThrottled;
    }
}
