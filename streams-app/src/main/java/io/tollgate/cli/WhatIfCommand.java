package io.tollgate.cli;

import io.tollgate.config.SettingsException;
import io.tollgate.history.WhatIf;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code tollgate whatif}: exits with 0 after every complete replay, whatever its result. */
@Command(
        name = "whatif",
        mixinStandardHelpOptions = true,
        description = {
            "Decides the requests on the topics again, under the policies of FILE: shows what would have been refused.",
            "FILE is what policy load takes. Policies that it does not name stay as they were. It changes nothing, and asks no pipeline.",
            "First it decides under the policies that were in force, and tells how many recorded verdicts that does not reproduce.",
        })
public final class WhatIfCommand extends PrintingCommand implements Callable<Integer> {
    @Mixin
    private final KafkaOptions kafka;

    @Parameters(paramLabel = "FILE", description = "The policies, as policy load takes them; - reads standard input.")
    private String file;

    @Option(
            names = "--since",
            paramLabel = "DURATION",
            defaultValue = "1h",
            converter = DurationArgument.class,
            description = "How far back, such as 30m, 1h30m or 7d (default: ${DEFAULT-VALUE}).")
    private Duration since;

    @Option(
            names = "--delete-others",
            description = "As with load --delete-others: policies that FILE does not name fall back to the default.")
    private boolean deleteOthers;

    @Option(names = "--json", description = "One JSON document instead of text.")
    private boolean json;

    /** Takes the source of the settings. */
    @SuppressWarnings("NullAway.Init") // picocli sets the rest
    public WhatIfCommand(KafkaOptions kafka) {
        this.kafka = kafka;
    }

    @Override
    public Integer call() throws SettingsException {
        var tried = PolicyFile.parse(PolicyCommand.bytes(file));
        var whatIf = new WhatIf(kafka.answered(), tried, deleteOthers);
        var err = spec.commandLine().getErr();
        var bars = new Progress[1];
        WhatIf.Report report;
        try {
            report = whatIf.run(Instant.now().minus(since), total -> {
                bars[0] = new Progress("reading", total, err);
                return read -> bars[0].step();
            });
        } finally {
            if (bars[0] != null) bars[0].close();
        }
        println(json ? WhatIfText.json(report) : WhatIfText.of(report));
        return 0;
    }
}
