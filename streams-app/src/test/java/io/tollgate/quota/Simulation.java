package io.tollgate.quota;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.memoryredis.MemoryRedis;
import io.tollgate.policy.HoldRules;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policies;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import io.tollgate.policy.PolicyRecords;
import io.tollgate.quota.SimulatedKafka.Log;
import io.tollgate.quota.SimulatedKafka.Output;
import io.tollgate.quota.SimulatedKafka.Published;
import io.tollgate.quota.SimulatedKafka.Settlement;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.kafka.common.TopicPartition;

/**
 * Runs one history: the real processors, the real script, and around them a broker, a Redis, a network and a time that do what the
 * history says. Afterwards it has everything healed, decided and asked for, and judges what a consumer of committed records has seen.
 */
final class Simulation {
    private static final int INSTANCES = 2;
    private static final int NOBODY = -1;
    /** A power of two; with the smaller ones it is above the capacity. */
    private static final int MOST_LEFT_TOKENS = 32;

    /** Two agents of one partition, and one of the other. */
    private static final List<String> AGENTS = agents();

    /** By which Redis loses what it was told. */
    private static final Set<Step.Kind> LOSSES =
            Set.of(Step.Kind.EMPTY, Step.Kind.FAILOVER, Step.Kind.DELETE, Step.Kind.CORRUPT, Step.Kind.WRONG_TYPE);

    /** By which a request that is decided again under at-least-once may get another answer. */
    private static final Predicate<Step.Kind> ANSWERS_DIFFER = kind -> kind.disturbsCalls()
            || Set.of(Step.Kind.STEAL, Step.Kind.RESET, Step.Kind.SETTLE).contains(kind);

    /** By which another instance takes over, or the same one from what it has stored. */
    private static final Set<Step.Kind> MOVES =
            Set.of(Step.Kind.MOVE, Step.Kind.STEAL, Step.Kind.CRASH, Step.Kind.OFFSETS_BACK, Step.Kind.REPORTS_BACK);

    private static final double EPSILON = 1e-6;
    private static final long LONGEST_WAIT_MICROS = 1_000_000;
    private static final double SLACK_SECONDS = 0.05;
    /** Those that end later stay open. */
    private static final long LONGEST_HOLD_MICROS = 10_000_000;

    /** A promise that was not kept. */
    record Violation(String promise, String what) {}

    /** Hears of what becomes of one instance's calls, which it may not know. */
    interface Ledger {
        /** What the instance gets from now on, it knows no more of than another. */
        void lostPartition(int partition);

        /** It is on its way to Redis. */
        void sent(SpendRequest spend);

        /** Redis has executed it. */
        void executed(SpendRequest spend);

        /** Redis has answered the instance. */
        void answered(SpendRequest spend, SpendResult.Decided answer);

        /** Redis has executed it, and its answer does not arrive in time. */
        void fateUnknown(SpendRequest spend);

        /** A call for this agent has failed. */
        void failed(String agent);

        /** Redis has answered the instance that it disagrees about this agent. */
        void disagreed(String agent);

        /** The instance has decided the request at this {@link SimulatedKafka#position}. */
        void decided(String agent, long position, Decision decision);
    }

    /** @param askers a bit for each instance, another one each time that it has lost a partition */
    private record Asked(double cost, long askers) {}

    private record Unasked(long position, long decider) {}

    /** What Redis may have charged of an agent without its decider knowing; requests by {@link SimulatedKafka#position}. */
    private static final class Charges {
        /** What was sent and nobody has decided yet. */
        final Set<Long> underWay = new HashSet<>();
        /** What was decided, by whom and how often ever. */
        final Set<Long> decided = new HashSet<>();
        /** What Redis has executed. */
        final Map<Long, Asked> asked = new HashMap<>();
        /** What was under way when a call failed or its answer was given up: charged or not, nobody knows. */
        final Set<Long> unknown = new HashSet<>();
        /** What Redis had executed for an instance that did not decide it. */
        final Set<Long> ofOthers = new HashSet<>();
        /**
         * Of these, what was decided on a level that held it: when Redis had disagreed; or after a first settlement, when Redis had decided
         * requests of the other source anew.
         */
        final Map<Decision, Long> takenOver = new IdentityHashMap<>();
        /** What was decided without asking Redis, and by whom. */
        final Map<Decision, Unasked> unasked = new IdentityHashMap<>();

        double cost(Set<Long> positions) {
            double cost = 0;
            for (var each : asked.entrySet())
                if (positions.contains(each.getKey())) cost += each.getValue().cost();
            return cost;
        }
    }

    private final Map<String, Charges> charges = new HashMap<>();
    /** Of requests that were decided before: by Redis for another instance, or in a transaction that was aborted. */
    private final Set<Decision> again = Collections.newSetFromMap(new IdentityHashMap<>());

    /** By refusals, for how many requests Redis had approved by then that were not decided here. */
    private final Map<Decision, Integer> opening = new IdentityHashMap<>();

    private int starts;

    private Charges charges(String agent) {
        return charges.computeIfAbsent(agent, each -> new Charges());
    }

    private static long position(SpendRequest spend, Charge charge) {
        return SimulatedKafka.position(spend.source(), charge.offset());
    }

    private final class OfInstance implements Ledger {
        private final Set<String> disagreed = new HashSet<>();
        /** By agent, the sources of what Redis has decided for this instance alone. */
        private final Map<String, Set<Long>> anew = new HashMap<>();

        /** What it has sent and not decided, and whether Redis has approved it; by agent. */
        private final Map<String, Map<Long, Boolean>> waiting = new HashMap<>();
        /** By what was sent, the bit that the instance had then. */
        private final Map<SpendRequest, Long> askers = new IdentityHashMap<>();

        private long bit = 1L << starts++ % Long.SIZE;

        @Override
        public void lostPartition(int partition) {
            anew.clear();
            waiting.keySet().removeIf(agent -> home(agent) == partition);
            bit = 1L << starts++ % Long.SIZE;
        }

        @Override
        public void sent(SpendRequest spend) {
            askers.put(spend, bit);
            var underWay = charges(spend.agentId()).underWay;
            var its = waiting.computeIfAbsent(spend.agentId(), each -> new HashMap<>());
            for (var charge : spend.charges()) {
                underWay.add(position(spend, charge));
                its.putIfAbsent(position(spend, charge), false);
            }
        }

        @Override
        public void executed(SpendRequest spend) {
            long asker = askers.getOrDefault(spend, bit);
            var asked = charges(spend.agentId()).asked;
            for (var charge : spend.charges()) {
                long position = position(spend, charge);
                var before = asked.get(position);
                long all = before == null ? asker : before.askers() | asker;
                asked.put(position, new Asked(charge.costTokens(), all));
            }
        }

        @Override
        public void answered(SpendRequest spend, SpendResult.Decided answer) {
            var its = waiting.computeIfAbsent(spend.agentId(), each -> new HashMap<>());
            for (int i = 0; i < spend.charges().size(); i++) {
                boolean approved = answer.decisions().get(i).isApproved();
                its.computeIfPresent(position(spend, spend.charges().get(i)), (position, before) -> approved);
            }
        }

        @Override
        public void fateUnknown(SpendRequest spend) {
            var unknown = charges(spend.agentId()).unknown;
            for (var charge : spend.charges()) unknown.add(position(spend, charge));
        }

        @Override
        public void failed(String agent) {
            charges(agent).unknown.addAll(charges(agent).underWay);
        }

        @Override
        public void disagreed(String agent) {
            disagreed.add(agent);
        }

        @Override
        public void decided(String agent, long position, Decision decision) {
            var its = charges(agent);
            boolean local = decision.decidedBy() == DecidedBy.LOCAL;
            if (local) failed(agent); // it gives up what is under way
            its.underWay.remove(position);
            var waits = waiting.computeIfAbsent(agent, each -> new HashMap<>());
            waits.remove(position);
            if (decision instanceof Decision.TooManyOpenHolds)
                opening.put(decision, (int)
                        waits.values().stream().filter(each -> each).count());
            if (!its.decided.add(position)) again.add(decision);
            var asked = its.asked.get(position);
            boolean unasked = asked == null || (asked.askers() & bit) == 0;
            if (unasked && !local) its.unasked.put(decision, new Unasked(position, bit));
            var sources = anew.computeIfAbsent(agent, each -> new HashSet<>());
            long source = SimulatedKafka.source(position);
            if (!local && asked != null && asked.askers() == bit) sources.add(source);
            if (asked == null || (asked.askers() & ~bit) == 0) return;
            its.ofOthers.add(position);
            again.add(decision);
            boolean otherAnew = sources.stream().anyMatch(each -> each != source);
            if (disagreed.contains(agent) || local && otherAnew) its.takenOver.put(decision, position);
        }
    }

    /** What was written to the topic of policies: it counts from this moment on, whenever it is read. */
    private record PolicyRecord(long timestampMillis, String agent, String json) {
        void apply(Policies policies, long offset) {
            PolicyRecords.apply(policies, offset, timestampMillis, agent, json);
        }
    }

    private static final class Unheard implements Ledger {
        @Override
        public void lostPartition(int partition) {
            // Nobody judges.
        }

        @Override
        public void sent(SpendRequest spend) {
            // Nobody judges.
        }

        @Override
        public void executed(SpendRequest spend) {
            // Nobody judges.
        }

        @Override
        public void answered(SpendRequest spend, SpendResult.Decided answer) {
            // Nobody judges.
        }

        @Override
        public void fateUnknown(SpendRequest spend) {
            // Nobody judges.
        }

        @Override
        public void failed(String agent) {
            // Nobody judges.
        }

        @Override
        public void disagreed(String agent) {
            // Nobody judges.
        }

        @Override
        public void decided(String agent, long position, Decision decision) {
            // Nobody judges.
        }
    }

    private final History history;
    private final SimulatedTime time = new SimulatedTime();
    private final SimulatedRedis redis;
    private final SimulatedKafka kafka;
    private final SimulatedInstance[] instances = new SimulatedInstance[INSTANCES];
    private final long[] hostAheadMicros = new long[INSTANCES];
    private final int[] owner = new int[SimulatedKafka.PARTITIONS];
    private final List<PolicyRecord> policyLog = new ArrayList<>();
    private final Set<String> inexact = new HashSet<>();
    private final Map<String, Integer> resets = new HashMap<>();
    private final Map<String, Double> highestCapacity = new HashMap<>();
    private final Map<String, Double> highestRate = new HashMap<>();
    private final Map<String, Limit> limits = new HashMap<>();
    /** Agents that had a limit of the calendar at some time. */
    private final Set<String> byCalendar = new HashSet<>();

    /** The number of the first request that asks for what is left in the end. */
    private int drainedFrom;

    private boolean clocksStep;
    /** Whether a process stood still while calls of its own were under way. */
    private boolean callsFailStandingStill;

    private long longestOutageMicros;
    /** Whether times are judged also where there was a zombie. */
    private boolean alsoBesideZombies;

    private Simulation(History history, MemoryRedis memory) {
        this.history = history;
        redis = new SimulatedRedis(time, memory);
        kafka = new SimulatedKafka(history.setup().exactlyOnce());
        Arrays.fill(owner, NOBODY);
        for (var agent : AGENTS) {
            promise(agent, history.setup().limit());
        }
    }

    private void promise(String agent, Limit limit) {
        highestCapacity.merge(agent, limit.capacityTokens(), Math::max);
        highestRate.merge(agent, limit.refillTokensPerSecond(), Math::max);
        if (limit.refill() instanceof CalendarRefill) byCalendar.add(agent);
        limits.put(agent, limit);
    }

    private static List<String> agents() {
        var found = new ArrayList<String>();
        int[] wanted = {0, 0, 1};
        for (char letter = 'a'; found.size() < wanted.length; letter++) {
            var id = "agent-" + letter;
            if (home(id) == wanted[found.size()]) found.add(id);
        }
        return List.copyOf(found);
    }

    private static int home(String agent) {
        return RecordClassifier.partitionOf(agent.getBytes(StandardCharsets.UTF_8), SimulatedKafka.PARTITIONS);
    }

    /** Returns the first promise that the history breaks. Times are not judged where there was a zombie. */
    static Optional<Violation> run(History history, MemoryRedis memory) {
        return run(history, memory, false);
    }

    /** Returns the first promise that the history breaks, times beside zombies included. */
    static Optional<Violation> runJudgingAllTimes(History history, MemoryRedis memory) {
        return run(history, memory, true);
    }

    private static Optional<Violation> run(History history, MemoryRedis memory, boolean alsoBesideZombies) {
        var simulation = new Simulation(history, memory);
        simulation.alsoBesideZombies = alsoBesideZombies;
        try {
            simulation.play();
        } catch (RuntimeException | Error e) {
            return Optional.of(new Violation("no exception", text(e)));
        }
        return simulation.judge();
    }

    /** Returns what was published and decided in a history, a line for each decision. */
    static String tell(History history, MemoryRedis memory) {
        var simulation = new Simulation(history, memory);
        try {
            simulation.play();
        } catch (RuntimeException | Error e) {
            return text(e);
        }
        var text = new StringBuilder();
        for (var output : simulation.kafka.outputs) {
            if (output.decision() == null) continue;
            text.append(output.decision().decidedAtMicros() - SimulatedRedis.wallMicros(0))
                    .append(" µs: ")
                    .append(output.published().log.topicId)
                    .append('/')
                    .append(output.published().partition)
                    .append('/')
                    .append(output.published().offset)
                    .append(' ')
                    .append(told(output))
                    .append('\n');
        }
        for (var ended : simulation.kafka.holds) {
            text.append(ended.report()).append(": ").append(ended.settlement()).append('\n');
        }
        return text.toString();
    }

    private static String text(Throwable failure) {
        var text = new StringBuilder(failure.toString());
        for (var frame : failure.getStackTrace()) {
            if (text.length() > 2000) break;
            text.append("\n    at ").append(frame);
        }
        return text.toString();
    }

    /** Returns how often a process that started without Redis waits for it, when it is back and many agents have polled requests. */
    static long waitsAfterAStartWithoutRedis(int agents, CallLimits limits, MemoryRedis memory) {
        var time = new SimulatedTime();
        var redis = new SimulatedRedis(time, memory);
        var kafka = new SimulatedKafka(true);
        redis.down(true);
        var policies = new Policies(Policy.byDefault(new Limit(10, 0)), () -> {});
        var instance = new SimulatedInstance(time, kafka, redis, new Unheard(), policies, limits, 0, 0);
        instance.assign(0);
        for (int i = 0, named = 0; named < agents; i++) {
            if (home("agent-" + i) != 0) continue;
            kafka.publish("agent-" + i, 1, 0, 0);
            named++;
        }
        instance.poll(agents, false);
        redis.down(false);
        time.pass(2_000_000);
        if (!instance.breaker.isClosed()) throw new IllegalStateException("Redis is not in use again");
        instance.process(agents, 0);
        return instance.waits;
    }

    private void play() {
        for (int i = 0; i < INSTANCES; i++) start(i);
        for (int partition = 0; partition < SimulatedKafka.PARTITIONS; partition++) {
            owner[partition] = partition % INSTANCES;
            instances[owner[partition]].assign(partition);
        }
        for (var step : history.steps()) {
            if (step.after() > 0) time.after((long) step.after() * Step.AFTER_MICROS, () -> outside(step));
            else if (step.kind().isOutside()) outside(step);
            else inside(step);
        }
        settle();
        if (history.setup().holds().isPresent()) endHolds();
        drainedFrom = kafka.published.size();
        for (int i = 0; i < history.setup().agents(); i++) drain(AGENTS.get(i));
        settle();
        for (var instance : instances) noteOutage(instance);
    }

    private Policy defaultWith(HoldRules holds) {
        var terms = Terms.of(history.setup().limit());
        return new Policy(Policy.DEFAULT, Mode.ENFORCE, holds, Promises.of(terms));
    }

    private String agent(Step step) {
        return AGENTS.get(step.value(0) % history.setup().agents());
    }

    private void start(int number) {
        var setup = history.setup();
        long ahead = hostAheadMicros[number];
        var policies = new Policies(
                setup.holds().map(this::defaultWith).orElseGet(() -> Policy.byDefault(setup.limit())),
                () -> {},
                () -> (SimulatedRedis.wallMicros(time.nowMicros()) + ahead) / 1e6);
        for (int i = 0; i < policyLog.size(); i++) policyLog.get(i).apply(policies, i);
        instances[number] = new SimulatedInstance(
                time,
                kafka,
                redis,
                new OfInstance(),
                policies,
                new CallLimits(setup.callAgents(), setup.callRequests(), setup.calls(), setup.storedAnswers()),
                ahead,
                setup.coldCalls());
    }

    /** What those do who run the pipeline, and Kafka. */
    private void inside(Step step) {
        switch (step.kind()) {
            case PUBLISH, RESERVE -> {
                var agent = agent(step);
                boolean holds = step.kind() == Step.Kind.RESERVE;
                int partition = partition(agent, step.value(2));
                kafka.publish(agent, step.value(1), holds, partition, time.nowMicros() / 1000);
            }
            case REPORT -> report(step);
            case NO_REPORT -> kafka.report(null, "", 0, step.value(0), time.nowMicros() / 1000);
            case INVALID -> kafka.publish(null, 0, step.value(0), time.nowMicros() / 1000);
            case POLL -> {
                var instance = instances[step.value(0)];
                if (!instance.dead) instance.poll(1 + step.value(1), step.value(2) == 1);
            }
            case PROCESS -> {
                var instance = instances[step.value(0)];
                if (!instance.dead) instance.process(1 + step.value(1), step.value(2));
            }
            case COMMIT -> {
                var instance = instances[step.value(0)];
                if (!instance.dead) instance.commit(false);
            }
            case WORK -> {
                var instance = instances[step.value(0)];
                if (instance.dead) return;
                instance.poll(1 + step.value(1), false);
                instance.process(Integer.MAX_VALUE, step.value(2));
                instance.commit(false);
            }
            case PASS -> pass(1 + (long) step.value(0) * 1000);
            case MOVE -> move(step.value(0), step.value(1));
            case STEAL -> steal(step.value(0));
            case STAND_STILL -> {
                var instance = instances[step.value(0)];
                if (!instance.dead) instance.standStill(step.value(1) == 1, () -> standStill(step));
            }
            case CRASH -> crash(step.value(0), step.value(1) == 1);
            case START -> {
                if (!instances[step.value(0)].dead) return;
                instances[step.value(0)].abortTransaction();
                start(step.value(0));
                takeUnowned();
            }
            case RESET -> reset(agent(step));
            case SETTLE -> {
                var instance = instances[step.value(1)];
                if (!instance.dead) instance.settle(agent(step), step.value(2) - Step.MOST_REFUND);
            }
            case POLICY -> change(agent(step), History.limit(1 + step.value(1), step.value(2)));
            case OFFSETS_BACK ->
                offsetsBack(
                        step.value(1) == 1 ? SimulatedKafka.REKEYED : SimulatedKafka.REQUESTS,
                        step.value(0),
                        step.value(2));
            case REPORTS_BACK ->
                offsetsBack(
                        step.value(1) == 1 ? SimulatedKafka.REKEYED_USAGE : SimulatedKafka.USAGE,
                        step.value(0),
                        step.value(2));
            case RECREATE -> {
                var topic = step.value(0) == 1 ? SimulatedKafka.REKEYED : SimulatedKafka.REQUESTS;
                kafka.recreate(topic);
                for (var instance : instances) instance.recreated(topic);
            }
            case REDIS_CLOCK -> {
                clocksStep = true;
                redis.stepClock((step.value(0) - 20) * 1000L);
            }
            case HOST_CLOCK -> {
                clocksStep = true;
                hostAheadMicros[step.value(0)] += (step.value(1) - 20) * 1000L;
            }
            default -> throw new IllegalStateException(step.toString());
        }
    }

    /** @param stray 2: it strays */
    private static int partition(String agent, int stray) {
        int home = home(agent);
        return stray == 2 ? (home + 1) % SimulatedKafka.PARTITIONS : home;
    }

    /** A worker reports what a request has used that was approved; or one that nobody has approved yet, or another agent's. */
    private void report(Step step) {
        var agent = agent(step);
        int of = step.value(1);
        var reserved = of < 2
                ? kafka.outputs.stream()
                        .filter(output -> output.hold() != null)
                        .map(Output::published)
                        .filter(each -> agent.equals(each.agent))
                        .toList()
                : kafka.published.stream()
                        .filter(each -> each.holds && (of == 2) == agent.equals(each.agent))
                        .toList();
        if (reserved.isEmpty()) return;
        var reported = reserved.get(Math.max(0, reserved.size() - 1 - step.value(2)));
        int used = step.value(3) % (reported.cost + 2); // one more than reserved, at most
        kafka.report(agent, reported.name(), used, partition(agent, step.value(4)), time.nowMicros() / 1000);
    }

    /** What happens to Redis and the network, and what other programs do. */
    private void outside(Step step) {
        switch (step.kind()) {
            case REDIS_DOWN -> {
                redis.down(true);
                for (var instance : instances) instance.connection.cut(false, 0, 200_000);
                time.after((1 + step.value(0)) * 1000L, () -> redis.down(false));
            }
            case FREEZE -> redis.freeze((1 + step.value(0)) * 1000L);
            case EMPTY -> redis.clear();
            case FAILOVER -> {
                redis.failover(1 + step.value(0));
                for (var instance : instances) instance.connection.cut(false, 0, 10_000);
            }
            case DELETE -> redis.memory().delete(SimulatedRedis.key(agent(step)));
            case CORRUPT -> corrupt(agent(step), step.value(1));
            case WRONG_TYPE -> redis.memory().setString(SimulatedRedis.key(agent(step)));
            case FORGET_SCRIPT -> redis.flushScripts();
            case CUT -> instances[step.value(0)].connection.cut(step.value(1) == 1, step.value(2), 0);
            case LOSE_REPLY -> instances[step.value(0)].connection.loseNextReply();
            case SLOW -> instances[step.value(0)].connection.slow(step.value(1) * 500L);
            case OTHER -> {
                var agent = agent(step);
                inexact.add(agent);
                redis.spendAsOthersDo(
                        agent,
                        limits.get(agent).capacityTokens(),
                        limits.get(agent).refillTokensPerSecond(),
                        step.value(1));
            }
            default -> throw new IllegalStateException(step.toString());
        }
    }

    private void corrupt(String agent, int field) {
        var key = SimulatedRedis.key(agent);
        var memory = redis.memory();
        if (!memory.fields(key).containsKey("tokens")) return;
        inexact.add(agent);
        switch (field) {
            case 0 -> memory.put(key, "tokens", "abc");
            case 1 -> memory.put(key, "tokens", "nan");
            case 2 -> memory.put(key, "last_refill", "0x10");
            case 3 -> memory.put(key, "fence", "damaged, and not by us");
            default -> memory.put(key, "terms", "damaged");
        }
    }

    private void pass(long micros) {
        long until = time.nowMicros() + micros;
        while (time.nowMicros() < until) {
            time.pass(Math.min(50_000, until - time.nowMicros()));
            for (var instance : instances) {
                if (instance.dead) continue;
                if (instance.zombie) instance.beat(); // it knows nothing, but works
                else instance.punctuate();
            }
        }
    }

    /** Another instance takes its partitions over, and decides what it had polled. */
    private void standStill(Step step) {
        var instance = instances[step.value(0)];
        var other = instances[1 - step.value(0)];
        if (instance.dead || instance.zombie || other.dead || other.zombie) return;
        long micros = SimulatedInstance.SESSION_TIMEOUT.toNanos() / 1000;
        callsFailStandingStill |= instance.connection.hasCallsUnderWay();
        instance.connection.standStill(micros);
        steal(step.value(0));
        for (long until = time.nowMicros() + micros; time.nowMicros() < until; ) {
            time.pass(Math.min(50_000, until - time.nowMicros()));
            other.punctuate();
        }
        for (int round = 0; round < 2; round++) {
            if (round > 0 && step.value(3) == 1) other.commit(false); // Redis forgets with the next call
            other.poll(1 + step.value(2), false);
            other.process(Integer.MAX_VALUE, 0);
        }
    }

    private void move(int partition, int to) {
        var next = instances[to];
        if (owner[partition] == to || next.dead || next.zombie) return;
        if (owner[partition] != NOBODY) {
            var before = instances[owner[partition]];
            before.commit(false);
            before.revoke(partition);
        }
        owner[partition] = to;
        next.assign(partition);
    }

    private void steal(int from) {
        int to = 1 - from;
        var victim = instances[from];
        if (victim.dead || victim.zombie || instances[to].dead || instances[to].zombie) return;
        victim.zombie = true;
        for (int partition = 0; partition < owner.length; partition++) {
            if (owner[partition] != from) continue;
            owner[partition] = to;
            instances[to].assign(partition);
        }
    }

    private void crash(int number, boolean committed) {
        var instance = instances[number];
        if (instance.dead) return;
        if (committed) instance.commit(true);
        instance.crash();
        noteOutage(instance);
        for (int partition = 0; partition < owner.length; partition++) {
            if (owner[partition] == number) owner[partition] = NOBODY;
        }
        takeUnowned();
    }

    private void noteOutage(SimulatedInstance instance) {
        longestOutageMicros = Math.max(longestOutageMicros, instance.longestOutageMicros);
    }

    private void takeUnowned() {
        for (int i = 0; i < INSTANCES; i++) {
            if (instances[i].dead) continue;
            for (int partition = 0; partition < owner.length; partition++) {
                if (owner[partition] != NOBODY) continue;
                if (instances[i].zombie) instances[i].poll(1, false); // finds out
                owner[partition] = i;
                instances[i].assign(partition);
            }
        }
    }

    private void reset(String agent) {
        int partition = home(agent);
        if (owner[partition] == NOBODY) return;
        inexact.add(agent);
        resets.merge(agent, 1, Integer::sum);
        instances[owner[partition]].inspector().reset(agent, "api:127.0.0.1");
    }

    private void change(String agent, Limit limit) {
        inexact.add(agent);
        promise(agent, limit);
        var document = new PolicyDocument(
                Mode.ENFORCE, List.of(NamedLimit.only(limit)), history.setup().holds(), Optional.empty());
        var json = new String(PolicyJson.write(document), StandardCharsets.UTF_8);
        var record = new PolicyRecord(SimulatedRedis.wallMicros(time.nowMicros()) / 1000, agent, json);
        for (var instance : instances) record.apply(instance.policies(), policyLog.size());
        policyLog.add(record);
    }

    private void offsetsBack(String name, int partition, int by) {
        if (!kafka.exactlyOnce || owner[partition] == NOBODY) return;
        var instance = instances[owner[partition]];
        instance.commit(false);
        instance.revoke(partition);
        var topic = new TopicPartition(name, partition);
        kafka.committed.computeIfPresent(topic, (which, at) -> Math.max(0, at - by));
        instance.assign(partition);
    }

    /** Heals everything, and has everything decided. */
    private void settle() {
        redis.down(false);
        redis.thaw();
        for (int i = 0; i < INSTANCES; i++) {
            if (!instances[i].dead) continue;
            instances[i].abortTransaction();
            start(i);
        }
        for (var agent : AGENTS) {
            var key = SimulatedRedis.key(agent);
            if (redis.memory().isString(key)) redis.memory().delete(key);
        }
        for (var instance : instances) instance.connection.slow(0);
        takeUnowned();
        int idle = 0;
        for (int round = 0; idle < 2 && round < 40; round++) {
            pass(700_000);
            int did = 0;
            for (var instance : instances) {
                did += instance.poll(500, false);
                did += instance.process(Integer.MAX_VALUE, 0);
                instance.commit(false);
            }
            idle = did == 0 && round > 2 ? idle + 1 : 0;
        }
    }

    /** Lets the deadlines pass that are near: what they give back counts for the last requests. */
    private void endHolds() {
        long withinMicros = history.setup().holds().orElseThrow().withinSeconds() * 1_000_000L;
        if (withinMicros > LONGEST_HOLD_MICROS || kafka.held.stream().allMatch(Map::isEmpty)) return;
        pass(withinMicros);
        settle();
    }

    /** Asks for all that an agent can have left, to the last token. */
    private void drain(String agent) {
        for (int cost = MOST_LEFT_TOKENS; cost > 0; cost /= 2) {
            kafka.publish(agent, cost, home(agent), time.nowMicros() / 1000);
        }
    }

    private Optional<Violation> judge() {
        var violation = conservation();
        if (violation.isEmpty()) violation = order();
        if (violation.isEmpty()) violation = sameAnswers();
        if (violation.isEmpty()) violation = holds();
        for (var agent : AGENTS.subList(0, history.setup().agents())) {
            if (violation.isPresent()) break;
            var decided = decided(agent);
            violation = overAdmission(agent, decided);
            if (violation.isEmpty()) violation = falseRefusal(agent, decided);
        }
        if (violation.isEmpty() && longestOutageMicros > LONGEST_WAIT_MICROS) {
            violation = Optional.of(new Violation(
                    "never stuck", "requests waited " + longestOutageMicros / 1000 + " ms in one outage"));
        }
        return violation;
    }

    private Optional<Violation> holds() {
        long nowMicros = SimulatedRedis.wallMicros(time.nowMicros());
        return history.setup()
                .holds()
                .flatMap(rules -> new HoldsJudge(kafka, rules, again, opening, nowMicros, holdsMayBeGone()).judge());
    }

    private boolean holdsMayBeGone() {
        return mayLoseTokens() || history.steps().stream().anyMatch(step -> step.kind() == Step.Kind.STEAL);
    }

    private Optional<Violation> conservation() {
        var times = new int[kafka.published.size()];
        for (var output : kafka.outputs) times[output.published().number]++;
        for (var each : kafka.published) {
            int count = times[each.number];
            if (count == 0 && !each.deleted) return Optional.of(new Violation("conservation", each + " was lost"));
            if (count > 1 && kafka.exactlyOnce) {
                return Optional.of(new Violation("conservation", each + " was decided " + count + " times"));
            }
        }
        return Optional.empty();
    }

    /**
     * Returns whether a request that is decided again gets the same answer, and is charged once, under at-least-once too. Not where a call
     * may have failed, since Redis does not know of what is then decided without it; nor where an instance works on without its
     * partition.
     */
    private boolean isAnsweredOnce() {
        if (kafka.exactlyOnce) return true;
        var kinds = history.steps().stream().map(Step::kind).toList();
        return history.setup().holds().isEmpty()
                && kinds.stream().noneMatch(ANSWERS_DIFFER)
                && !isAwayAfterAStandstill(kinds);
    }

    /** Its instance takes Redis to be away for a moment, and may get partitions then. */
    private boolean isAwayAfterAStandstill(List<Step.Kind> kinds) {
        return callsFailStandingStill
                && (Collections.frequency(kinds, Step.Kind.STAND_STILL) > 1
                        || kinds.contains(Step.Kind.CRASH)
                        || kinds.contains(Step.Kind.MOVE));
    }

    /** A stray is forwarded again, as another record. */
    private static boolean isStray(Published published) {
        return published.agent != null && published.partition != home(published.agent);
    }

    private Optional<Violation> sameAnswers() {
        if (!isAnsweredOnce()) return Optional.empty();
        var first = new HashMap<Published, Decision>();
        for (var output : kafka.outputs) {
            var each = output.published();
            if (each.agent == null || isStray(each)) continue;
            var before = first.putIfAbsent(each, output.decision());
            if (before == null) continue;
            var again = output.decision();
            if (before.isApproved() != again.isApproved() || before.decidedAtMicros() != again.decidedAtMicros())
                return Optional.of(new Violation("same answer", each + " was answered " + before + ", then " + again));
        }
        return Optional.empty();
    }

    private Optional<Violation> order() {
        if (!kafka.exactlyOnce) return Optional.empty();
        var lasts = new HashMap<String, Map<Log, Output>>();
        long clockSteps = history.steps().stream()
                .map(Step::kind)
                .filter(Set.of(Step.Kind.REDIS_CLOCK, Step.Kind.HOST_CLOCK)::contains)
                .count();
        for (var output : kafka.outputs) {
            var each = output.published();
            if (each.agent == null) continue;
            var last = lasts.computeIfAbsent(each.agent, agent -> new IdentityHashMap<>());
            var before = last.put(each.log, output);
            if (before == null) continue;
            if (before.published().offset > each.offset) {
                return Optional.of(new Violation("order", each + " stands after " + before.published()));
            }
            long early = before.decision().decidedAtMicros() - output.decision().decidedAtMicros();
            if (early > clockSteps * SLACK_SECONDS * 1e6
                    && !isLaterThanKnown(each.agent, before, output)
                    && !isLossUndone()
                    && !isOfAZombie(before, output)) {
                return Optional.of(
                        new Violation("order", each + " is decided " + early + " us before " + before.published()));
            }
        }
        return Optional.empty();
    }

    /**
     * Whether one of the two was refused without asking Redis, by an instance that has lost its partition, or beside one: its successor does
     * not know of it before it asks Redis, and Redis may have decided for the other one meanwhile.
     */
    private boolean isLaterThanKnown(String agent, Output before, Output output) {
        var its = charges(agent);
        long atMicros = output.decision().decidedAtMicros();
        if (its.unasked.keySet().stream().anyMatch(each -> each.decidedAtMicros() == atMicros)) return true;
        if (!its.unasked.containsKey(before.decision())) return false;
        // Redis, and so every instance that asks it, knows a refused hold before anything that follows.
        boolean local = output.decision().decidedBy() == DecidedBy.LOCAL;
        boolean told = before.decision() instanceof Decision.TooManyOpenHolds && again.contains(before.decision());
        return local || !told && again.contains(output.decision());
    }

    /** Whether an instance that has lost its partition may have decided one of the two first: what it asked Redis for keeps its time. */
    private boolean isOfAZombie(Output before, Output output) {
        return !alsoBesideZombies
                && (again.contains(before.decision()) || again.contains(output.decision()))
                && history.steps().stream().anyMatch(step -> step.kind() == Step.Kind.STEAL);
    }

    /** Whether Redis has lost what it was told, and a replica took over that had not: then it answers as before the loss. */
    private boolean isLossUndone() {
        var kinds = history.steps().stream().map(Step::kind).toList();
        return kinds.contains(Step.Kind.FAILOVER)
                && kinds.stream().anyMatch(kind -> kind != Step.Kind.FAILOVER && LOSSES.contains(kind));
    }

    /** Returns what was decided for the agent, each request once, in the order of time. */
    private List<Output> decided(String agent) {
        var seen = new BitSet(kafka.published.size());
        var decided = new ArrayList<Output>();
        for (var output : kafka.outputs) {
            var published = output.published();
            if (!agent.equals(published.agent) || seen.get(published.number)) continue;
            seen.set(published.number);
            decided.add(output);
        }
        decided.sort(Comparator.comparingLong(output -> output.decision().decidedAtMicros()));
        return decided;
    }

    /**
     * Under at-least-once decisions go out before the copy and the offsets do: where an instance does not get that far, and Redis does not
     * tell of them either, nobody knows of them. Nor does anybody of those that the topic of their requests has taken along. And what Redis
     * has decided for an instance that has left, its successor publishes, although it may have decided others on its own copy before.
     */
    private boolean isForgotten() {
        if (kafka.exactlyOnce) return false;
        var kinds = history.steps().stream().map(Step::kind).toList();
        // A reset has the copy decide until Redis has heard of it, as an outage does.
        boolean lost = kinds.contains(Step.Kind.RESET)
                || kinds.stream().anyMatch(kind -> kind.disturbsCalls() && kind != Step.Kind.OTHER);
        boolean taken =
                kinds.stream().anyMatch(Set.of(Step.Kind.CRASH, Step.Kind.MOVE, Step.Kind.STAND_STILL)::contains);
        return taken && lost
                || isAwayAfterAStandstill(kinds)
                || kinds.contains(Step.Kind.STEAL) // a zombie's decisions go out, too
                || kinds.contains(Step.Kind.RECREATE);
    }

    /** Whether a policy may have made an older settlement one of a period that is over, which counts no more. */
    private boolean isCalendarChanged(String agent) {
        return byCalendar.contains(agent) && history.steps().stream().anyMatch(step -> step.kind() == Step.Kind.POLICY);
    }

    /** Whether the agent's bucket may have become full between two moments because a minute began. */
    private boolean isOtherMinute(String agent, long fromMicros, long toMicros) {
        return byCalendar.contains(agent) && fromMicros / 60_000_000 != toMicros / 60_000_000;
    }

    /**
     * Returns what settlements gave back at moments that nobody can tell: where Redis has not answered and another instance takes over,
     * nobody knows whether there was room; and where clocks step, the moments of an instance are not those of Redis.
     */
    private double refundsAtNoTime(String agent) {
        boolean movesOn = history.steps().stream().map(Step::kind).anyMatch(MOVES::contains);
        return kafka.settlements.stream()
                .filter(each -> clocksStep || movesOn && !each.onConfirmed())
                .filter(each -> each.agent().equals(agent))
                .mapToDouble(each -> Math.max(0, each.refundTokens()))
                .sum();
    }

    private double refilled(String agent, long fromMicros, long toMicros) {
        if (isOtherMinute(agent, fromMicros, toMicros)) return Double.POSITIVE_INFINITY;
        return highestRate.get(agent) * (toMicros - fromMicros) / 1e6;
    }

    /** What a bucket lacks by what is on record. */
    private static final class Missing {
        double approved;
        double taken;

        /** Puts tokens back: first where more matters. */
        void fill(double tokens) {
            double rest = Math.max(0, tokens - approved);
            approved = Math.max(0, approved - tokens);
            taken = Math.max(0, taken - rest);
        }

        void settle(double refund) {
            if (refund > 0) {
                fill(refund);
            } else {
                taken -= refund;
            }
        }
    }

    /** Returns what was settled for the agent, in the order of time. */
    private List<Settlement> settled(String agent) {
        return kafka.settlements.stream()
                .filter(each -> each.agent().equals(agent))
                .sorted(Comparator.comparingLong(Settlement::atMicros))
                .toList();
    }

    /**
     * What settlements gave back may be spent again. What they took counts in the end only, when Redis has heard of everything: calls that
     * are under way do not know of it.
     */
    private Optional<Violation> overAdmission(String agent, List<Output> decided) {
        if (isForgotten()) return Optional.empty();
        var settlements = settled(agent);
        // Once more for each time that somebody filled the bucket, whether or not the record of it was committed.
        double capacity = highestCapacity.get(agent) * (1 + resets.getOrDefault(agent, 0)) + refundsAtNoTime(agent);
        double rate = highestRate.get(agent);
        var missing = new Missing();
        long lastMicros = 0;
        int next = 0;
        for (var output : decided) {
            long now = output.decision().decidedAtMicros();
            for (; next < settlements.size() && settlements.get(next).atMicros() <= now; next++) {
                long at = settlements.get(next).atMicros();
                missing.fill(refilled(agent, lastMicros, at));
                missing.settle(settlements.get(next).refundTokens());
                lastMicros = at;
            }
            missing.fill(refilled(agent, lastMicros, now));
            lastMicros = now;
            if (!output.decision().isApproved() || output.published().cost == 0) continue;
            missing.approved += output.published().cost;
            boolean last = kafka.exactlyOnce
                    && output.published().number >= drainedFrom
                    && !isCalendarChanged(agent)
                    && !resets.containsKey(agent); // which repays it
            double most = missing.approved + (last ? missing.taken : 0);
            if (most > capacity + rate * SLACK_SECONDS + EPSILON) {
                return Optional.of(new Violation(
                        "no over-admission",
                        most + " of " + capacity + " tokens approved for " + agent + ", at last " + told(output)));
            }
        }
        return Optional.empty();
    }

    private static String told(Output output) {
        return output.published() + " " + (output.decision().isApproved() ? "approved" : "refused") + " by "
                + output.decision().decidedBy() + ", " + output.decision().remainingTokens() + " left";
    }

    /** Returns what may have been charged for requests whose topic was deleted before they were decided. */
    private double costOfDeleted(String agent) {
        return kafka.published.stream()
                .filter(each -> each.deleted && agent.equals(each.agent))
                .filter(each -> kafka.outputs.stream().noneMatch(output -> output.published() == each))
                .mapToDouble(each -> each.cost)
                .sum();
    }

    /**
     * Where Redis loses data or a topic is made anew, what Redis charged for requests whose answers were not used may be charged again: the
     * agent gets less. An outage alone takes nothing but {@link #unknownTokens}.
     */
    private boolean mayLoseTokens() {
        return history.steps().stream()
                .map(Step::kind)
                .anyMatch(kind -> LOSSES.contains(kind) || kind == Step.Kind.RECREATE);
    }

    /**
     * Returns what may be charged twice: in an outage, requests that were under way then, and those that were charged for an instance that
     * has lost its partition. The levels that its successor takes over hold these charges, and say nothing of them until it asks for
     * the same requests, which it cannot then. Without an outage, those that it decides on such a level all the same; and what it refused
     * without asking, while an instance that has lost its partition asked for it.
     */
    private double unknownTokens(String agent) {
        var its = charges(agent);
        var unknown = new HashSet<>(its.unknown);
        if (history.steps().stream().map(Step::kind).anyMatch(Step.Kind::disturbsCalls)) unknown.addAll(its.ofOthers);
        for (var output : kafka.outputs) {
            var takenOver = its.takenOver.get(output.decision());
            if (takenOver != null) unknown.add(takenOver);
            var unasked = its.unasked.get(output.decision());
            if (unasked == null) continue;
            var asked = its.asked.get(unasked.position());
            if (asked != null && (asked.askers() & ~unasked.decider()) != 0) unknown.add(unasked.position());
        }
        return its.cost(unknown);
    }

    /** What the bucket covers is not refused; and so nothing is charged twice. */
    private Optional<Violation> falseRefusal(String agent, List<Output> outputs) {
        if (!isAnsweredOnce() || inexact.contains(agent) || clocksStep || mayLoseTokens()) return Optional.empty();
        if (!kafka.exactlyOnce && kafka.published.stream().anyMatch(Simulation::isStray)) return Optional.empty();
        double capacity = history.setup().capacity();
        double rate = history.setup().limit().refillTokensPerSecond();
        double lost = unknownTokens(agent) + costOfDeleted(agent);
        var settlements = settled(agent);
        // Redis hears of a settlement a little later: where time refills, or a period begins between, that is not the
        // same.
        if (!settlements.isEmpty() && history.setup().rate() != 0) return Optional.empty();
        int next = 0;
        double tokens = capacity;
        long lastMicros = outputs.isEmpty() ? 0 : outputs.get(0).decision().decidedAtMicros();
        for (int i = 0; i < outputs.size(); ) {
            long now = outputs.get(i).decision().decidedAtMicros();
            tokens = isOtherMinute(agent, lastMicros, now)
                    ? capacity
                    : Math.min(capacity, tokens + rate * (now - lastMicros) / 1e6);
            lastMicros = now;
            for (; next < settlements.size() && settlements.get(next).atMicros() <= now; next++) {
                tokens = Math.min(capacity, tokens + settlements.get(next).refundTokens());
            }
            int end = i;
            for (; end < outputs.size() && outputs.get(end).decision().decidedAtMicros() == now; end++) {
                if (outputs.get(end).decision().isApproved())
                    tokens -= outputs.get(end).published().cost;
            }
            for (; i < end; i++) {
                var output = outputs.get(i);
                if (!settlements.isEmpty() && output.published().number < drainedFrom) continue;
                if (output.decision() instanceof Decision.TooManyOpenHolds) continue;
                if (!output.decision().isApproved() && output.published().cost + lost + EPSILON < tokens) {
                    return Optional.of(new Violation(
                            "no false refusal",
                            told(output) + ", although it has " + tokens
                                    + (lost > 0 ? ", at least " + (tokens - lost) : "")));
                }
            }
        }
        return Optional.empty();
    }
}
