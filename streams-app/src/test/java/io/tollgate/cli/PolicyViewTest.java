package io.tollgate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.StoredPolicy;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PolicyViewTest {
    private static final Limit LIMIT = new Limit(5, 1);

    @ParameterizedTest
    @CsvSource({
        "agent-7,     agent-7@0/1,   its own policy",
        "acme/bot,    acme/*@0/1,    the policy of the longest prefix of its id",
        "acme/eu/bot, acme/eu/*@0/1, the policy of the longest prefix of its id",
        "acme/*,      acme/*@0/1,    its own policy",
        "acme,        *@0/1,         'the policy of everybody, *'",
    })
    void getShowsThePolicyInUse(String agentId, String name, String source) {
        var shown = PolicyView.of(agentId, stored("agent-7", "acme/*", "acme/eu/*", "*"), LIMIT)
                .text();

        assertThat(shown).contains(name, source);
    }

    @ParameterizedTest
    @CsvSource({"acme/bot, default", "acme/eu/bot, acme/eu/*@0/1"})
    void getShowsTheDefaultOtherwise(String agentId, String name) {
        assertThat(PolicyView.of(agentId, stored("acme/eu/*"), LIMIT).text()).contains(name);
    }

    private static Map<String, StoredPolicy> stored(String... keys) {
        var document = new PolicyDocument(Mode.ENFORCE, List.of(NamedLimit.only(LIMIT)), Optional.empty());
        var stored = new TreeMap<String, StoredPolicy>();
        for (var key : keys) {
            var good = new StoredPolicy.Good(key + "@0/1", document);
            stored.put(key, new StoredPolicy(key, Optional.of(good), Optional.empty()));
        }
        return stored;
    }
}
