package io.tollgate.quota;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Terms;
import io.tollgate.ingest.Request;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.EmptyStore;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.redis.BucketKind;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Agents leave memory with a commit, and nothing of them is lost. */
class AgentCacheTest {
    private static final Limit LIMIT = new Limit(10_000, 0);
    private static final int IN_MEMORY = 1_000; // the fewest, which so many tasks leave to each

    @TempDir
    private Path dir;

    private BucketStore store;
    private AgentCache cache;

    @BeforeEach
    void open() {
        store = EmptyStore.in(dir);
        cache = new AgentCache(
                store,
                new Policies(Policy.byDefault(LIMIT), () -> {}),
                Integer.MAX_VALUE,
                CallLimits.USUAL.storedAnswers(),
                (agentId, kind) -> 0);
    }

    @Test
    void excessAgentsAreInTheStore() {
        int agents = 3 * IN_MEMORY;
        for (int i = 0; i < agents; i++) fill(i, i); // as answers of Redis that wait to be written behind
        int beforeTheCommit = agentsInMemory();
        cache.beforeCommit();

        assertThat(beforeTheCommit).isEqualTo(agents);
        assertThat(agentsInMemory()).isEqualTo(IN_MEMORY);
        for (int i = 0; i < agents; i++)
            assertThat(tokensOf(i)).as("agent %d", i).isEqualTo(i);
    }

    @Test
    void recentlySeenAgentStays() {
        for (int i = 0; i < IN_MEMORY; i++) hold(i, i);
        for (int i = 0; i < IN_MEMORY; i++) agent(i).wasSeenLately(); // as if the hand had passed them all
        var eldest = agent(0);
        var next = agent(1);
        next.wasSeenLately();
        hold(IN_MEMORY, 0);
        cache.beforeCommit();

        assertThat(agent(0)).isSameAs(eldest);
        assertThat(agent(1)).isNotSameAs(next);
    }

    @Test
    void waitingAgentStays() {
        var waiting = agent(0);
        waiting.addFirst(new PendingDecision(
                new Request(Optional.empty(), waiting.id(), 1, new byte[0]), 0, 1, System.nanoTime(), false));
        for (int i = 1; i < 5 * IN_MEMORY; i++) hold(i, i);
        cache.beforeCommit();
        for (int i = 5 * IN_MEMORY; i < 10 * IN_MEMORY; i++) hold(i, i % IN_MEMORY);
        cache.beforeCommit();

        assertThat(agent(0)).isSameAs(waiting);
    }

    /** Changed after it was decided to write them, they are written as they are at the commit, and once. */
    @Test
    void repeatedChangeIsWrittenOnce() {
        hold(1, 7);
        hold(1, 5);
        assertThat(store.wrapped().approximateNumEntries()).isZero();
        cache.beforeCommit();

        assertThat(store.read("agent-1", BucketKind.ENFORCED).leastTokens()).isEqualTo(5);
    }

    private AgentQueue agent(int number) {
        return cache.agent("agent-" + number);
    }

    private void hold(int number, double tokens) {
        cache.storeWithCommit(fill(number, tokens));
    }

    private AgentState fill(int number, double tokens) {
        var buckets = cache.of(agent(number), BucketKind.ENFORCED);
        buckets.reset(new AgentBuckets(Terms.of(LIMIT), List.of(new Bucket(tokens, 1_000))), 1_000_000_000, false, 0);
        return buckets;
    }

    private double tokensOf(int number) {
        return cache.of(agent(number), BucketKind.ENFORCED)
                .held()
                .bucketsOrFull(Terms.of(LIMIT), 1_000)
                .leastTokens();
    }

    private int agentsInMemory() {
        cache.writeBehind(); // which counts them
        return cache.agentsInMemory();
    }
}
