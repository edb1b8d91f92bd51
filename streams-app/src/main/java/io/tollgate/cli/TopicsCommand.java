package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.preflight.Finding;
import io.tollgate.preflight.Preflight;
import java.util.ArrayList;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Creates and checks the topics. */
@Command(
        name = "topics",
        description = "Creates the topics, or says what is wrong with them.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class TopicsCommand implements Runnable {
    private final SettingsSource source;
    private final Function<Settings, Preflight> preflights;

    @Spec
    private CommandSpec spec;

    /** Takes where the settings come from, and what checks a pipeline that would run with them. */
    public TopicsCommand(SettingsSource source, Function<Settings, Preflight> preflights) {
        this.source = source;
        this.preflights = preflights;
    }

    @Override
    public void run() {
        throw Conventions.commandMissing(spec);
    }

    @Command(
            name = "create",
            description = "Creates the topics that are not there, with the right partitions and settings.",
            mixinStandardHelpOptions = true)
    int create(
            @Option(
                            names = "--partitions",
                            paramLabel = "N",
                            defaultValue = "" + TopicAdmin.DEFAULT_PARTITIONS,
                            description = "Partitions of requests, approved and rejected (default: ${DEFAULT-VALUE}).")
                    int partitions,
            @Option(
                            names = "--replication-factor",
                            paramLabel = "N",
                            defaultValue = "-1",
                            description = "Copies of each partition (default: the broker's own setting).")
                    short replicationFactor)
            throws SettingsException {
        var command = spec.subcommands().get("create");
        if (partitions < 1 || partitions > 10_000) {
            throw new ParameterException(command, "--partitions must be from 1 to 10000, but is " + partitions);
        }
        if (replicationFactor != -1 && replicationFactor < 1) {
            throw new ParameterException(
                    command, "--replication-factor must be at least 1, but is " + replicationFactor);
        }
        var settings = source.read(Settings.Use.TOOL);
        CommandFailure.ifAnyFatal(preflights.apply(settings).listeners());
        try (var topics = new TopicAdmin(settings)) {
            for (var created : topics.create(partitions, replicationFactor)) {
                println((created.isNew() ? "created  " : "exists   ") + created.topic());
            }
        }
        return 0;
    }

    @Command(
            name = "check",
            description =
                    "Says what is wrong with topics, rights, Redis and clocks, one line each; exit 1 if the pipeline would not"
                            + " start. Warnings do not count.",
            mixinStandardHelpOptions = true)
    int check() throws SettingsException {
        var settings = source.read(Settings.Use.TOOL);
        var preflight = preflights.apply(settings);
        CommandFailure.ifAnyFatal(preflight.listeners());
        var findings = new ArrayList<Finding>();
        try (var topics = new TopicAdmin(settings)) {
            findings.addAll(preflight.brokers(topics.admin()));
        }
        findings.addAll(preflight.redis());
        findings.forEach(finding -> println((finding.fatal() ? "" : "warning: ") + finding.text()));
        if (findings.isEmpty()) println("the topics are as they should be");
        return findings.stream().anyMatch(Finding::fatal) ? 1 : 0;
    }

    private void println(String line) {
        spec.commandLine().getOut().println(line);
        spec.commandLine().getOut().flush();
    }
}
