package io.tollgate.events;

import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import io.tollgate.metrics.ThrottledWarning;
import io.tollgate.policy.Mode;
import io.tollgate.quota.TaskOutput;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Watches the agents of one task and sends an event when an agent nears its limit, is refused, or recovers. An agent
 * with enough tokens costs one look-up in memory: the store is read at the start, and written with each event.
 *
 * <p>Only enforced decisions count: under {@code shadow} and {@code off} no request is refused.
 */
public final class DetectEvents extends ContextualProcessor<byte[], TaskOutput, byte[], byte[]> {
    static final String STORE = "told-events";

    /** The most agents that a task watches; some 10 MB. */
    static final int MAX_WATCHED = 20_000;

    /** The time an agent is watched after its last decision. */
    private static final long IDLE_MICROS = 600_000_000;

    private static final Duration SWEEP_INTERVAL = Duration.ofSeconds(10);
    private static final long UNKNOWN = Long.MIN_VALUE;

    private static final class Watched {
        private NotifiedEvents told;
        private long lastRefusalMicros = UNKNOWN;
        private long lastSeenMicros = UNKNOWN;

        Watched(NotifiedEvents told) {
            this.told = told;
        }
    }

    private final ThrottledWarning tooMany = new ThrottledWarning(LoggerFactory.getLogger(DetectEvents.class));
    private final Map<String, Watched> watched = new LinkedHashMap<>(16, 0.75f, true);
    private @Nullable KeyValueStore<String, byte[]> store;
    private long latestMicros;

    /** Returns the store of the last events of the watched agents: in memory, with a changelog. */
    public static StoreBuilder<KeyValueStore<String, byte[]>> storeBuilder() {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
                .withCachingDisabled()
                .withLoggingEnabled(Map.of());
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        super.init(context);
        KeyValueStore<String, byte[]> restored = context.getStateStore(STORE);
        store = restored;
        watched.clear(); // Streams initializes the same object again after a failure
        try (var all = restored.all()) {
            all.forEachRemaining(agent -> watched.put(agent.key, new Watched(NotifiedEvents.decode(agent.value))));
        }
        context.schedule(SWEEP_INTERVAL, PunctuationType.WALL_CLOCK_TIME, time -> sweep());
    }

    @Override
    public void process(Record<byte[], TaskOutput> record) {
        if (record.value() instanceof BucketReset reset) {
            forward(record.key(), ResetEvent.json(reset), reset.atMicros());
        } else {
            process(record, (DecidedRequest) record.value());
        }
    }

    private void process(Record<byte[], TaskOutput> record, DecidedRequest decided) {
        if (decided.policy().mode() != Mode.ENFORCE) return;
        boolean approved = decided.decision().isApproved();
        var left = decided.scarcest();
        double leftShare = left.share();
        long nowMicros = decided.decision().decidedAtMicros();
        latestMicros = Math.max(latestMicros, nowMicros);

        var agentId = decided.request().agentId();
        var agent = watched.get(agentId);
        if (agent == null) {
            if (approved && !NotifiedEvents.isNear(leftShare)) return;
            agent = watch(agentId);
            if (agent == null) return;
        }
        agent.lastSeenMicros = nowMicros;
        // After a restart the time of the last refusal is unknown. Taking it as now, a recovery is sent too late rather
        // than too early.
        if (!approved || agent.lastRefusalMicros == UNKNOWN) agent.lastRefusalMicros = nowMicros;

        var before = agent.told.relaxed(leftShare);
        var kind = before.calledFor(approved, leftShare, nowMicros - agent.lastRefusalMicros);
        var after = kind.isPresent() ? before.tell(kind.get(), leftShare, nowMicros) : before;
        if (after != agent.told) remember(agentId, agent, after);
        if (after != before)
            forward(
                    record.key(),
                    new QuotaEvent(
                                    kind.orElseThrow(),
                                    agentId,
                                    nowMicros,
                                    left.limit(),
                                    left.tokens(),
                                    Source.read(record.headers()),
                                    OriginalTimestamp.of(record))
                            .json(),
                    nowMicros);
    }

    private void forward(byte[] key, byte[] event, long atMicros) {
        // An event has its own time and no headers, because agents set the headers of their requests freely.
        context().forward(new Record<>(key, event, atMicros / 1000, new RecordHeaders()));
    }

    private void remember(String agentId, Watched agent, NotifiedEvents told) {
        agent.told = told;
        Objects.requireNonNull(store).put(agentId, told.encode());
    }

    /** Returns the agent, watched from now on; null if too many agents are watched. */
    private @Nullable Watched watch(String agentId) {
        if (watched.size() >= MAX_WATCHED && !forgetEldest()) {
            tooMany.warn(
                    "more than {} agents of a task are at their limits: no event for \"{}\"", MAX_WATCHED, agentId);
            return null;
        }
        var agent = new Watched(NotifiedEvents.NOTHING);
        watched.put(agentId, agent);
        return agent;
    }

    /** Forgets the agent with the oldest last decision, unless one of its events is within the pause. */
    private boolean forgetEldest() {
        var eldest = watched.entrySet().iterator().next();
        if (eldest.getValue().told.isWithinPause(latestMicros)) return false;
        forget(eldest.getKey());
        return true;
    }

    private void sweep() {
        if (latestMicros == 0) return; // without a decision since the start, no agent is idle yet
        var forgotten = new ArrayList<String>();
        watched.forEach((agentId, agent) -> {
            if (agent.lastSeenMicros == UNKNOWN) agent.lastSeenMicros = latestMicros; // restored
            boolean idle = latestMicros - agent.lastSeenMicros >= IDLE_MICROS;
            boolean fine =
                    agent.told.standing() == NotifiedEvents.Standing.FINE && !agent.told.isWithinPause(latestMicros);
            if (idle || fine) forgotten.add(agentId);
        });
        forgotten.forEach(this::forget);
    }

    private void forget(String agentId) {
        watched.remove(agentId);
        Objects.requireNonNull(store).delete(agentId);
    }
}
