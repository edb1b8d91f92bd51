package io.tollgate.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What Prometheus is given, read by Prometheus' own tool where it is installed. */
class PrometheusTest {
    private static final String DIR = "deploy/prometheus/";

    @Test
    void everyAlertFiresAndStaysSilent() {
        var firing = new TreeSet<String>();
        var silent = new TreeSet<String>();
        for (var test : DeploymentFiles.yaml(DIR + "alerts.test.yml").findValues("alert_rule_test")) {
            for (var moment : test) {
                var into = moment.get("exp_alerts").isEmpty() ? silent : firing;
                into.add(moment.get("alertname").asText());
            }
        }

        var alerts = new TreeSet<>(DeploymentFiles.yaml(DIR + "alerts.yml").findValuesAsText("alert"));
        assertThat(alerts).isNotEmpty();
        assertThat(firing).isEqualTo(alerts);
        assertThat(silent).isEqualTo(alerts);
    }

    @Test
    void everyAlertLeadsToItsParagraph() {
        var page = DeploymentFiles.text("docs/operations.md");
        var anchors = Stream.concat(
                        Pattern.compile("<a id=\"([^\"]+)\">").matcher(page).results(),
                        Pattern.compile("(?m)^#+ `?(\\w+)`?$").matcher(page).results())
                .map(anchor -> anchor.group(1).toLowerCase(Locale.ROOT))
                .toList();
        var rules = DeploymentFiles.yaml(DIR + "alerts.yml").at("/groups/0/rules");

        assertThat(rules).hasSizeGreaterThan(10).allSatisfy(rule -> {
            var name = rule.get("alert").asText().toLowerCase(Locale.ROOT);
            assertThat(rule.at("/annotations/runbook_url").asText()).endsWith("/docs/operations.md#" + name);
            assertThat(anchors).containsOnlyOnce(name);
        });
        assertThat(anchors.stream().filter(anchor -> anchor.startsWith("tollgate")))
                .as("no paragraph of an alert that is gone")
                .hasSameSizeAs(rules);
    }

    @Test
    void everyRuleKeepsTheJob() {
        for (var expression : DeploymentFiles.yaml(DIR + "alerts.yml").findValuesAsText("expr")) {
            var groups = Pattern.compile("\\b(?:by|on) ?\\(([^)]*)\\)")
                    .matcher(expression)
                    .results();
            assertThat(groups.map(group -> group.group(1))).as(expression).allMatch(labels -> labels.startsWith("job"));
            assertThat(expression)
                    .doesNotContainPattern("\\b(sum|min|max|avg|count)\\(")
                    .doesNotContain("without");
        }
    }

    @ParameterizedTest
    @CsvSource({"check config, prometheus.yml", "check rules, alerts.yml", "test rules, alerts.test.yml"})
    void promtoolFindsNothing(String command, String file) throws Exception {
        assumeTrue(Program.isOnPath("promtool"), "promtool is not installed");
        var words = command.split(" ");

        assertThat(Program.run(List.of("promtool", words[0], words[1], DIR + file)))
                .as("exit code for " + file)
                .isZero();
    }
}
