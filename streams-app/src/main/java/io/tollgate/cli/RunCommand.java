package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Runs the pipeline until it is told to end. */
@Command(
        name = "run",
        description = "Runs the pipeline from the environment until SIGTERM or Ctrl-C, then closes cleanly.",
        mixinStandardHelpOptions = true)
public final class RunCommand implements Callable<Integer> {
    private static final String LOG_FORMAT = "TOLLGATE_LOG_FORMAT";

    @Mixin
    private final KafkaOptions kafka;

    private final PipelineRun pipeline;

    /** The work that runs until the process ends. */
    @FunctionalInterface
    public interface PipelineRun {
        /** Returns the exit code. */
        int run(Settings settings) throws InterruptedException;
    }

    /** Takes the source of the settings, and the work to run with them. */
    public RunCommand(KafkaOptions kafka, PipelineRun pipeline) {
        this.kafka = kafka;
        this.pipeline = pipeline;
    }

    @Override
    public Integer call() throws SettingsException, InterruptedException {
        var env = kafka.env();
        // logback.xml reads it before the first log line, and the classes of the settings already log.
        env.text(LOG_FORMAT).ifPresent(format -> System.setProperty(LOG_FORMAT, format));
        return pipeline.run(Settings.from(env, Settings.Use.PIPELINE));
    }
}
