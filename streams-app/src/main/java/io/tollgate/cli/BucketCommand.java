package io.tollgate.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.config.SettingsException;
import io.tollgate.route.Decimal;
import java.time.Duration;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows and resets buckets through the running pipeline: only the pipeline knows buckets that are not in Redis. */
@Command(
        name = "bucket",
        description = "Shows or fills an agent's bucket, through the running pipeline.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class BucketCommand extends CommandGroup {
    @Mixin
    private final ConfigOption config;

    private final AgentApi api;

    /** Takes the source of the settings. */
    public BucketCommand(ConfigOption config) {
        this.config = config;
        this.api = new AgentApi(config, command -> spec.subcommands().get(command));
    }

    @Command(name = "show", description = "Shows an agent's bucket as it is now.", mixinStandardHelpOptions = true)
    int show(@Mixin AgentQuestion question) throws SettingsException {
        print(question.ask(api, "show", "GET", ""), question.json());
        return 0;
    }

    @Command(
            name = "reset",
            description = "Fills an agent's bucket; TOLLGATE_HTTP_TOKEN must be the pipeline's.",
            mixinStandardHelpOptions = true)
    int reset(@Mixin AgentQuestion question) throws SettingsException {
        print(question.ask(api, "reset", "POST", "/reset"), question.json());
        return 0;
    }

    private void print(AgentApi.Answer answer, boolean json) {
        var agent = answer.agent();
        var bucket = agent.path("bucket");
        if (json) {
            println(answer.text());
        } else {
            var policy = agent.path("policy");
            row("agent", agent.path("agent_id").asText());
            row("tokens", plain(bucket.path("tokens")));
            row("capacity", plain(bucket.path("capacity")));
            row(bucket.has("period") ? "full" : "refill rate", refill(bucket));
            for (JsonNode limit : bucket.path("limits")) {
                row(
                        "  " + limit.path("name").asText(),
                        plain(limit.path("tokens")) + " of "
                                + plain(limit.path("capacity")) + ", "
                                + (limit.has("period") ? "full " : "") + refill(limit));
            }
            row("time to full", timeToFull(bucket.path("time_to_full_ms")));
            row("read from", bucket.path("read_from").asText());
            row(
                    "policy",
                    policy.path("name").asText() + " (" + policy.path("mode").asText() + ")");
        }
    }

    private static String refill(JsonNode limit) {
        return limit.has("period")
                ? "each " + limit.path("period").asText() + " in "
                        + limit.path("zone").asText()
                : plain(limit.path("refill_rate")) + " per second";
    }

    /** Returns the number without an exponent, which people misread. */
    private static String plain(JsonNode number) {
        return number.isNumber() ? Decimal.text(number.asDouble()) : number.asText();
    }

    private static String timeToFull(JsonNode millis) {
        return millis.isNull() ? "never" : DurationText.of(Duration.ofMillis(millis.asLong()));
    }

    private void row(String name, String value) {
        println(String.format("%-13s %s", name, value));
    }
}
