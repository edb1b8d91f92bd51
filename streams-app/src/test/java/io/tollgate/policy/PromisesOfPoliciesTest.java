package io.tollgate.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.TokenBucket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** From when policies count, and what was promised before: the process starts at 100 s. */
class PromisesOfPoliciesTest {
    private double now = 100;
    private final Policies policies = new Policies(Policy.byDefault(new Limit(1000, 0)), () -> {}, () -> now);
    private long offset;

    @Test
    void defaultCountsFromTheStart() {
        now = 110;
        assertThat(sinces("a")).containsExactly(100.0);
    }

    @Test
    void policyCountsFromItsRecord() {
        put("a", 120, 130, 5);
        assertThat(sinces("a")).containsExactly(100.0, 120.0);
        assertThat(rates("a")).containsExactly(0.0, 5.0);
    }

    @Test
    void recordAheadCountsWhenRead() {
        put("a", 500, 130, 5);
        assertThat(sinces("a")).containsExactly(100.0, 130.0);
    }

    @Test
    void recordBehindKeepsTheOrder() {
        put("a", 120, 130, 5);
        put("a", 110, 131, 6);
        assertThat(rates("a")).containsExactly(0.0, 6.0);
        assertThat(sinces("a")).containsExactly(100.0, 120.0);
    }

    @Test
    void deletionReturnsToShorterKeys() {
        put("*", 110, 110, 1);
        put("acme/*", 120, 120, 2);
        put("acme/bot", 130, 130, 3);
        delete("acme/bot", 140);
        assertThat(rates("acme/bot")).containsExactly(0.0, 1.0, 2.0, 3.0, 2.0);
        delete("acme/*", 150);
        delete("*", 160);
        assertThat(rates("acme/bot")).containsExactly(0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0);
        assertThat(sinces("acme/bot")).containsExactly(100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0);
        assertThat(rates("other")).containsExactly(0.0, 1.0, 0.0);
    }

    @Test
    void shortLivedPolicyIsRemembered() {
        long version = policies.version();
        var last = policies.of("a", null, 0);
        put("a", 120, 120, 5);
        delete("a", 130);
        assertThat(policies.of("a", last, version).promises().earlier()).hasSize(2);
    }

    @Test
    void hiddenChangesDoNotCount() {
        put("a", 120, 120, 5);
        put("*", 130, 130, 7);
        assertThat(rates("a")).containsExactly(0.0, 5.0);
        assertThat(sinces("a")).containsExactly(100.0, 120.0);
    }

    @Test
    void keepsTheLastEight() {
        for (int i = 0; i < 20; i++) put("a", 110 + i, 110 + i, i + 1);
        assertThat(rates("a")).containsExactly(12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0);
    }

    @Test
    void beforeTheStartOnlyTheLatestCounts() {
        put("*", 10, 101, 1);
        put("a", 20, 101, 5);
        assertThat(rates("a")).containsExactly(5.0);
        assertThat(sinces("a")).containsExactly(20.0);
    }

    @Test
    void recreatedTopicMayDeleteIt() {
        put("a", 120, 120, 5);
        now = 150;
        policies.replaceBy(policies.none());
        assertThat(rates("a")).containsExactly(0.0, 5.0, 0.0);
        assertThat(sinces("a")).containsExactly(100.0, 120.0, 150.0);
    }

    @Test
    void repeatedPolicyIsNoChange() {
        put("a", 120, 120, 5);
        var last = policies.of("a", null, 0);
        assertThat(policies.of("a", last, policies.version())).isSameAs(last);
        assertThat(policies.of("a")).isEqualTo(last);
    }

    @Test
    void raisedRateIsDueFromItsRecord() {
        var held = empty(policies.of("a"), 105);
        put("a", 120, 120, 100);
        assertThat(tokens(held, "a", 125)).isEqualTo(500);
    }

    @Test
    void endedRateIsDueUntilItsRecord() {
        put("a", 101, 101, 100);
        var held = empty(policies.of("a"), 105);
        put("a", 110.5, 110.5, 0);
        assertThat(tokens(held, "a", 130)).isEqualTo(550);
    }

    private static AgentBuckets empty(Policy policy, double at) {
        return new AgentBuckets(policy.terms(), List.of(new Bucket(0, at)));
    }

    private double tokens(AgentBuckets held, String agentId, double at) {
        return TokenBucket.refill(held, policies.of(agentId).promises(), at)
                .first()
                .tokens();
    }

    private List<Double> sinces(String agentId) {
        var promises = policies.of(agentId).promises();
        var all = new ArrayList<>(
                promises.earlier().stream().map(Promises.Earlier::sinceSeconds).toList());
        all.add(promises.sinceSeconds());
        return all;
    }

    private List<Double> rates(String agentId) {
        var promises = policies.of(agentId).promises();
        var all = new ArrayList<>(promises.earlier().stream()
                .map(before -> before.terms().first().refillTokensPerSecond())
                .toList());
        all.add(promises.terms().first().refillTokensPerSecond());
        return all;
    }

    private void put(String key, double at, double readAt, double rate) {
        now = readAt;
        apply(key, at, ("{\"capacity\":1000,\"refill_rate\":" + rate + "}").getBytes(StandardCharsets.UTF_8));
    }

    private void delete(String key, double at) {
        now = at;
        apply(key, at, null);
    }

    private void apply(String key, double at, byte @Nullable [] value) {
        policies.apply(0, offset++, Math.round(at * 1000), key.getBytes(StandardCharsets.UTF_8), value);
    }
}
