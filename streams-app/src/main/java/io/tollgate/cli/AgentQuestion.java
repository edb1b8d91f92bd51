package io.tollgate.cli;

import io.tollgate.config.SettingsException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The arguments of commands that ask the running pipeline about an agent. */
final class AgentQuestion {
    @Parameters(paramLabel = "AGENT", converter = PolicyArguments.Agent.class, description = "The agent's id.")
    private String agentId = "";

    @Option(names = "--json", description = "One JSON document instead of text.")
    private boolean json;

    @Option(
            names = "--url",
            paramLabel = "URL",
            description = "Where the pipeline serves HTTP (default: TOLLGATE_HTTP_HOST and _PORT).")
    private @Nullable String url;

    boolean json() {
        return json;
    }

    /** Returns the answer to {@link AgentApi#call}. */
    AgentApi.Answer ask(AgentApi api, String command, String method, String action) throws SettingsException {
        return api.call(command, method, agentId, action, url);
    }
}
