package io.tollgate.policy;

import io.tollgate.bucket.AgentId;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Terms;
import io.tollgate.metrics.RareWarning;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * The policies in force: an agent's own, else that for everybody, else the default. Thread-safe; one thread applies what it reads.
 *
 * <p>A policy costs about 130 bytes and the agent's id: what policies say is kept once for all that say the same, and names are
 * put together when they are asked for. {@code PolicyMemoryTest} measures it.
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
    private volatile Policy forEverybody;
    private volatile boolean everybodyHasOne;

    /**
     * No policies yet.
     *
     * @param onRefused is told of each policy that is refused
     */
    public Policies(Policy byDefault, Runnable onRefused) {
        this.byDefault = byDefault;
        this.onRefused = onRefused;
        this.forEverybody = byDefault;
    }

    /** Returns the policy in force for this agent. */
    public Policy of(String agentId) {
        return of(agentId, null);
    }

    /** Returns the policy in force for this agent: {@code last}, if that still is. Costs one look into a hash map. */
    public Policy of(String agentId, @Nullable Policy last) {
        var held = own.get(agentId);
        if (held == null) return forEverybody;
        if (last != null
                && last.terms().policy() == held.number()
                && last.mode() == held.saying().mode()
                && last.limits().equals(held.saying().limits())) return last;
        return new Policy(
                PolicyNumber.name(held.number(), agentId),
                held.saying().mode(),
                new Terms(held.number(), held.saying().limits()));
    }

    /** Returns how many agents have their own, and the one for everybody, if there is one. */
    public int size() {
        return own.size() + (everybodyHasOne ? 1 : 0);
    }

    /** Returns the policies that were refused and not replaced since, the newest {@value #MAX_REFUSED}, oldest first. */
    public List<Refused> refused() {
        synchronized (refused) {
            return new ArrayList<>(refused.values());
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
        if (key == null) throw new InvalidPolicyException("key must be an agent's id or *, but is null");
        var broken = AgentId.brokenRule(agentId);
        if (broken.isPresent()) throw new InvalidPolicyException("key " + broken.get());
        if (!Arrays.equals(key, agentId.getBytes(StandardCharsets.UTF_8))) {
            throw new InvalidPolicyException("key must be UTF-8");
        }
    }

    private void put(String agentId, int partition, long offset, PolicyDocument document) {
        if (agentId.equals(PolicyNumber.EVERYBODY)) {
            long number = PolicyNumber.of(true, partition, offset);
            everybodyHasOne = true;
            forEverybody = new Policy(
                    PolicyNumber.name(number, agentId), document.mode(), new Terms(number, document.limits()));
        } else {
            var saying = shared(new Saying(document.mode(), document.limits()));
            own.put(agentId, new Held(saying, PolicyNumber.of(false, partition, offset)));
        }
    }

    private Saying shared(Saying saying) {
        var known = sayings.putIfAbsent(saying, saying);
        if (sayings.size() > MAX_SAYINGS) sayings.clear(); // agents that all differ share nothing
        return known == null ? saying : known;
    }

    private void remove(String agentId) {
        if (agentId.equals(PolicyNumber.EVERYBODY)) {
            everybodyHasOne = false;
            forEverybody = byDefault;
        } else {
            own.remove(agentId);
        }
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
