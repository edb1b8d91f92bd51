package io.tollgate.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.http.AgentPath;
import io.tollgate.route.Decimal;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows and resets buckets through the running pipeline: only the pipeline knows buckets that are not in Redis. */
@Command(
        name = "bucket",
        description = "Shows or fills an agent's bucket, through the running pipeline.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class BucketCommand implements Runnable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(10);

    @Mixin
    private final ConfigOption config;

    @Spec
    private CommandSpec spec;

    /** Takes the source of the settings. */
    public BucketCommand(ConfigOption config) {
        this.config = config;
    }

    @Override
    public void run() {
        throw Conventions.commandMissing(spec);
    }

    @Command(name = "show", description = "Shows an agent's bucket as it is now.", mixinStandardHelpOptions = true)
    int show(
            @Parameters(paramLabel = "AGENT", converter = PolicyArguments.Agent.class, description = "The agent's id.")
                    String agentId,
            @Option(names = "--json", description = "One JSON document instead of text.") boolean json,
            @Option(
                            names = "--url",
                            paramLabel = "URL",
                            description = "Where the pipeline serves HTTP (default: TOLLGATE_HTTP_HOST and _PORT).")
                    @Nullable
                    String url)
            throws SettingsException {
        print(call("show", "GET", agentId, "", url), json);
        return 0;
    }

    @Command(
            name = "reset",
            description = "Fills an agent's bucket; TOLLGATE_HTTP_TOKEN must be the pipeline's.",
            mixinStandardHelpOptions = true)
    int reset(
            @Parameters(paramLabel = "AGENT", converter = PolicyArguments.Agent.class, description = "The agent's id.")
                    String agentId,
            @Option(names = "--json", description = "One JSON document instead of text.") boolean json,
            @Option(
                            names = "--url",
                            paramLabel = "URL",
                            description = "Where the pipeline serves HTTP (default: TOLLGATE_HTTP_HOST and _PORT).")
                    @Nullable
                    String url)
            throws SettingsException {
        print(call("reset", "POST", agentId, "/reset", url), json);
        return 0;
    }

    private Answer call(String command, String method, String agentId, String action, @Nullable String url)
            throws SettingsException {
        var settings = config.read(Settings.Use.TOOL).http();
        var base = base(command, url == null ? "http://" + reachable(settings.host()) + ":" + settings.port() : url);
        var request = HttpRequest.newBuilder(URI.create(base + "/api/agents/" + AgentPath.encode(agentId) + action))
                .method(method, HttpRequest.BodyPublishers.noBody())
                .header("Accept", "application/json")
                .timeout(ANSWER_TIMEOUT);
        settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        var client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(CONNECT_TIMEOUT)
                .build();
        try {
            var response = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            if (response.statusCode() != 200) throw new CommandFailure(refusal(base, response));
            return new Answer(base, response.body());
        } catch (IOException e) {
            throw new CommandFailure("the pipeline does not answer at " + base
                    + ": start it, or check TOLLGATE_HTTP_HOST and TOLLGATE_HTTP_PORT, or --url");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure("interrupted");
        }
    }

    private String base(String command, String url) {
        try {
            var uri = URI.create(url);
            boolean http = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (http && uri.getHost() != null && uri.getPort() != 0) return url.replaceFirst("/+$", "");
        } catch (IllegalArgumentException reported) {
            // below
        }
        throw new ParameterException(
                spec.subcommands().get(command),
                "--url must be an address such as http://127.0.0.1:8080, but is " + url);
    }

    /** A server may listen on all addresses, but a client needs a single one. */
    static String reachable(String host) {
        if (host.equals("0.0.0.0")) return "127.0.0.1";
        if (host.equals("::")) return "[::1]";
        return host.contains(":") ? "[" + host + "]" : host;
    }

    private static String refusal(String base, HttpResponse<byte[]> response) {
        var said = detail(response.body()).map(detail -> ": " + detail).orElse("");
        return switch (response.statusCode()) {
            case 401, 403 -> "the pipeline at " + base + " refuses" + said;
            default -> "the pipeline at " + base + " answers " + response.statusCode() + said;
        };
    }

    private static Optional<String> detail(byte[] problem) {
        try {
            var detail = new ObjectMapper().readTree(problem).path("detail");
            return detail.isTextual() ? Optional.of(detail.textValue()) : Optional.empty();
        } catch (IOException noJson) {
            return Optional.empty();
        }
    }

    private record Answer(String base, byte[] body) {}

    private static CommandFailure notOurs(Answer answer) {
        return new CommandFailure(answer.base + " answers, but is not a Tollgate pipeline");
    }

    private void print(Answer answer, boolean json) {
        JsonNode agent;
        try {
            agent = new ObjectMapper().readTree(answer.body);
        } catch (IOException e) {
            throw notOurs(answer);
        }
        var bucket = agent.path("bucket");
        if (!bucket.isObject()) throw notOurs(answer);
        var out = spec.commandLine().getOut();
        if (json) {
            out.println(new String(answer.body, StandardCharsets.UTF_8));
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
        out.flush();
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
        spec.commandLine().getOut().println(String.format("%-13s %s", name, value));
    }
}
