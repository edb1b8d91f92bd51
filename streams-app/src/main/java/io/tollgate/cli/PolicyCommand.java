package io.tollgate.cli;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.policy.InvalidPolicyException;
import io.tollgate.policy.Mode;
import io.tollgate.policy.PolicyChange;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import io.tollgate.policy.PolicyTopic;
import io.tollgate.policy.StoredPolicy;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;

/** Reads and writes the policies. */
@Command(
        name = "policy",
        description = "Reads and writes the policies: what each agent may spend.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND")
public final class PolicyCommand extends CommandGroup {
    /** Heap for each byte of a file: it is held as bytes, as text, and as policies. */
    private static final int MEMORY_PER_BYTE = 12;

    @Mixin
    private final KafkaOptions kafka;

    /** Takes the source of the settings. */
    public PolicyCommand(KafkaOptions kafka) {
        this.kafka = kafka;
    }

    @Command(
            name = "set",
            description =
                    "Sets the policy of an agent, of all agents whose ids share a prefix (\"acme/*\"), or of everybody (\"*\"). It replaces the whole policy.",
            mixinStandardHelpOptions = true)
    int set(
            @Mixin PolicyKey key,
            @Option(
                            names = "--capacity",
                            paramLabel = "N",
                            converter = PolicyArguments.Capacity.class,
                            description = "Tokens that may be spent at once: above 0, at most 1e12.")
                    @Nullable
                    Double capacity,
            @Option(
                            names = "--refill-rate",
                            paramLabel = "R",
                            converter = PolicyArguments.RefillRate.class,
                            description = "Tokens per second in the long run: 0 to 1e12.")
                    @Nullable
                    Double refillRate,
            @Option(
                            names = "--period",
                            paramLabel = "PERIOD",
                            converter = PolicyArguments.Periods.class,
                            description =
                                    "Instead of a refill rate: the bucket is full at the start of each minute, hour,"
                                            + " day, week (from Monday) or month, and does not refill within it.")
                    @Nullable
                    Period period,
            @Option(
                            names = "--zone",
                            paramLabel = "ZONE",
                            converter = PolicyArguments.Zone.class,
                            description = "The time zone of the period, such as Europe/Berlin (default: UTC).")
                    @Nullable
                    String zone,
            @Option(
                            names = "--limit",
                            paramLabel = "NAME:N:R",
                            converter = PolicyArguments.OneOfSeveral.class,
                            description = "One of several limits, all of which must cover a request: name, capacity and"
                                    + " refill rate, or NAME:N:PERIOD[:ZONE]. Repeatable; replaces the options above.")
                    @Nullable
                    List<NamedLimit> several,
            @Option(
                            names = "--mode",
                            paramLabel = "MODE",
                            defaultValue = "enforce",
                            converter = PolicyArguments.Modes.class,
                            description = "enforce: refuse what is not covered; shadow: approve it and say so; off: no"
                                    + " bucket at all (default: ${DEFAULT-VALUE}).")
                    Mode mode,
            @Option(names = "--note", paramLabel = "TEXT", description = "For people: why, and who asked for it.")
                    @Nullable
                    String note,
            @Option(names = "--dry-run", description = "Show the difference, write nothing.") boolean dryRun)
            throws SettingsException {
        var agentId = key.text();
        var command = Objects.requireNonNull(spec.subcommands().get("set"));
        var limits = limits(command, capacity, refillRate, period, zone, several);
        var policy = new PolicyDocument(mode, limits, Optional.ofNullable(note));
        try {
            PolicyJson.parse(PolicyJson.write(policy)); // rules for the note, and for several limits together
        } catch (InvalidPolicyException invalid) {
            throw new ParameterException(command, String.valueOf(invalid.getMessage()));
        }
        try (var topic = topic()) {
            if (dryRun) {
                var difference = PolicyDifference.between(topic.read(), Map.of(agentId, policy), false);
                difference.lines().forEach(this::println);
                println("nothing was written");
                return 0;
            }
            println(topic.put(agentId, policy, changedBy()) + ": " + PolicyText.of(policy));
        }
        return 0;
    }

    @Command(
            name = "get",
            description = "Shows which policy applies to an agent, and why.",
            mixinStandardHelpOptions = true)
    int get(
            @Mixin PolicyKey key,
            @Option(names = "--json", description = "One JSON document instead of text.") boolean json)
            throws SettingsException {
        var agentId = key.text();
        var settings = settings();
        Map<String, StoredPolicy> stored;
        try (var topic = new PolicyTopic(settings)) {
            stored = topic.read();
        }
        var view = PolicyView.of(agentId, stored, settings.defaultLimit());
        println(json ? PolicyView.json(view) : view.text());
        return 0;
    }

    @Command(name = "list", description = "Lists all policies.", mixinStandardHelpOptions = true)
    int list(@Option(names = "--json", description = "One JSON document instead of a table.") boolean json)
            throws SettingsException {
        List<PolicyView> views;
        try (var topic = topic()) {
            views = topic.read().values().stream().map(PolicyView::own).toList();
        }
        if (json) println(PolicyView.json(views));
        else if (views.isEmpty()) println("there are no policies; the default applies to everybody");
        else println(PolicyView.table(views));
        return 0;
    }

    @Command(
            name = "delete",
            description =
                    "Deletes a policy: the one of the longest prefix (\"acme/*\", \"*\") applies again, else the default.",
            mixinStandardHelpOptions = true)
    int delete(
            @Mixin PolicyKey key,
            @Option(names = "--dry-run", description = "Show what would be deleted, write nothing.") boolean dryRun)
            throws SettingsException {
        var agentId = key.text();
        try (var topic = topic()) {
            var stored = topic.read().get(agentId);
            if (stored == null) {
                println(agentId + " has no policy of its own");
                return 0;
            }
            if (dryRun) {
                println("removed    " + agentId + ": " + PolicyText.of(stored));
                println("nothing was written");
                return 0;
            }
            topic.delete(agentId, changedBy());
            println("deleted " + agentId + ": " + PolicyText.of(stored));
        }
        return 0;
    }

    @Command(
            name = "load",
            description =
                    "Writes the policies of a file: YAML or JSON, a map from agent id, prefix (\"acme/*\") or \"*\" to policy, or"
                            + " what export or list --json printed. Nothing is written if anything in the file is wrong.",
            mixinStandardHelpOptions = true)
    int load(
            @Parameters(paramLabel = "FILE", description = "The file; - reads standard input.") String file,
            @Option(names = "--dry-run", description = "Show the difference, write nothing.") boolean dryRun,
            @Option(names = "--delete-others", description = "Delete policies that are not in the file.")
                    boolean deleteOthers)
            throws SettingsException {
        var wanted = PolicyFile.parse(bytes(file));
        try (var topic = topic()) {
            var difference = PolicyDifference.between(topic.read(), wanted, deleteOthers);
            if (dryRun) difference.lines().forEach(this::println);
            else if (!difference.changes().isEmpty()) topic.write(difference.changes(), changedBy());
            println((dryRun ? "would be " : "") + difference.counts() + (dryRun ? "; nothing was written" : ""));
        }
        return 0;
    }

    @Command(
            name = "diff",
            description = {
                "Shows what load would change: a line for each policy that differs between topic and file. Writes nothing.",
                "A record that cannot be read counts as a difference, as it does for load."
            },
            mixinStandardHelpOptions = true)
    int diff(
            @Parameters(paramLabel = "FILE", description = "The file; - reads standard input.") String file,
            @Option(
                            names = "--delete-others",
                            description = "As for load: also show what deleting policies not in the file would change.")
                    boolean deleteOthers,
            @Option(names = "--exit-code", description = "Exit with 1 if there is a difference.") boolean exitCode)
            throws SettingsException {
        var wanted = PolicyFile.parse(bytes(file));
        PolicyDifference difference;
        try (var topic = topic()) {
            difference = PolicyDifference.between(topic.read(), wanted, deleteOthers);
        }
        difference.lines().stream()
                .filter(line -> !PolicyDifference.isUnchanged(line))
                .forEach(this::println);
        println(difference.changes().isEmpty() ? "no difference" : "load would make: " + difference.counts());
        return exitCode && !difference.changes().isEmpty() ? CommandLine.ExitCode.SOFTWARE : CommandLine.ExitCode.OK;
    }

    @Command(
            name = "export",
            description =
                    "Prints all policies as one YAML document that load takes; the same policies give the same bytes. Of a topic that"
                            + " has several partitions it prints the newest record of each key, and ends with exit code 1.",
            mixinStandardHelpOptions = true)
    int export() throws SettingsException {
        try (var topic = topic()) {
            print(topic.salvage());
            topic.requireOnePartition(); // the output may be needed to recreate the topic
        }
        return 0;
    }

    private void print(Map<String, StoredPolicy> stored) {
        var policies = new LinkedHashMap<String, PolicyDocument>();
        stored.forEach((agentId, policy) -> {
            policy.good().ifPresent(good -> policies.put(agentId, good.document()));
            policy.ignored().ifPresent(ignored -> warn(ignored, policy.good().isPresent()));
        });
        spec.commandLine().getOut().print(PolicyFile.write(policies));
        spec.commandLine().getOut().flush();
    }

    private void warn(StoredPolicy.Ignored ignored, boolean good) {
        var err = spec.commandLine().getErr();
        err.println("warning: "
                + PolicyText.line(ignored.name() + " cannot be read (" + ignored.mistake() + "): "
                        + (good ? "the policy before it is exported" : "it is left out")));
        err.flush();
    }

    @Command(
            name = "history",
            description =
                    "Shows the changes of a policy that the topic still holds: when, by whom, what. Compaction keeps at"
                            + " least those of the last 30 days, unless the topic is set otherwise.",
            mixinStandardHelpOptions = true)
    int history(
            @Mixin PolicyKey key,
            @Option(names = "--json", description = "One JSON document instead of a table.") boolean json)
            throws SettingsException {
        var agentId = key.text();
        var settings = settings();
        List<PolicyChange> changes;
        PolicyView applies;
        try (var topic = new PolicyTopic(settings)) {
            changes = topic.history(agentId);
            applies = PolicyView.of(agentId, topic.read(), settings.defaultLimit());
        }
        if (json) {
            println(PolicyHistory.json(changes));
            return 0;
        }
        println(changes.isEmpty() ? "the topic holds no policy of " + agentId : PolicyHistory.table(changes));
        applies.elsewhere().ifPresent(this::println);
        return 0;
    }

    /** Returns the user and host of this command, for the header {@code changed-by}. */
    private static String changedBy() {
        return "cli:" + System.getProperty("user.name") + "@" + host();
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException withoutAddress) {
            return "localhost";
        }
    }

    /** Returns what the file holds, or standard input. */
    static byte[] bytes(String file) {
        int most = (int) Math.min(PolicyFile.MAX_BYTES, Runtime.getRuntime().maxMemory() / MEMORY_PER_BYTE);
        try (var in = file.equals("-") ? System.in : Files.newInputStream(Path.of(file))) {
            var bytes = in.readNBytes(most + 1);
            if (bytes.length <= most) return bytes;
            throw new CommandFailure("cannot read " + file + ": it has more than " + most / 1_000_000
                    + " MB, the most that this command takes with a heap of "
                    + Runtime.getRuntime().maxMemory() / 1_000_000 + " MB");
        } catch (NoSuchFileException missing) {
            throw new CommandFailure("there is no file " + file);
        } catch (IOException | InvalidPathException unreadable) {
            throw new CommandFailure("cannot read " + file + ": " + unreadable.getMessage());
        }
    }

    private static List<NamedLimit> limits(
            CommandLine set,
            @Nullable Double capacity,
            @Nullable Double refillRate,
            @Nullable Period period,
            @Nullable String zone,
            @Nullable List<NamedLimit> several) {
        if (several != null) {
            if (capacity != null || refillRate != null || period != null || zone != null) {
                throw new ParameterException(
                        set, "--limit cannot be combined with --capacity, --refill-rate, --period or --zone");
            }
            return several;
        }
        if (refillRate != null && period != null) {
            throw new ParameterException(
                    set, "--refill-rate cannot be combined with --period: a limit has one of them");
        }
        if (zone != null && period == null) throw new ParameterException(set, "--zone needs --period");
        if (capacity != null && refillRate != null) return List.of(NamedLimit.only(new Limit(capacity, refillRate)));
        if (capacity != null && period != null) {
            var inZone = zone == null ? CalendarRefill.UTC.getId() : zone;
            return List.of(NamedLimit.only(Limit.each(period, inZone, capacity)));
        }
        throw new ParameterException(
                set, "--capacity and --refill-rate are needed, or --limit; --period can replace --refill-rate");
    }

    private Settings settings() throws SettingsException {
        return kafka.answered();
    }

    private PolicyTopic topic() throws SettingsException {
        return new PolicyTopic(settings());
    }
}
