package io.tollgate.quota;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.mirror.BucketStore;
import io.tollgate.policy.Policies;
import io.tollgate.redis.BucketKind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.ToDoubleBiFunction;
import org.apache.kafka.streams.KeyValue;

/**
 * The buckets of one task's agents, in memory over the {@link BucketStore}. For one stream thread alone: the one that
 * polls the task's records and processes them.
 *
 * <p>What is decided without Redis is written to the store before the commit, and with it into the transaction that
 * commits the decision; so is what Redis answered to the first agents after each commit, as many as {@link CallLimits}
 * say. What it answered to others is written behind: Redis has it. Memory is bounded by the heap:
 * {@value #MAX_IN_MEMORY} agents at most, and those polled since the last commit; who was not seen lately goes to the
 * store. A bucket that is full again is forgotten in both, because an absent bucket is a full one.
 */
final class AgentCache {
    private static final int MAX_IN_MEMORY = 100_000;
    private static final int LEAST_IN_MEMORY = 1_000;
    /** Of the heap for each agent, of which it takes a third: a small heap must not fill up with them. */
    private static final long HEAP_BYTES_EACH = 1_536;

    /** All each time where so few wait, in all tasks: a write costs about as much as two decisions. */
    private static final int WRITTEN_BEHIND = 1_024;

    /** Of both, for one task: however many tasks there are, each goes on writing. */
    private static final int LEAST_OF_A_TASK = 8;

    /**
     * Of what waits to be written, where that is more: or with many agents the queue would grow for ever. They wait two
     * seconds.
     */
    private static final int PART_WRITTEN_BEHIND = 8;

    /**
     * To find one to evict: where all were seen lately, the last of these goes, unless its requests are about to be
     * decided.
     */
    private static final int MOST_LOOKED_AT = 8;

    /** How long a full bucket is kept after its last request: replays of uncommitted requests find their fence. */
    private static final double IDLE_SECONDS = 60;

    private final BucketStore store;
    private final int mostInMemory;
    private final int mostStoredAnswers;
    private final int mostWrittenBehind;
    private final Policies policies;
    private final ToDoubleBiFunction<String, BucketKind> nowSeconds;
    private final LinkedHashMap<String, AgentQueue> agents = new LinkedHashMap<>(1024);
    private final ArrayDeque<AgentState> toWrite = new ArrayDeque<>();
    /** Those that must be in the store when the task commits. */
    private final List<AgentState> toCommit = new ArrayList<>();

    /** Agents whose answers of Redis are written with the next commit. */
    private int storedAnswers;

    /** For metrics, which other threads read: when the oldest change was made that is not stored, 0 for none. */
    private volatile long unstoredSinceNanos;

    private volatile int agentsInMemory;
    private int commits;

    /**
     * @param tasks how many may run in this process, each with a mirror of its own
     * @param storedAnswers as in {@link CallLimits}
     * @param nowSeconds the clock of an agent's buckets
     */
    AgentCache(
            BucketStore store,
            Policies policies,
            int tasks,
            int storedAnswers,
            ToDoubleBiFunction<String, BucketKind> nowSeconds) {
        long fit = Runtime.getRuntime().maxMemory() / HEAP_BYTES_EACH / tasks;
        this.mostInMemory = (int) Math.max(LEAST_IN_MEMORY, Math.min(fit, MAX_IN_MEMORY));
        this.mostStoredAnswers = Math.max(Math.min(LEAST_OF_A_TASK, storedAnswers), storedAnswers / tasks);
        this.mostWrittenBehind = Math.max(LEAST_OF_A_TASK, WRITTEN_BEHIND / tasks);
        this.store = store;
        this.policies = policies;
        this.nowSeconds = nowSeconds;
    }

    /** Returns the agent, without any mirror where it was not in memory. */
    AgentQueue agent(String agentId) {
        var known = agents.get(agentId);
        if (known != null) {
            known.seen();
            return known;
        }
        var agent = new AgentQueue(agentId, this);
        agents.put(agentId, agent);
        return agent;
    }

    /** Returns the agent of a request. Nearly always the request names it, which saves a search among all agents. */
    AgentQueue agentOf(PendingDecision request) {
        if (!(request.queue() instanceof AgentQueue agent) || !agent.isNext(request, this))
            return agent(request.request().agentId());
        agent.seen();
        return agent;
    }

    /** Returns what we know of the agent's buckets, from memory or from the store. */
    AgentState of(AgentQueue agent, BucketKind kind) {
        var known = agent.state(kind);
        if (known != null) return known;
        var loaded = new AgentState(agent.id(), kind, store.read(agent.id(), kind));
        agent.keep(kind, loaded);
        return loaded;
    }

    /**
     * Evicts the eldest agent that was not seen since the hand of a clock passed it last. To keep agents in the order
     * of their last requests instead would write to several of them, all over the heap, for each request.
     *
     * @param evicted gets its buckets, which are to be stored
     */
    private void evictOne(List<AgentState> evicted) {
        for (int looked = 0; looked < MOST_LOOKED_AT; looked++) {
            var eldest = agents.values().iterator();
            var agent = eldest.next();
            eldest.remove();
            if (agent.isAwaited() || agent.wasSeenLately() && looked < MOST_LOOKED_AT - 1) {
                agents.put(agent.id(), agent); // as the youngest
                continue;
            }
            for (var kind : BucketKind.values()) {
                var state = agent.state(kind);
                if (state != null) evicted.add(state);
            }
            return;
        }
    }

    /** Writes buckets to the store, those that it does not hold yet. */
    private void store(List<AgentState> states) {
        var entries = new ArrayList<KeyValue<String, byte[]>>(states.size());
        for (var state : states) {
            var held = state.held();
            if (held.isStored() || held.copy() == null) continue;
            entries.add(BucketStore.entry(state.agentId(), state.kind(), held.copy()));
            held.markStored();
        }
        if (!entries.isEmpty()) store.write(entries);
    }

    /** Has the agent's buckets written before the task commits, as they are then. */
    void storeWithCommit(AgentState state) {
        var held = state.held();
        if (held.isStored() || held.waitsForCommit()) return;
        held.waitsForCommit(true);
        toCommit.add(state);
    }

    /** Returns how often the task has come to a commit. */
    int commits() {
        return commits;
    }

    /**
     * Writes what must be committed with the decisions that the task commits now, and evicts the agents that are too
     * many: not earlier, since an agent may be new to memory while Kafka's consumer polls, which swallows what Streams
     * would throw.
     */
    void beforeCommit() {
        for (var state : toCommit) if (state.held().isSettled()) takeOffWhatHasNoRoom(state);
        commits++;
        for (var state : toCommit) state.held().waitsForCommit(false);
        for (int surplus = agents.size() - mostInMemory; surplus > 0; surplus--) evictOne(toCommit);
        store(toCommit);
        toCommit.clear();
        storedAnswers = 0;
    }

    /** Once it is committed, whoever takes the partition over tells Redis of all of it. */
    private void takeOffWhatHasNoRoom(AgentState state) {
        var promises = policies.of(state.agentId()).promises();
        state.held().takeOffWhatHasNoRoom(promises, nowSeconds.applyAsDouble(state.agentId(), state.kind()), commits);
    }

    /**
     * Writes what an answer of Redis has changed: with the commit where few agents are active, else behind.
     *
     * @param nowNanos by {@link TaskTime#nanoTime}
     */
    void answered(AgentState state, long nowNanos) {
        if (state.held().waitsForCommit()) return;
        if (storedAnswers < mostStoredAnswers) {
            storedAnswers++;
            storeWithCommit(state);
            return;
        }
        if (state.held().waitsSinceNanos() != 0) return;
        toWrite.add(state);
        state.held().waitsSince(nowNanos);
        if (toWrite.size() == 1) unstoredSinceNanos = nowNanos;
    }

    /** Writes behind what Redis answered, in the order of the answers, a bounded number of agents. */
    void writeBehind() {
        int most = Math.max(mostWrittenBehind, toWrite.size() / PART_WRITTEN_BEHIND);
        var next = new ArrayList<AgentState>(Math.min(most, toWrite.size()));
        while (next.size() < most && !toWrite.isEmpty()) next.add(toWrite.remove());
        store(next);
        while (!toWrite.isEmpty() && toWrite.peek().held().isStored()) toWrite.remove(); // with a commit meanwhile
        var oldest = toWrite.peek();
        unstoredSinceNanos = oldest == null ? 0 : oldest.held().waitsSinceNanos();
        agentsInMemory = agents.size();
    }

    /** Returns whether nothing waits to be written behind. */
    boolean isWritten() {
        return toWrite.isEmpty();
    }

    /** Returns how many agents were in memory a moment ago. For any thread. */
    int agentsInMemory() {
        return agentsInMemory;
    }

    /** Returns how old the oldest answer of Redis is that the store does not hold. For any thread. */
    double ageSeconds() {
        long since = unstoredSinceNanos;
        return since == 0 ? 0 : (System.nanoTime() - since) / 1e9;
    }

    /** Forgets buckets that are full and idle, a bounded number of agents; goes on next time where it stopped. */
    void sweep() {
        store.sweep((agentId, kind, stored) -> {
            var agent = agents.get(agentId);
            if (agent != null && agent.isAwaited()) return false;
            var inMemory = agent == null ? null : agent.state(kind);
            var copy = inMemory == null ? null : inMemory.held().copy();
            var bucket = copy == null ? stored.get() : copy;
            if (bucket.isUntold() // full, but Redis may hold less
                    || !isFullAndIdle(agentId, bucket.buckets(), nowSeconds.applyAsDouble(agentId, kind))) return false;
            if (inMemory == null || agent == null) return true;
            inMemory.held().markStored(); // or writing behind would bring it back
            agent.keep(kind, null);
            return true;
        });
    }

    private boolean isFullAndIdle(String agentId, AgentBuckets held, double nowSeconds) {
        if (nowSeconds - held.first().lastRefillSeconds() < IDLE_SECONDS) return false;
        var policy = policies.of(agentId);
        var terms = held.terms() == null ? policy.terms() : held.terms();
        for (int i = 0; i < terms.limits().size(); i++) {
            var limit = terms.limits().get(i).limit();
            var bucket = TokenBucket.refill(held.buckets().get(i), limit, nowSeconds);
            if (bucket.tokens() < limit.capacityTokens()) return false;
            // Forgotten it would be as full as what is promised now, which a larger limit must not give away.
            int now = policy.terms().indexOf(terms.limits().get(i).name());
            var promised = policy.limits().get(Math.max(0, now)).limit();
            if (promised.capacityTokens() > limit.capacityTokens()) return false;
        }
        return true;
    }
}
