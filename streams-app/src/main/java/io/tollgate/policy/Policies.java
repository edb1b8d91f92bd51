package io.tollgate.policy;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.metrics.ThrottledWarning;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * The policies in force: an agent's own, else that of the longest prefix of its id, else the default; {@code *} is the
 * prefix of no length. Thread-safe; one thread applies what it reads.
 *
 * <p>Policies with equal contents share them, and the names of agents' own policies are made on request. A prefix is
 * found by hash, with one look for each length that prefixes have. Callers that keep the returned policy search again
 * only when a prefix has changed ({@link #version}).
 */
public final class Policies {
    private static final int MAX_SAYINGS = 10_000;
    /**
     * Changes remembered for one key, and for one agent. An agent that was idle for longer is credited by the oldest
     * of them.
     */
    private static final int MAX_EARLIER = 8;

    private static final int MAX_CHANGED = 100_000;

    /** The contents of a policy, without its key. */
    private record Saying(Mode mode, List<NamedLimit> limits, HoldRules holds) {}

    /**
     * What a key says from a moment on.
     *
     * @param saying null: it was deleted
     */
    private record Held(@Nullable Saying saying, long number, double sinceSeconds) {}

    private final Policy byDefault;
    /** Seconds since the epoch; null: moments are not known. */
    private final @Nullable DoubleSupplier clock;

    private final double startSeconds;
    private final Map<String, Held> own = new ConcurrentHashMap<>();
    /** What the recently changed keys said before, deletions too, oldest first. Guarded by itself. */
    private final Map<String, List<Held>> earlier = new LinkedHashMap<>();

    private final Map<Saying, Saying> sayings = new LinkedHashMap<>();
    /** What counts for one agent from a moment on. */
    private record Stretch(Terms terms, Mode mode, HoldRules holds, double sinceSeconds) {}

    private final ThrottledWarning warning = new ThrottledWarning(LoggerFactory.getLogger(Policies.class));
    private final Runnable onRefused;
    /** By prefix, without the star. */
    private final Map<String, Held> byPrefix = new ConcurrentHashMap<>();

    /**
     * The policies of agents without a key of their own, by the longest prefix that matches. Guarded by
     * {@link #earlier}.
     */
    private final Map<String, Policy> ofGroups = new HashMap<>();

    /** The lengths that prefixes have or had, the longest first. */
    private volatile int[] lengths = {};

    private volatile long version;

    /**
     * Starts without policies.
     *
     * @param onRefused runs after each refused policy
     */
    public Policies(Policy byDefault, Runnable onRefused) {
        this(byDefault, onRefused, null, Double.POSITIVE_INFINITY);
    }

    /**
     * As {@link #Policies(Policy, Runnable)}, but each policy counts from the moment of its record, and the default
     * from now.
     *
     * @param clock returns seconds since the epoch: no policy counts from later than when it was read
     */
    public Policies(Policy byDefault, Runnable onRefused, DoubleSupplier clock) {
        this(byDefault, onRefused, clock, clock.getAsDouble());
    }

    private Policies(Policy byDefault, Runnable onRefused, @Nullable DoubleSupplier clock, double startSeconds) {
        this.byDefault = new Policy(
                byDefault.name(),
                byDefault.mode(),
                byDefault.holds(),
                new Promises(byDefault.terms(), startSeconds, List.of()));
        this.onRefused = onRefused;
        this.clock = clock;
        this.startSeconds = startSeconds;
    }

    /** Returns a number that changes with each policy that applies to more than one agent. */
    public long version() {
        return version;
    }

    /** Returns the policy in force for this agent. */
    public Policy of(String agentId) {
        return of(agentId, null, 0);
    }

    /**
     * Returns the policy in force for this agent: {@code last}, if that still is. Takes one look into a hash map, and
     * more only after a prefix has changed.
     *
     * @param last the policy returned for this agent before; null if there is none
     * @param lastVersion the {@link #version} just before that call
     */
    public Policy of(String agentId, @Nullable Policy last, long lastVersion) {
        var held = own.get(agentId);
        if (held == null) {
            return last != null
                            && lastVersion == version
                            && !PolicyNumber.isOwn(last.terms().policy())
                    ? last
                    : found(agentId);
        }
        var saying = Objects.requireNonNull(held.saying());
        if (last != null
                && last.terms().policy() == held.number()
                && last.mode() == saying.mode()
                && last.limits().equals(saying.limits())
                && last.holds().equals(saying.holds())) return last;
        return found(agentId);
    }

    private Policy found(String agentId) {
        synchronized (earlier) {
            if (isKnown(agentId)) return made(agentId);
            for (int length : lengths) {
                if (length > agentId.length()) continue;
                var prefix = agentId.substring(0, length);
                // All agents with this longest prefix also share every shorter one.
                if (isKnown(prefix + PolicyNumber.ANY)) return ofGroups.computeIfAbsent(prefix, group -> made(agentId));
            }
            return byDefault;
        }
    }

    private boolean isKnown(String key) {
        return present(key) != null || earlier.containsKey(key);
    }

    private Policy made(String agentId) {
        var timelines = timelines(agentId);
        if (clock == null) return present(agentId, timelines);
        var stretches = stretches(timelines);
        var now = stretches.get(stretches.size() - 1);
        var before = new ArrayList<Promises.Earlier>();
        for (int i = Math.max(0, stretches.size() - 1 - MAX_EARLIER); i < stretches.size() - 1; i++) {
            before.add(new Promises.Earlier(
                    stretches.get(i).terms(), stretches.get(i).sinceSeconds()));
        }
        return new Policy(
                PolicyNumber.name(now.terms().policy(), agentId),
                now.mode(),
                now.holds(),
                new Promises(now.terms(), now.sinceSeconds(), before));
    }

    private Policy present(String agentId, List<List<Held>> timelines) {
        for (var timeline : timelines) {
            var said = timeline.get(timeline.size() - 1);
            var saying = said.saying();
            if (saying != null)
                return new Policy(
                        PolicyNumber.name(said.number(), agentId),
                        saying.mode(),
                        saying.holds(),
                        Promises.of(new Terms(said.number(), saying.limits())));
        }
        return byDefault;
    }

    /** Returns what each key that applies to the agent has said. The key that takes precedence comes first. */
    private List<List<Held>> timelines(String agentId) {
        var timelines = new ArrayList<List<Held>>();
        // An agent's own key comes first, even if it also is a prefix.
        addTimeline(agentId, timelines);
        for (int length : lengths) {
            if (length <= agentId.length()) addTimeline(agentId.substring(0, length) + PolicyNumber.ANY, timelines);
        }
        return timelines;
    }

    private void addTimeline(String key, List<List<Held>> timelines) {
        var before = earlier.getOrDefault(key, List.of());
        var now = present(key);
        if (now == null && before.isEmpty()) return;
        var timeline = new ArrayList<>(before);
        if (now != null) timeline.add(now);
        timelines.add(timeline);
    }

    private @Nullable Held present(String key) {
        return key.endsWith(PolicyNumber.ANY) ? byPrefix.get(prefix(key)) : own.get(key);
    }

    /** Returns the policies that counted for an agent, oldest first; the last one counts now. */
    private List<Stretch> stretches(List<List<Held>> timelines) {
        var moments = new TreeSet<Double>();
        moments.add(startSeconds);
        for (var timeline : timelines) {
            for (var said : timeline) moments.add(said.sinceSeconds());
        }
        var stretches = new ArrayList<Stretch>();
        for (double moment : moments) {
            var here = at(moment, timelines);
            if (here == null) continue;
            var last = stretches.isEmpty() ? null : stretches.get(stretches.size() - 1);
            if (last == null || !last.terms().equals(here.terms()) || last.mode() != here.mode()) stretches.add(here);
        }
        return stretches;
    }

    /** Returns the policy that counted at a moment; null if it is unknown. */
    private @Nullable Stretch at(double moment, List<List<Held>> timelines) {
        for (var timeline : timelines) {
            Held said = null;
            for (var next : timeline) {
                if (next.sinceSeconds() <= moment) said = next;
            }
            // The topic is compacted, so what the key said before its first remaining record is unknown.
            if (said == null && moment < startSeconds) return null;
            if (said != null && said.saying() != null)
                return new Stretch(
                        new Terms(said.number(), said.saying().limits()),
                        said.saying().mode(),
                        said.saying().holds(),
                        moment);
        }
        return moment < startSeconds
                ? null
                : new Stretch(byDefault.terms(), byDefault.mode(), byDefault.holds(), moment);
    }

    private static String prefix(String key) {
        return key.substring(0, key.length() - PolicyNumber.ANY.length());
    }

    /** Returns the number of policies, including those for many agents. */
    public int size() {
        return own.size() + byPrefix.size();
    }

    /** Returns empty policies with the same default and the same action for refused ones. */
    Policies none() {
        return new Policies(byDefault, onRefused, clock, startSeconds);
    }

    /** Replaces all policies by those of the other. */
    void replaceBy(Policies other) {
        synchronized (earlier) {
            var ours = new ArrayList<>(own.keySet());
            byPrefix.keySet().forEach(prefix -> ours.add(prefix + PolicyNumber.ANY));
            for (var key : ours) {
                if (other.present(key) == null) deleted(key, nowSeconds());
            }
            other.earlier.forEach(earlier::put);
            own.putAll(other.own);
            own.keySet().retainAll(other.own.keySet());
            byPrefix.putAll(other.byPrefix);
            byPrefix.keySet().retainAll(other.byPrefix.keySet());
            for (int length : other.lengths) addLength(length);
            ofGroups.clear();
        }
        version++;
    }

    /** Applies one record of the policies topic. Never throws because of its contents. */
    public void apply(
            int partition, long offset, long timestampMillis, byte @Nullable [] key, byte @Nullable [] value) {
        var agentId = key == null ? "" : new String(key, StandardCharsets.UTF_8);
        try {
            requireKey(key, agentId);
            double since = Math.min(timestampMillis / 1000.0, nowSeconds());
            if (value == null) remove(agentId, since);
            else put(agentId, partition, offset, since, PolicyJson.parse(value));
        } catch (InvalidPolicyException e) {
            onRefused.run();
            warning.warn(
                    "refused the policy at partition {}, offset {}; the one before it stays in force: {}",
                    partition,
                    offset,
                    String.valueOf(e.getMessage()));
        }
    }

    private static void requireKey(byte @Nullable [] key, String agentId) throws InvalidPolicyException {
        if (key == null)
            throw new InvalidPolicyException("key must be an agent's id, a prefix that ends in *, or *, but is null");
        var broken = AgentId.brokenRule(agentId);
        if (broken.isPresent()) throw new InvalidPolicyException("key " + broken.get());
        if (!Arrays.equals(key, agentId.getBytes(StandardCharsets.UTF_8))) {
            throw new InvalidPolicyException("key must be UTF-8");
        }
    }

    private double nowSeconds() {
        return clock == null ? Double.POSITIVE_INFINITY : clock.getAsDouble();
    }

    private void put(String key, int partition, long offset, double since, PolicyDocument document) {
        var saying = shared(
                new Saying(document.mode(), document.limits(), document.holds().orElse(HoldRules.DEFAULT)));
        synchronized (earlier) {
            double notBefore = noteEarlier(key, since);
            if (!key.endsWith(PolicyNumber.ANY)) {
                own.put(key, new Held(saying, PolicyNumber.ofOwn(partition, offset), notBefore));
                return;
            }
            var prefix = prefix(key);
            long number = PolicyNumber.ofPrefix(prefix.length(), partition, offset);
            byPrefix.put(prefix, new Held(saying, number, notBefore));
            ofGroups.clear();
            addLength(prefix.length());
        }
        version++; // last, so that a reader of the new number finds the new policy
    }

    /**
     * Remembers what the key said until now. Returns the moment from which the next record counts, in the order of
     * the topic.
     */
    private double noteEarlier(String key, double since) {
        var before = earlier.getOrDefault(key, List.of());
        var now = present(key);
        var last = now != null || before.isEmpty() ? now : before.get(before.size() - 1);
        if (last == null) return since;
        if (now != null) keep(key, now);
        return Math.max(since, last.sinceSeconds());
    }

    private void keep(String key, Held said) {
        if (clock == null) return;
        var kept = new ArrayList<>(earlier.getOrDefault(key, List.of()));
        kept.add(said);
        if (kept.size() > MAX_EARLIER) kept.remove(0);
        earlier.remove(key); // to the end: it changed last
        earlier.put(key, List.copyOf(kept));
        if (earlier.size() > MAX_CHANGED)
            earlier.remove(earlier.keySet().iterator().next());
    }

    private void deleted(String key, double since) {
        double notBefore = noteEarlier(key, since);
        keep(key, new Held(null, PolicyNumber.DEFAULT, notBefore));
    }

    private void addLength(int length) {
        for (int known : lengths) {
            if (known == length) return;
        }
        lengths = IntStream.concat(IntStream.of(lengths), IntStream.of(length))
                .boxed()
                .sorted(Comparator.reverseOrder())
                .mapToInt(known -> known)
                .toArray();
    }

    private Saying shared(Saying saying) {
        var known = sayings.putIfAbsent(saying, saying);
        if (sayings.size() > MAX_SAYINGS) sayings.clear(); // distinct contents need no sharing
        return known == null ? saying : known;
    }

    private void remove(String key, double since) {
        synchronized (earlier) {
            deleted(key, since);
            if (key.endsWith(PolicyNumber.ANY)) {
                byPrefix.remove(prefix(key));
                ofGroups.clear();
                addLength(prefix(key).length());
            } else own.remove(key);
        }
        version++; // also for an agent's own policy, which may have come and gone since the agent asked
    }
}
