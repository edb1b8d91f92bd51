package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.verify.VerifyCommand;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/**
 * The result of {@code tollgate verify}, run in this JVM, where its classes are warm; {@link PipelineIT} runs the
 * command itself. Immutable.
 */
record Verdict(JsonNode report) {
    /** Waits at most so long until every request is decided, and checks the topics from their beginning. */
    static Verdict of(TestCluster cluster, Duration patience, String... options) {
        var arguments = new ArrayList<>(List.of("--from-beginning", "--json", "--wait", "" + patience.toSeconds()));
        arguments.addAll(List.of(options));
        var output = new StringWriter();
        var settings = Tollgate.verifySettings(cluster.settings());
        int exit = new CommandLine(new VerifyCommand(() -> settings))
                .setOut(new PrintWriter(output, true))
                .setErr(new PrintWriter(output, true))
                .execute(arguments.toArray(String[]::new));
        int begin = output.toString().indexOf("{");
        assertThat(begin).as("verify said: " + output).isNotNegative();
        try {
            var verdict =
                    new Verdict(new ObjectMapper().readTree(output.toString().substring(begin)));
            assertThat(exit)
                    .as(output.toString())
                    .isEqualTo(verdict.report.get("clean").booleanValue() ? 0 : 1);
            return verdict;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Every promise holds. */
    Verdict clean() {
        assertThat(report.get("violation_counts")).as(report.toPrettyString()).isEmpty();
        assertThat(figure("worst_overdraft_beyond_slack_tokens")).isZero();
        assertThat(figure("pending")).isZero();
        return this;
    }

    /** Every promise but this one holds. */
    Verdict cleanBut(String invariant) {
        report.get("violation_counts")
                .fieldNames()
                .forEachRemaining(
                        name -> assertThat(name).as(report.toPrettyString()).isEqualTo(invariant));
        assertThat(figure("pending")).isZero();
        return this;
    }

    /** Every promise holds but that of a single record for each request, which at-least-once does not give. */
    Verdict cleanButDuplicates() {
        cleanBut("CONSERVATION");
        assertThat(report.get("violation_counts").path("CONSERVATION").asLong()).isEqualTo((long) figure("duplicates"));
        return this;
    }

    double figure(String name) {
        return report.get("figures").get(name).doubleValue();
    }

    /** Returns the figures that show the cost of a fault. */
    String figures() {
        return String.format(
                "requests %.0f, local %.0f, settled %.0f, expired %.0f, duplicates %.0f, overdraft %.3f (beyond slack %.3f), dropped tokens %.1f, longest gap %.2f s",
                figure("requests"),
                figure("decided_by_local"),
                report.at("/figures/settled").doubleValue(), // absent without holds
                report.at("/figures/expired").doubleValue(),
                figure("duplicates"),
                figure("worst_overdraft_tokens"),
                figure("worst_overdraft_beyond_slack_tokens"),
                figure("unexplained_drops_tokens"),
                figure("longest_gap_seconds"));
    }
}
