package io.tollgate.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** Lists the sandbox among the commands; the script {@code tollgate} starts it from the sources. */
@Command(
        name = "sandbox",
        description = "Starts a real Kafka broker, a real Redis, the pipeline and sample agents on loopback ports.",
        mixinStandardHelpOptions = true)
public final class SandboxCommand implements Runnable {
    @Unmatched
    private List<String> words = List.of();

    @Override
    public void run() {
        throw new CommandFailure("the sandbox is part of the sources, not of the release archive");
    }
}
