package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.env.Env;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/**
 * The source of a command's settings: {@code --config}, then the environment. Nothing is read before the command runs.
 */
public class ConfigOption {
    private final Supplier<Map<String, String>> environment;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            scope = ScopeType.INHERIT,
            description = "A properties file whose keys are the variables' names; it wins over the environment.")
    private @Nullable String config;

    /** Takes the variables of the environment. */
    public ConfigOption(Supplier<Map<String, String>> environment) {
        this.environment = environment;
    }

    /** Returns a reader of the options, the file and the environment. */
    public Env env() {
        var env = Env.of(environment.get());
        return config == null ? env : env.withFile("--config", config);
    }

    /** @throws SettingsException with all mistakes */
    public Settings read(Settings.Use use) throws SettingsException {
        return Settings.from(env(), use);
    }
}
