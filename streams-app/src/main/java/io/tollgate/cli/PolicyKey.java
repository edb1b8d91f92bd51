package io.tollgate.cli;

import picocli.CommandLine.Parameters;

/** The key of a policy, as an argument. */
final class PolicyKey {
    @Parameters(
            paramLabel = "AGENT",
            converter = PolicyArguments.Agent.class,
            description = "The agent's id, a prefix (\"acme/*\"), or \"*\".")
    private String key = "";

    String text() {
        return key;
    }
}
