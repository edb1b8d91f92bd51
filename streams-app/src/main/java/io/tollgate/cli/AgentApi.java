package io.tollgate.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.config.HttpConfig;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.http.AgentPath;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Asks the running pipeline about an agent. Not thread-safe. */
final class AgentApi {
    static final HttpClient CLIENT = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5))
            .build();

    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(10);

    private final ConfigOption config;
    private final Function<String, CommandLine> commands;

    /** @param commands by name, to report wrong usage */
    AgentApi(ConfigOption config, Function<String, CommandLine> commands) {
        this.config = config;
        this.commands = commands;
    }

    /** A pipeline's answer. */
    record Answer(String text, JsonNode agent) {}

    /**
     * Returns the agent as the pipeline shows it.
     *
     * @param command the asking command
     * @param action what to do with the agent, a path; empty: look
     * @param url where the pipeline serves HTTP; null: where the settings say
     * @throws CommandFailure if it refuses, does not answer, or is not a pipeline
     */
    Answer call(String command, String method, String agentId, String action, @Nullable String url)
            throws SettingsException {
        var settings = config.read(Settings.Use.TOOL).http();
        var base = base(command, url == null ? settings.localUrl() : url);
        var request = request(settings, base + "/api/agents/" + AgentPath.encode(agentId) + action, ANSWER_TIMEOUT)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .header("Accept", "application/json");
        try {
            var response = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            if (response.statusCode() != 200) throw new CommandFailure(refusal(base, response));
            return answer(base, response.body());
        } catch (IOException e) {
            throw new CommandFailure("the pipeline does not answer at " + base
                    + ": start it, or check TOLLGATE_HTTP_HOST and TOLLGATE_HTTP_PORT, or --url");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure("interrupted");
        }
    }

    /** Returns a request with the token of the settings. */
    static HttpRequest.Builder request(HttpConfig settings, String url, Duration timeout) {
        var request = HttpRequest.newBuilder(URI.create(url)).timeout(timeout);
        settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        return request;
    }

    private static Answer answer(String base, byte[] body) {
        try {
            var agent = new ObjectMapper().readTree(body);
            if (agent.path("bucket").isObject()) return new Answer(new String(body, StandardCharsets.UTF_8), agent);
        } catch (IOException noJson) {
            // below
        }
        throw new CommandFailure(base + " answers, but is not a Tollgate pipeline");
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
                commands.apply(command), "--url must be an address such as http://127.0.0.1:8080, but is " + url);
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
}
