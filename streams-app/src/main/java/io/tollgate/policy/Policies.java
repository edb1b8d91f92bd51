package io.tollgate.policy;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Terms;
import io.tollgate.metrics.RareWarning;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * The policies in force: an agent's own, else that of the longest prefix of its id, else the default; {@code *} is the prefix of no
 * length. Thread-safe; one thread applies what it reads.
 *
 * <p>What policies say is kept once for all that say the same, and the names of agents' own are put together when they are asked for.
 * A prefix is found by hash, once for each length that prefixes have; however many there are, callers that keep what they were given
 * look for it only when a prefix has changed ({@link #version}).
 */
public final class Policies {
    private static final int MAX_REFUSED = 1000;
    private static final int MAX_SAYINGS = 10_000;

    /** What policies say, without whose they are. */
    private record Saying(Mode mode, List<NamedLimit> limits) {}

    /** One agent's own policy. */
    private record Held(Saying saying, long number) {}

    /**
     * A policy that was refused; the one before it stays in force.
     *
     * @param key whose it was to be; not checked, may hold anything
     * @param why one line
     */
    public record Refused(String key, int partition, long offset, String why) {}

    private final RareWarning warning = new RareWarning(LoggerFactory.getLogger(Policies.class));
    private final Runnable onRefused;
    private final Policy byDefault;
    private final Map<String, Held> own = new ConcurrentHashMap<>();
    private final Map<Saying, Saying> sayings = new LinkedHashMap<>();
    private final Map<String, Refused> refused = new LinkedHashMap<>();
    /** By prefix, without the star. */
    private final Map<String, Policy> byPrefix = new ConcurrentHashMap<>();
    /** How many prefixes there are of each length; the longest first. Belongs to the thread that applies. */
    private final NavigableMap<Integer, Integer> countByLength = new TreeMap<>(Comparator.reverseOrder());

    /** The lengths that prefixes have, the longest first. */
    private volatile int[] lengths = {};

    private volatile long version;

    /**
     * No policies yet.
     *
     * @param onRefused is told of each policy that is refused
     */
    public Policies(Policy byDefault, Runnable onRefused) {
        this.byDefault = byDefault;
        this.onRefused = onRefused;
    }

    /** Returns a number that is another one after each change of a policy that applies to more than one agent. */
    public long version() {
        return version;
    }

    /** Returns the policy in force for this agent. */
    public Policy of(String agentId) {
        return of(agentId, null, 0);
    }

    /**
     * Returns the policy in force for this agent: {@code last}, if that still is. Costs one look into a hash map, and more only after a
     * prefix has changed.
     *
     * @param last what was returned for this agent before; null: nothing was
     * @param lastVersion the {@link #version} as it was just before that
     */
    public Policy of(String agentId, @Nullable Policy last, long lastVersion) {
        var held = own.get(agentId);
        if (held == null) {
            boolean stillInForce = last != null
                    && lastVersion == version
                    && !PolicyNumber.isOwn(last.terms().policy());
            return stillInForce ? last : shared(agentId);
        }
        if (last != null
                && last.terms().policy() == held.number()
                && last.mode() == held.saying().mode()
                && last.limits().equals(held.saying().limits())) return last;
        return new Policy(
                PolicyNumber.name(held.number(), agentId),
                held.saying().mode(),
                new Terms(held.number(), held.saying().limits()));
    }

    private Policy shared(String agentId) {
        // An agent's own key comes first, be it one that is also a prefix.
        if (agentId.endsWith(PolicyNumber.ANY)) {
            var itsKey = byPrefix.get(prefix(agentId));
            if (itsKey != null) return itsKey;
        }
        for (int length : lengths) {
            if (length > agentId.length()) continue;
            var found = byPrefix.get(agentId.substring(0, length));
            if (found != null) return found;
        }
        return byDefault;
    }

    private static String prefix(String key) {
        return key.substring(0, key.length() - PolicyNumber.ANY.length());
    }

    /** Returns how many policies there are, those for many agents included. */
    public int size() {
        return own.size() + byPrefix.size();
    }

    /** Returns the policies that were refused and not replaced since, the newest {@value #MAX_REFUSED}, oldest first. */
    public List<Refused> refused() {
        synchronized (refused) {
            return new ArrayList<>(refused.values());
        }
    }

    /** Returns policies that are empty, with the same default, which tell the same of what is refused. */
    Policies none() {
        return new Policies(byDefault, onRefused);
    }

    /** Takes over all of the other's policies, and keeps none of its own. */
    void replaceBy(Policies other) {
        own.putAll(other.own);
        own.keySet().retainAll(other.own.keySet());
        byPrefix.putAll(other.byPrefix);
        byPrefix.keySet().retainAll(other.byPrefix.keySet());
        countByLength.clear();
        countByLength.putAll(other.countByLength);
        lengths = countByLength.keySet().stream().mapToInt(length -> length).toArray();
        version++;
        synchronized (refused) {
            refused.clear();
            other.refused().forEach(policy -> refused.put(policy.key(), policy));
        }
    }

    /** Takes over one record of the topic of policies. Never throws on what it holds. */
    void apply(int partition, long offset, byte @Nullable [] key, byte @Nullable [] value) {
        var agentId = key == null ? "" : new String(key, StandardCharsets.UTF_8);
        try {
            requireKey(key, agentId);
            if (value == null) remove(agentId);
            else put(agentId, partition, offset, PolicyJson.parse(value));
            synchronized (refused) {
                refused.remove(agentId);
            }
        } catch (InvalidPolicyException e) {
            refuse(new Refused(agentId, partition, offset, String.valueOf(e.getMessage())));
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

    private void put(String key, int partition, long offset, PolicyDocument document) {
        var saying = shared(new Saying(document.mode(), document.limits()));
        if (!key.endsWith(PolicyNumber.ANY)) {
            own.put(key, new Held(saying, PolicyNumber.ofOwn(partition, offset)));
            return;
        }
        var prefix = prefix(key);
        long number = PolicyNumber.ofPrefix(prefix.length(), partition, offset);
        var policy = new Policy(PolicyNumber.name(number, prefix), saying.mode(), new Terms(number, saying.limits()));
        if (byPrefix.put(prefix, policy) == null && countByLength.merge(prefix.length(), 1, Integer::sum) == 1)
            lengths = countByLength.keySet().stream().mapToInt(length -> length).toArray();
        version++; // last: whoever reads the new number finds the new policy
    }

    private Saying shared(Saying saying) {
        var known = sayings.putIfAbsent(saying, saying);
        if (sayings.size() > MAX_SAYINGS) sayings.clear(); // agents that all differ share nothing
        return known == null ? saying : known;
    }

    private void remove(String key) {
        if (!key.endsWith(PolicyNumber.ANY)) {
            own.remove(key);
            return;
        }
        var prefix = prefix(key);
        if (byPrefix.remove(prefix) == null) return;
        if (countByLength.merge(prefix.length(), -1, Integer::sum) == 0) {
            countByLength.remove(prefix.length());
            lengths = countByLength.keySet().stream().mapToInt(length -> length).toArray();
        }
        version++;
    }

    private void refuse(Refused policy) {
        synchronized (refused) {
            refused.remove(policy.key());
            refused.put(policy.key(), policy);
            if (refused.size() > MAX_REFUSED) removeEldest(refused.values());
        }
        onRefused.run();
        warning.say(
                "refused the policy at partition {}, offset {}; the one before it stays in force: {}",
                policy.partition(),
                policy.offset(),
                policy.why());
    }

    private static void removeEldest(Collection<?> all) {
        var eldest = all.iterator();
        eldest.next();
        eldest.remove();
    }
}
