package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;

/** Where a command's settings come from. They are read when the command runs: its help needs none. */
@FunctionalInterface
public interface SettingsSource {
    /** @throws SettingsException with every mistake there is */
    Settings read(Settings.Use use) throws SettingsException;
}
