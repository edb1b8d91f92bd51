package io.tollgate.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Limit;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PoliciesTest {
    private int refused;
    private final Policies policies = new Policies(Policy.byDefault(new Limit(1000, 10)), () -> refused++);
    private long offset;

    @ParameterizedTest
    @CsvSource({
        "agent-7,      agent-7@0/0",
        "acme/bot,     acme/*@0/2",
        "acme/eu/bot,  acme/eu/*@0/3",
        "acme/,        acme/*@0/2",
        "acme,         *@0/1",
        "acme/eu,      acme/*@0/2",
        "ACME/bot,     *@0/1",
    })
    void ownPolicyThenLongestPrefix(String agentId, String name) {
        put("agent-7", 7);
        put("*", 1);
        put("acme/*", 2);
        put("acme/eu/*", 3);

        assertThat(policies.of(agentId).name()).isEqualTo(name);
        assertThat(policies.size()).isEqualTo(4);
    }

    @Test
    void defaultWithoutAMatch() {
        put("acme/*", 2);

        assertThat(policies.of("other").name()).isEqualTo("default");
        assertThat(policies.of("acme").name()).isEqualTo("default");
    }

    @ParameterizedTest
    @ValueSource(strings = {"acme/*", "*", "**", "a*", "😀*"})
    void idEndingInStarHasItsOwnKey(String agentId) {
        put("*", 1);
        put(agentId, 2);
        put(agentId + "*", 3); // the longest prefix of that agent

        assertThat(policies.of(agentId).name()).isEqualTo(agentId + "@0/1");
        assertThat(policies.of(agentId + "x").name()).isEqualTo(agentId + "*@0/2");
    }

    /** A million agents of one group hold one policy. */
    @Test
    void agentsOfAPrefixShareItsPolicy() {
        put("*", 1);
        put("acme/*", 2);
        put("acme/b", 3);
        var shared = policies.of("acme/a");

        assertThat(policies.of("acme/c")).isSameAs(shared);
        assertThat(policies.of("acme/b").name()).isEqualTo("acme/b@0/2");
        assertThat(policies.of("acme")).isSameAs(policies.of("other")).isNotSameAs(shared);
        put("acme/c*", 4);
        assertThat(policies.of("acme/c").name()).isEqualTo("acme/c*@0/3");
        assertThat(policies.of("acme/a")).isEqualTo(shared);
        delete("acme/*");
        assertThat(policies.of("acme/a")).isSameAs(policies.of("other"));
    }

    @Test
    void deletedPrefixGivesWayToShorter() {
        put("*", 1);
        put("acme/*", 2);
        put("acme/eu/*", 3);
        var before = policies.of("acme/eu/bot");

        delete("acme/eu/*");
        assertThat(policies.of("acme/eu/bot").name()).isEqualTo("acme/*@0/1");
        delete("acme/*");
        assertThat(policies.of("acme/eu/bot").name()).isEqualTo("*@0/0");
        delete("*");
        assertThat(policies.of("acme/eu/bot").name()).isEqualTo("default");
        assertThat(policies.size()).isZero();

        put("acme/eu/*", 4);
        assertThat(policies.of("acme/eu/bot").name()).isEqualTo("acme/eu/*@0/6").isNotEqualTo(before.name());
    }

    @Test
    void brokenPrefixLeavesTheOneBefore() {
        put("acme/*", 2);
        policies.apply(0, offset++, 0, bytes("acme/*"), bytes("{"));

        assertThat(policies.of("acme/bot").name()).isEqualTo("acme/*@0/0");
        assertThat(refused).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"acme/*", "acme/eu/*", "*", "acme/eu/bot"})
    void earlierDecisionsKeepTheirName(String key) {
        put(key, 2);
        var decided = policies.of("acme/eu/bot");
        delete(key);
        put("acme/eu/bot", 5);
        var now = policies.of("acme/eu/bot");

        assertThat(now.of("acme/eu/bot", decided.terms()).name()).isEqualTo(key + "@0/0");
    }

    @Test
    void cachedPolicyIsUsedUntilAChange() {
        put("acme/*", 2);
        long version = policies.version();
        var kept = policies.of("acme/bot", null, 0);

        assertThat(policies.of("acme/bot", kept, version)).isSameAs(kept);
        put("agent-7", 7);
        assertThat(policies.version())
                .as("other agents' own policies change nothing for this one")
                .isEqualTo(version);

        put("acme/b*", 3);
        assertThat(policies.of("acme/bot", kept, version).name()).isEqualTo("acme/b*@0/2");
    }

    @Test
    void cachedOwnPolicyEndsWithItsKey() {
        put("agent-7", 7);
        var own = policies.of("agent-7", null, 0);
        assertThat(policies.of("agent-7", own, policies.version())).isSameAs(own);

        delete("agent-7");
        assertThat(policies.of("agent-7", own, policies.version()).name()).isEqualTo("default");
    }

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3})
    void agreesWithASearchOfAllKeys(long seed) {
        var random = new Random(seed);
        var keys = new TreeMap<String, String>();
        for (int i = 0; i < 5_000; i++) {
            var key = id(random) + (random.nextInt(3) > 0 ? "*" : "");
            if (key.isEmpty()) continue;
            if (random.nextInt(3) == 0) {
                delete(key);
                keys.remove(key);
            } else {
                keys.put(key, key + "@0/" + offset);
                put(key, 1);
            }
            var agentId = id(random) + (random.nextInt(8) > 0 ? "" : "*");
            if (agentId.isEmpty()) continue;
            assertThat(policies.of(agentId).name()).as(agentId).isEqualTo(expected(keys, agentId));
        }
    }

    private static String id(Random random) {
        var id = new StringBuilder();
        for (int length = random.nextInt(6); length > 0; length--) id.append("ab*".charAt(random.nextInt(3)));
        return id.toString();
    }

    private static String expected(Map<String, String> keys, String agentId) {
        if (keys.containsKey(agentId)) return keys.get(agentId);
        return keys.entrySet().stream()
                .filter(entry -> entry.getKey().endsWith("*"))
                .filter(entry -> agentId.startsWith(
                        entry.getKey().substring(0, entry.getKey().length() - 1)))
                .max(Comparator.comparing(entry -> entry.getKey().length()))
                .map(Map.Entry::getValue)
                .orElse("default");
    }

    private void put(String key, double capacity) {
        policies.apply(0, offset++, 0, bytes(key), bytes("{\"capacity\":" + capacity + ",\"refill_rate\":1}"));
    }

    private void delete(String key) {
        policies.apply(0, offset++, 0, bytes(key), null);
    }

    private static byte @Nullable [] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
