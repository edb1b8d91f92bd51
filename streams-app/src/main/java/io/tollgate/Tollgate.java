package io.tollgate;

import io.tollgate.cli.BucketCommand;
import io.tollgate.cli.CommandFailure;
import io.tollgate.cli.CompletionCommand;
import io.tollgate.cli.ConfigOption;
import io.tollgate.cli.Conventions;
import io.tollgate.cli.DoctorCommand;
import io.tollgate.cli.ExplainCommand;
import io.tollgate.cli.HelpCommand;
import io.tollgate.cli.HoldsCommand;
import io.tollgate.cli.KafkaOptions;
import io.tollgate.cli.LoadCommand;
import io.tollgate.cli.PolicyCommand;
import io.tollgate.cli.RunCommand;
import io.tollgate.cli.SandboxCommand;
import io.tollgate.cli.TopicsCommand;
import io.tollgate.cli.VersionCommand;
import io.tollgate.cli.WhatIfCommand;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.kafka.KafkaErrors;
import io.tollgate.pipeline.PipelineProcess;
import io.tollgate.pipeline.RequestTopology;
import io.tollgate.verify.VerifyCommand;
import io.tollgate.verify.VerifySettings;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.KafkaException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The {@code tollgate} command. Exit 0: done, 1: failed, 2: wrong usage or settings. */
@Command(
        name = "tollgate",
        description = "Quota enforcement on a Kafka stream: each request is checked against its agent's token bucket.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:failed", "2:wrong usage or settings"},
        footer = {
            "",
            "Settings come from the environment; docs/settings.md lists them. `tollgate sandbox` starts everything."
        })
public final class Tollgate implements Runnable {
    @Spec
    private CommandSpec spec;

    /** Runs the command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        // A tool says in one line what its clients would say in twenty. Read by logback.xml, before the first line is
        // logged.
        boolean runs = arguments.length > 0 && arguments[0].equals("run");
        if (!runs) System.setProperty("tollgate.clients.log", "ERROR");
        System.exit(exitCode(arguments));
    }

    private static int exitCode(String... arguments) {
        try {
            return commandLine().execute(arguments);
        } catch (OutOfMemoryError full) {
            System.err.println(heapTooSmall());
            return CommandLine.ExitCode.SOFTWARE;
        }
    }

    private static String heapTooSmall() {
        return "the heap of " + Runtime.getRuntime().maxMemory() / 1_000_000
                + " MB is too small for this: raise it, such as by JAVA_OPTS=-Xmx4g";
    }

    /** Returns all commands, with the settings of this process's environment. */
    public static CommandLine commandLine() {
        return commandLine(System::getenv);
    }

    static CommandLine commandLine(Supplier<Map<String, String>> environment) {
        var commands = new CommandLine(new Tollgate())
                .addSubcommand(new SandboxCommand())
                .addSubcommand(new RunCommand(kafka(environment), PipelineProcess::run))
                .addSubcommand(new TopicsCommand(kafka(environment)))
                .addSubcommand(new LoadCommand(kafka(environment)))
                .addSubcommand(new PolicyCommand(kafka(environment)))
                .addSubcommand(new ExplainCommand(kafka(environment)))
                .addSubcommand(new WhatIfCommand(kafka(environment)))
                .addSubcommand(new BucketCommand(new ConfigOption(environment)))
                .addSubcommand(new HoldsCommand(new ConfigOption(environment)))
                .addSubcommand(verify(kafka(environment)))
                .addSubcommand(new DoctorCommand(kafka(environment), Tollgate::explained))
                .addSubcommand(new CompletionCommand())
                .addSubcommand(new HelpCommand())
                .addSubcommand(new VersionCommand());
        return Conventions.applied(commands).setExecutionExceptionHandler(Tollgate::report);
    }

    private static KafkaOptions kafka(Supplier<Map<String, String>> environment) {
        return new KafkaOptions(environment, RequestTopology::preflight);
    }

    private static CommandLine verify(KafkaOptions kafka) {
        var verify = new CommandLine(new VerifyCommand(() -> verifySettings(kafka.answered())));
        verify.getCommandSpec().addMixin("kafka", CommandSpec.forAnnotatedObject(kafka));
        return verify;
    }

    /** The checker shares no code with what it checks: it gets plain values. */
    static VerifySettings verifySettings(Settings settings) {
        var topics = settings.topics();
        return new VerifySettings(
                settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames()),
                topics.requests(),
                topics.approved(),
                topics.rejected(),
                topics.policies(),
                topics.events(),
                topics.usage(),
                topics.settled(),
                settings.defaultLimit().capacityTokens(),
                settings.defaultLimit().refillTokensPerSecond());
    }

    @Override
    public void run() {
        throw Conventions.commandMissing(spec);
    }

    /** One line for each mistake of the user's or failure of the cluster's; a stack trace only for a defect of ours. */
    private static int report(Exception thrown, CommandLine command, CommandLine.ParseResult arguments)
            throws Exception {
        if (thrown instanceof SettingsException settings) {
            settings.mistakes().forEach(command.getErr()::println);
            return CommandLine.ExitCode.USAGE;
        }
        if (thrown instanceof CommandFailure
                || thrown instanceof KafkaException
                || thrown instanceof UncheckedIOException) {
            command.getErr().println(explained(thrown));
            return CommandLine.ExitCode.SOFTWARE;
        }
        if (thrown.getCause() instanceof OutOfMemoryError) {
            command.getErr().println(heapTooSmall());
            return CommandLine.ExitCode.SOFTWARE;
        }
        throw thrown;
    }

    private static String explained(Throwable thrown) {
        var message = String.valueOf(thrown.getMessage());
        if (thrown instanceof org.apache.kafka.common.errors.TimeoutException) {
            return "Kafka does not answer: check KAFKA_BOOTSTRAP_SERVERS, and that TLS settings match the listener ("
                    + message + ")";
        }
        return KafkaErrors.explain(thrown).orElseGet(() -> withCause(message, thrown));
    }

    /** Kafka's clients say that they could not be made, and only the cause says why: a keystore that is not there. */
    private static String withCause(String message, Throwable thrown) {
        Throwable deepest = thrown;
        while (deepest.getCause() != null) deepest = deepest.getCause();
        var reason = String.valueOf(deepest.getMessage()).lines().findFirst().orElse("");
        return message.contains(reason) ? message : message + " (" + reason + ")";
    }
}
