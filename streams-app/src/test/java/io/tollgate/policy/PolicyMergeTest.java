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
                "{'period':'day'} | {'capacity':5,'period':'day','zone':'UTC','mode':'shadow','note':'why'}",
                "{'period':'day','refill_rate':null} | {'capacity':5,'period':'day','mode':'shadow','note':'why'}",
                "{} | {'capacity':5,'refill_rate':1,'mode':'shadow','note':'why'}",
                "{'limits':[{'name':'x','capacity':1,'refill_rate':0}]} | "
                        + "{'limits':[{'name':'x','capacity':1,'refill_rate':0}],'mode':'shadow','note':'why'}",
            })
    void unnamedFieldsStay(String changes, String expected) throws InvalidPolicyException {
        assertThat(PolicyMerge.merge(policy(ONE), bytes(changes))).isEqualTo(policy(expected));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "{'mode':'off'} | {'within_s':5,'unsettled':'returned','max_open':7}",
                "{'holds':{}} | {'within_s':5,'unsettled':'returned','max_open':7}",
                "{'holds':{'max_open':8}} | {'within_s':5,'unsettled':'returned','max_open':8}",
                "{'holds':{'within_s':null}} | {'within_s':600,'unsettled':'returned','max_open':7}",
            })
    void unnamedFieldsOfHoldsStay(String changes, String expected) throws InvalidPolicyException {
        var policy =
                policy("{'capacity':5,'refill_rate':1,'holds':{'within_s':5,'unsettled':'returned','max_open':7}}");

        var merged = PolicyMerge.merge(policy, bytes(changes));

        assertThat(merged.holds())
                .isEqualTo(policy("{'capacity':5,'refill_rate':1,'holds':" + expected + "}")
                        .holds());
    }

    @Test
    void nullRemovesHolds() throws InvalidPolicyException {
        var policy = policy("{'capacity':5,'refill_rate':1,'holds':{'within_s':5}}");

        assertThat(PolicyMerge.merge(policy, bytes("{'holds':null}")).holds()).isEmpty();
    }

    @Test
    void aLimitHasARateOrAPeriod() throws InvalidPolicyException {
        var monthly = policy("{'capacity':5,'period':'month','zone':'Europe/Berlin','mode':'shadow'}");

        assertThat(PolicyMerge.merge(monthly, bytes("{'capacity':6}")))
                .isEqualTo(policy("{'capacity':6,'period':'month','zone':'Europe/Berlin','mode':'shadow'}"));
        assertThat(PolicyMerge.merge(monthly, bytes("{'period':'day'}")))
                .isEqualTo(policy("{'capacity':5,'period':'day','zone':'Europe/Berlin','mode':'shadow'}"));
        assertThat(PolicyMerge.merge(monthly, bytes("{'refill_rate':2}")))
                .isEqualTo(policy("{'capacity':5,'refill_rate':2,'mode':'shadow'}"));
        assertThat(PolicyMerge.merge(policy(TWO), bytes("{'period':'week'}")))
                .isEqualTo(policy("{'limits':[{'name':'burst','capacity':5,'period':'week'},"
                        + "{'name':'day','capacity':50,'refill_rate':0}],'mode':'shadow','note':'why'}"));
        assertThatThrownBy(() -> PolicyMerge.merge(monthly, bytes("{'refill_rate':2,'period':'day'}")))
                .hasMessage("refill_rate cannot be combined with period: a limit has one of them");
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
