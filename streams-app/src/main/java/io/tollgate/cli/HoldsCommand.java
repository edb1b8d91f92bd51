package io.tollgate.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.config.SettingsException;
import io.tollgate.route.Decimal;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows what an agent has reserved and not settled, through the running pipeline. */
@Command(
        name = "holds",
        description = "Shows an agent's open holds, the one that ends first at the top, through the running pipeline.",
        mixinStandardHelpOptions = true)
public final class HoldsCommand extends PrintingCommand implements Callable<Integer> {
    @Mixin
    private final ConfigOption config;

    private final AgentApi api;

    @Mixin
    private AgentQuestion question = new AgentQuestion();

    /** Takes the source of the settings. */
    public HoldsCommand(ConfigOption config) {
        this.config = config;
        this.api = new AgentApi(config, command -> spec.commandLine());
    }

    @Override
    public Integer call() throws SettingsException {
        var agent = question.ask(api, "holds", "GET", "").agent();
        if (question.json()) {
            var document = new ObjectMapper().createObjectNode();
            document.set("agent_id", agent.path("agent_id"));
            document.set("open_holds", agent.path("open_holds"));
            document.set("holds", agent.path("holds"));
            println(document);
        } else {
            println(text(agent));
        }
        return 0;
    }

    private static String text(JsonNode agent) {
        var holds = agent.path("holds");
        if (holds.isEmpty()) return "no open holds";
        var now = Instant.parse(agent.path("bucket").path("read_at").asText());
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("hold", "reserved", "open for", "ends in", "request"));
        double reserved = 0;
        for (var hold : holds) {
            reserved += hold.path("reserved").asDouble();
            rows.add(List.of(
                    hold.path("hold").asText(),
                    Decimal.text(hold.path("reserved").asDouble()),
                    between(Instant.parse(hold.path("opened_at").asText()), now),
                    between(now, Instant.parse(hold.path("deadline").asText())),
                    hold.path("request_id").asText("")));
        }
        int open = agent.path("open_holds").asInt();
        var shown = open > holds.size() ? ", " + holds.size() + " of them shown" : "";
        return Table.of(rows) + System.lineSeparator() + open + " open" + shown + ", " + Decimal.text(reserved)
                + " tokens reserved";
    }

    private static String between(Instant from, Instant to) {
        var duration = Duration.between(from, to);
        return DurationText.of(duration.isNegative() ? Duration.ZERO : Duration.ofMillis(duration.toMillis()));
    }
}
