package io.tollgate.cli;

import io.tollgate.config.SettingsException;
import io.tollgate.preflight.Finding;
import java.util.ArrayList;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Creates and checks the topics. */
@Command(
        name = "topics",
        description = "Creates the topics, or shows what is wrong with them.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class TopicsCommand extends CommandGroup {
    @Mixin
    private final KafkaOptions kafka;

    /** Takes the source of the settings. */
    public TopicsCommand(KafkaOptions kafka) {
        this.kafka = kafka;
    }

    @Command(
            name = "create",
            description = "Creates the topics that are missing, with the right partitions and settings.",
            mixinStandardHelpOptions = true)
    int create(
            @Option(
                            names = "--partitions",
                            paramLabel = "N",
                            defaultValue = "" + TopicAdmin.DEFAULT_PARTITIONS,
                            description =
                                    "Partitions of requests, approved, rejected and settled (default: ${DEFAULT-VALUE})."
                                            + " Usage reports get as many as requests have.")
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
        try (var topics = new TopicAdmin(kafka.answered())) {
            for (var created : topics.create(partitions, replicationFactor)) {
                println((created.isNew() ? "created  " : "exists   ") + created.topic());
            }
        }
        return 0;
    }

    @Command(
            name = "check",
            description =
                    "Shows what is wrong with topics, rights, Redis and clocks, one line each. Exits with 1 if the pipeline would"
                            + " not start; warnings do not count.",
            mixinStandardHelpOptions = true)
    int check() throws SettingsException {
        var settings = kafka.answered();
        var preflight = kafka.preflight(settings);
        var findings = new ArrayList<Finding>();
        try (var topics = new TopicAdmin(settings)) {
            findings.addAll(preflight.brokers(topics.admin()));
        }
        findings.addAll(preflight.redis());
        findings.forEach(finding -> println((finding.fatal() ? "" : "warning: ") + finding.text()));
        if (findings.isEmpty()) println("the topics are as they should be");
        return findings.stream().anyMatch(Finding::fatal) ? 1 : 0;
    }
}
