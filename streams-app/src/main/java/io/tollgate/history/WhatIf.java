package io.tollgate.history;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.tollgate.bucket.Limit;
import io.tollgate.config.Settings;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.kafka.TopicLog;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyDocument;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.jspecify.annotations.Nullable;

/**
 * Decides past requests again: under the policies in force, and under policies on trial. Reads topics only; needs no
 * running pipeline. Not thread-safe.
 *
 * <p>A window of bounded size puts the decisions of all partitions into the order in which they were made. So memory
 * grows with the number of agents, not of requests.
 */
public final class WhatIf {
    private static final int WINDOW = 200_000;
    /** Events carry the bucket's time; requests carry their sender's, whose clock may be ahead. */
    private static final Duration EVENTS_BEFORE = Duration.ofHours(1);

    /** Strays come from several partitions, so their offsets do not order them. At one moment a bucket only empties. */
    private static final Comparator<PastDecision> STRAYS_TOGETHER = Comparator.comparingDouble(
                    (PastDecision past) -> past.limit().isEmpty() ? -past.remainingTokens() : Double.MAX_VALUE)
            .thenComparing(past -> past.verdict() != Verdict.APPROVED)
            .thenComparingLong(PastDecision::outputOffset);

    private static final JsonMapper JSON = new JsonMapper();

    private final Settings settings;
    private final Map<String, PolicyDocument> tried;
    private final boolean othersDeleted;
    private final Observer observer;
    /** The only agent to replay; null: all agents. */
    private final byte @Nullable [] only;

    private final long mostOffsets;

    /** Takes every decision, in order for each agent. */
    public interface Observer {
        /**
         * One request was decided again.
         *
         * @param refused whether it was refused
         * @param refusedThen whether the policies on trial would have refused it
         */
        void decided(String agentId, int sourcePartition, long sourceOffset, boolean refused, boolean refusedThen);
    }

    /**
     * The number of recorded verdicts that the policies in force do not reproduce, for one reason.
     *
     * @param reason a part of a sentence
     * @param example the {@code quota-source} of one of them
     */
    public record Missed(String reason, long requests, String example) {
        Missed plusOne() {
            return new Missed(reason, requests + 1, example);
        }
    }

    /** The figures of one agent. */
    public record OfAgent(String agentId, Figures figures) {}

    /**
     * The result of a replay.
     *
     * @param reproduced the number of recorded verdicts that the policies in force reproduce
     * @param changed the agents with a changed verdict, the largest savings first
     */
    public record Report(
            Instant since,
            Instant until,
            long agents,
            Figures all,
            long reproduced,
            List<Missed> missed,
            List<OfAgent> changed) {}

    /**
     * Creates a replay with the policies on trial.
     *
     * @param othersDeleted whether all other policies fall back to the default, instead of staying in force
     */
    public WhatIf(Settings settings, Map<String, PolicyDocument> tried, boolean othersDeleted) {
        this(settings, tried, othersDeleted, (agentId, partition, offset, refused, refusedThen) -> {});
    }

    /** As {@link #WhatIf(Settings, Map, boolean)}, with an observer of every decision. */
    public WhatIf(Settings settings, Map<String, PolicyDocument> tried, boolean othersDeleted, Observer observer) {
        this(settings, tried, othersDeleted, observer, null, Long.MAX_VALUE);
    }

    private WhatIf(
            Settings settings,
            Map<String, PolicyDocument> tried,
            boolean othersDeleted,
            Observer observer,
            byte @Nullable [] only,
            long mostOffsets) {
        this.settings = settings;
        this.tried = Map.copyOf(tried);
        this.othersDeleted = othersDeleted;
        this.observer = observer;
        this.only = only;
        this.mostOffsets = mostOffsets;
    }

    /**
     * Returns a replay of a single agent, from the partitions of that agent only.
     *
     * @param mostOffsets at most this many offsets of each of the two partitions are read: the newest
     */
    public static WhatIf ofAgent(Settings settings, String agentId, PolicyDocument tried, long mostOffsets) {
        return new WhatIf(
                settings,
                Map.of(agentId, tried),
                false,
                (agent, partition, offset, refused, refusedThen) -> {},
                agentId.getBytes(StandardCharsets.UTF_8),
                mostOffsets);
    }

    /**
     * Replays the requests with this timestamp or a later one, up to now.
     *
     * @param progress takes the number of offsets to read, and returns a consumer of the number read so far
     */
    public Report run(Instant since, LongFunction<LongConsumer> progress) {
        var until = Instant.now();
        try (var log = new TopicLog(settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames()))) {
            var run = new Run();
            var topics = settings.topics();
            log.read(log.all(log.partitions(topics.policies())), run.policies::add);
            readResets(log, since, run);
            readSettlements(log, since, run);
            var partitions = new ArrayList<>(partitions(log, topics.approved()));
            partitions.addAll(partitions(log, topics.rejected()));
            var decided = log.since(partitions, since).newest(mostOffsets);
            run.read(log, decided, progress.apply(decided.size()));
            return run.report(since, until);
        }
    }

    private List<TopicPartition> partitions(TopicLog log, String topic) {
        var all = log.partitions(topic);
        if (only == null) return all;
        int its = RecordClassifier.partitionOf(only, all.size());
        return all.stream().filter(partition -> partition.partition() == its).toList();
    }

    private void readResets(TopicLog log, Instant since, Run run) {
        try {
            var events = log.partitions(settings.topics().events());
            log.read(log.since(events, since.minus(EVENTS_BEFORE)), kafka -> run.event(kafka.value()));
        } catch (UnknownTopicOrPartitionException none) {
            // without events, no bucket was reset
        }
    }

    private void readSettlements(TopicLog log, Instant since, Run run) {
        try {
            var settled = partitions(log, settings.topics().settled());
            log.read(log.since(settled, since.minus(EVENTS_BEFORE)), kafka -> run.settlement(kafka.value()));
        } catch (UnknownTopicOrPartitionException none) {
            // made by an earlier version, which knew no holds
        }
    }

    /** The end of a hold that gave back, or took, so many tokens. */
    private record GivenBack(long atMicros, double tokens) {}

    /** One reading of the topics. */
    private final class Run implements TopicLog.Taker {
        private final Limit byDefault = settings.defaultLimit();
        private final PolicyPast policies = new PolicyPast(byDefault);
        private final Trial trial = new Trial(tried, othersDeleted, byDefault);
        private final Map<String, AgentReplay> agents = new HashMap<>();
        private final Map<String, Deque<Long>> filledMicros = new HashMap<>();
        private final Map<String, Deque<GivenBack>> givenBack = new HashMap<>();
        private final Map<String, String> names = new HashMap<>();
        private final PriorityQueue<PastDecision> window = new PriorityQueue<>();
        private final Map<TopicPartition, Long> reachedMicros = new HashMap<>();
        private final Map<AgentReplay.Miss, Missed> missed = new EnumMap<>(AgentReplay.Miss.class);
        private long furthestMicros;
        private long reproduced;
        private boolean defaultChanged;
        private LongConsumer progress = read -> {};
        private long read;

        void event(byte @Nullable [] event) {
            JsonNode json = json(event);
            JsonNode at = json.path("at");
            if (!json.path("event").asText().equals("bucket_reset") || !at.isIntegralNumber()) return;
            filledMicros
                    .computeIfAbsent(json.path("agent_id").asText(), agent -> new ArrayDeque<>())
                    .add(at.longValue());
        }

        /** Takes a settlement; one agent's come in the order of their times. */
        void settlement(byte @Nullable [] settlement) {
            JsonNode json = json(settlement);
            double refunded = json.path("refunded").asDouble();
            boolean ours =
                    json.path("hold").asText().startsWith(settings.topics().requests() + "/");
            if (refunded == 0 || !ours || !json.path("decided_at").isIntegralNumber()) return;
            givenBack
                    .computeIfAbsent(json.path("agent_id").asText(), agent -> new ArrayDeque<>())
                    .add(new GivenBack(json.path("decided_at").longValue(), refunded));
        }

        /** Returns what a record holds; nothing if it is not JSON. */
        private static JsonNode json(byte @Nullable [] value) {
            if (value == null) return MissingNode.getInstance();
            try {
                return JSON.readTree(value);
            } catch (IOException malformed) {
                return MissingNode.getInstance();
            }
        }

        void read(TopicLog log, TopicLog.Range range, LongConsumer told) {
            progress = told;
            range.to().keySet().forEach(partition -> reachedMicros.put(partition, Long.MIN_VALUE));
            log.read(range, this);
            while (!window.isEmpty()) decideNext();
        }

        @Override
        public void take(ConsumerRecord<byte[], byte[]> kafka) {
            progress.accept(++read);
            if (only != null && !Arrays.equals(only, kafka.key())) return;
            var decided = DecidedRecord.of(kafka, settings.topics().approved());
            if (!decided.isCharged()) return; // not a request
            if (!decided.approved() && decided.policy().equals(Policy.DEFAULT)) noteDefault(decided);
            var past = past(decided);
            var partition = new TopicPartition(kafka.topic(), kafka.partition());
            reachedMicros.merge(partition, past.decidedAtMicros(), Math::max);
            furthestMicros = Math.max(furthestMicros, past.decidedAtMicros());
            window.add(past);
            if (window.size() > WINDOW) decideNext();
        }

        private PastDecision past(DecidedRecord decided) {
            var agent = agents.get(decided.agentId());
            if (agent == null) {
                var agentId = decided.agentId();
                agent = new AgentReplay(agentId, agents.size(), policies.of(agentId), trial.concerns(agentId));
                agents.put(agentId, agent);
            }
            return new PastDecision(
                    agent,
                    decided.decidedAtMicros(),
                    decided.costTokens(),
                    decided.remainingTokens(),
                    decided.sourcePartition(),
                    decided.sourceOffset(),
                    decided.offset(),
                    Verdict.of(decided),
                    decided.isShadow(),
                    decided.decidedBy().equals("local"),
                    names.computeIfAbsent(decided.policy(), name -> name),
                    decided.limit().isEmpty() ? "" : names.computeIfAbsent(decided.limit(), name -> name));
        }

        private void noteDefault(DecidedRecord decided) {
            defaultChanged |= decided.number("capacity", byDefault.capacityTokens()) != byDefault.capacityTokens()
                    || decided.number("refill_rate", byDefault.refillTokensPerSecond())
                            != byDefault.refillTokensPerSecond();
        }

        /** Pauses partitions that are far ahead of the slowest, once the window is full. */
        @Override
        public Collection<TopicPartition> waiting(Collection<TopicPartition> open) {
            if (window.size() < WINDOW / 2) return List.of();
            long behind = open.stream().mapToLong(this::reached).min().orElse(0);
            long span = furthestMicros - window.element().decidedAtMicros();
            return open.stream()
                    .filter(partition -> reached(partition) != behind && reached(partition) - span / 4 > behind)
                    .toList();
        }

        private long reached(TopicPartition partition) {
            return reachedMicros.getOrDefault(partition, Long.MIN_VALUE);
        }

        /** Replays the next decision, with all decisions on its agent at that moment. */
        private void decideNext() {
            var first = window.remove();
            var next = window.peek();
            if (next == null || !isTogether(first, next)) {
                decide(first);
                return;
            }
            var together = new ArrayList<PastDecision>();
            together.add(first);
            boolean oneSource = true;
            while (next != null && isTogether(first, next)) {
                together.add(window.remove());
                oneSource &= next.sourcePartition() == first.sourcePartition();
                next = window.peek();
            }
            if (!oneSource) together.sort(STRAYS_TOGETHER);
            together.forEach(this::decide);
        }

        private static boolean isTogether(PastDecision one, PastDecision other) {
            return one.agent() == other.agent() && one.decidedAtMicros() == other.decidedAtMicros();
        }

        private void decide(PastDecision past) {
            var agent = past.agent();
            var fills = filledMicros.get(agent.agentId());
            while (fills != null && !fills.isEmpty() && fills.element() <= past.decidedAtMicros()) {
                fills.remove();
                agent.fill();
            }
            var refunds = givenBack.get(agent.agentId());
            while (refunds != null && !refunds.isEmpty() && refunds.element().atMicros() <= past.decidedAtMicros()) {
                var refund = refunds.remove();
                agent.settle(refund.atMicros(), refund.tokens());
            }
            var outcome = agent.decide(past, policies, trial);
            var miss = agent.miss(outcome, past, defaultChanged);
            if (miss == null) reproduced++;
            else missed.merge(miss, missed(miss, past), (first, more) -> first.plusOne());
            observer.decided(
                    agent.agentId(),
                    past.sourcePartition(),
                    past.sourceOffset(),
                    past.refused(),
                    outcome.refusedThen());
        }

        private Missed missed(AgentReplay.Miss why, PastDecision past) {
            return new Missed(
                    why.text(),
                    1,
                    settings.topics().requests() + "/" + past.sourcePartition() + "/" + past.sourceOffset());
        }

        Report report(Instant since, Instant until) {
            var all = new Figures();
            agents.values().forEach(agent -> all.add(agent.figures()));
            var changed = agents.values().stream()
                    .filter(agent -> agent.figures().changed() > 0)
                    .map(agent -> new OfAgent(agent.agentId(), agent.figures()))
                    .sorted(Comparator.comparingDouble(
                                    (OfAgent of) -> -Math.abs(of.figures().savedTokens()))
                            .thenComparing(OfAgent::agentId))
                    .toList();
            return new Report(since, until, agents.size(), all, reproduced, List.copyOf(missed.values()), changed);
        }
    }
}
