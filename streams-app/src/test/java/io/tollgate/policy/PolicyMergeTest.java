package io.tollgate.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyMergeTest {
    private static final String ONE = "{'capacity':5,'refill_rate':1,'mode':'shadow','note':'why'}";
    private static final String TWO = "{'limits':[{'name':'burst','capacity':5,'refill_rate':1},"
            + "{'name':'day','capacity':50,'refill_rate':0}],'mode':'shadow','note':'why'}";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "{'capacity':7,'refill_rate':2} | {'capacity':7,'refill_rate':2,'mode':'shadow','note':'why'}",
                "{'capacity':7} | {'capacity':7,'refill_rate':1,'mode':'shadow','note':'why'}",
                "{'mode':'off'} | {'capacity':5,'refill_rate':1,'mode':'off','note':'why'}",
                "{'note':'new'} | {'capacity':5,'refill_rate':1,'mode':'shadow','note':'new'}",
                "{'note':null} | {'capacity':5,'refill_rate':1,'mode':'shadow'}",
                "{'mode':null} | {'capacity':5,'refill_rate':1,'note':'why'}",
                "{} | {'capacity':5,'refill_rate':1,'mode':'shadow','note':'why'}",
                "{'limits':[{'name':'x','capacity':1,'refill_rate':0}]} | "
                        + "{'limits':[{'name':'x','capacity':1,'refill_rate':0}],'mode':'shadow','note':'why'}",
            })
    void whatIsNotNamedStays(String changes, String expected) throws InvalidPolicyException {
        assertThat(PolicyMerge.merge(policy(ONE), bytes(changes))).isEqualTo(policy(expected));
    }

    @Test
    void furtherLimitsStay() throws InvalidPolicyException {
        var merged = PolicyMerge.merge(policy(TWO), bytes("{'capacity':9,'refill_rate':3,'mode':'enforce'}"));

        assertThat(merged)
                .isEqualTo(policy("{'limits':[{'name':'burst','capacity':9,'refill_rate':3},"
                        + "{'name':'day','capacity':50,'refill_rate':0}],'mode':'enforce','note':'why'}"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{'capacity':-1}",
                "{'capacity':'7'}",
                "{'capacity':null}",
                "{'capacity':1e999999999}",
                "{'capacity':1,'capacity':2}",
                "{'tokens':1}",
                "{} x",
                "{'limits':[],'capacity':1}",
                "{'limits':null}"
            })
    void mistakesAreRefused(String changes) throws InvalidPolicyException {
        for (var before : new PolicyDocument[] {policy(ONE), policy(TWO)}) {
            if (changes.equals("{'limits':null}") && before.limits().size() == 1) continue; // has none to lose
            assertThatThrownBy(() -> PolicyMerge.merge(before, bytes(changes)))
                    .isInstanceOf(InvalidPolicyException.class);
        }
    }

    private static PolicyDocument policy(String json) throws InvalidPolicyException {
        return PolicyJson.parse(bytes(json));
    }

    private static byte[] bytes(String json) {
        return json.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }
}
