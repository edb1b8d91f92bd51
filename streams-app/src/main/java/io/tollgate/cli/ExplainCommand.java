package io.tollgate.cli;

import io.tollgate.config.SettingsException;
import io.tollgate.history.Explain;
import io.tollgate.history.Explanation;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;

/** {@code tollgate explain}: exit 1 if there is no such decision. */
@Command(
        name = "explain",
        mixinStandardHelpOptions = true,
        description = {
            "Explains one decision in words and figures, from the topics: the bucket before and after, the policy and who set it,"
                    + " who decided, and what the agent was told next.",
            "Exit 1 if there is no such decision.",
        })
public final class ExplainCommand extends PrintingCommand implements Callable<Integer> {
    private static final Pattern SOURCE = Pattern.compile("([a-zA-Z0-9._-]{1,249})/(\\d{1,9})/(\\d{1,18})");

    @Mixin
    private final KafkaOptions kafka;

    @Parameters(
            paramLabel = "SOURCE",
            arity = "0..1",
            description =
                    "The value of the header quota-source: topic, partition and offset of the request, such as agent-requests/3/1234.")
    private @Nullable String source;

    @Option(
            names = "--request-id",
            paramLabel = "ID",
            description =
                    "The request's own id. Of several decisions, the newest; the topics are searched from their end.")
    private @Nullable String requestId;

    @Option(names = "--json", description = "One JSON document instead of text.")
    private boolean json;

    /** Takes the source of the settings. */
    public ExplainCommand(KafkaOptions kafka) {
        this.kafka = kafka;
    }

    @Override
    public Integer call() throws SettingsException {
        if ((source == null) == (requestId == null)) throw wrong("either SOURCE or --request-id is needed");
        if (requestId != null && requestId.isEmpty()) throw wrong("--request-id must not be empty");
        Matcher place = SOURCE.matcher(source == null ? "" : source);
        if (source != null && !place.matches())
            throw wrong("SOURCE must be TOPIC/PARTITION/OFFSET, but is \"" + source + "\"");
        var settings = kafka.answered();
        var explain = new Explain(settings);
        Explanation found;
        try {
            found = requestId != null
                    ? explain.byRequestId(requestId)
                    : explain.bySource(
                            place.group(1), Integer.parseInt(place.group(2)), Long.parseLong(place.group(3)));
        } catch (Explain.NotFoundException missing) {
            throw new CommandFailure(String.valueOf(missing.getMessage()));
        }
        var text = new ExplainText(found, settings.defaultLimit());
        println(json ? text.json() : text.text());
        return 0;
    }

    private ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
