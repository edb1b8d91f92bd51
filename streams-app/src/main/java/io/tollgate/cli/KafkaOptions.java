package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.env.Env;
import io.tollgate.preflight.Preflight;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The source of the settings of a command that talks to Kafka: {@code --bootstrap-server} wins over all others. */
public final class KafkaOptions extends ConfigOption {
    private final Function<Settings, Preflight> preflights;

    @Option(
            names = "--bootstrap-server",
            paramLabel = "HOST:PORT",
            scope = ScopeType.INHERIT,
            description = "Where Kafka is (default: KAFKA_BOOTSTRAP_SERVERS, else localhost:9092).")
    private @Nullable String bootstrapServer;

    /** Takes the variables of the environment, and the preflight check for settings made of them. */
    public KafkaOptions(Supplier<Map<String, String>> environment, Function<Settings, Preflight> preflights) {
        super(environment);
        this.preflights = preflights;
    }

    @Override
    public Env env() {
        var env = super.env();
        return bootstrapServer == null
                ? env
                : env.withOption("--bootstrap-server", "KAFKA_BOOTSTRAP_SERVERS", bootstrapServer);
    }

    /**
     * Returns the settings once Kafka has answered, with the server that did.
     *
     * @throws CommandFailure within five seconds of the start if it does not
     * @throws SettingsException with all mistakes
     */
    public Settings answered() throws SettingsException {
        var settings = read(Settings.Use.TOOL);
        return settings.withServer(KafkaAnswer.require(settings, preflights.apply(settings)));
    }

    Preflight preflight(Settings settings) {
        return preflights.apply(settings);
    }
}
