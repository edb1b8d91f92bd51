package io.tollgate.config;

import io.tollgate.env.Env;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Settings of Kafka Streams.
 *
 * @param applicationId TOLLGATE_APPLICATION_ID, default tollgate: consumer group, state, changelogs
 * @param exactlyOnce TOLLGATE_PROCESSING_GUARANTEE: exactly_once_v2 (the default) or at_least_once
 * @param threads TOLLGATE_STREAM_THREADS, default the number of cores
 * @param stateDir TOLLGATE_STATE_DIR, default a folder under the user's cache folder
 * @param ofAnyCluster whether the folder is the default, below which each cluster has its own
 */
public record StreamsSettings(
        String applicationId, boolean exactlyOnce, int threads, Path stateDir, boolean ofAnyCluster) {
    static StreamsSettings from(Env env) {
        var id = env.text("TOLLGATE_APPLICATION_ID", "tollgate");
        // Kafka Streams derives names of topics and folders from it.
        if (!id.matches("[a-zA-Z0-9._-]{1,200}") || id.equals(".") || id.equals("..")) {
            env.mistake(
                    "TOLLGATE_APPLICATION_ID", "must be 1 to 200 letters, digits, dots, dashes and underscores", id);
        }
        boolean exactlyOnce = env.oneOf(
                "TOLLGATE_PROCESSING_GUARANTEE", true, Map.of("exactly_once_v2", true, "at_least_once", false));
        int threads = env.whole(
                "TOLLGATE_STREAM_THREADS",
                Runtime.getRuntime().availableProcessors(),
                1,
                1024,
                "must be a whole number from 1 to 1024");
        boolean ofAnyCluster = env.text("TOLLGATE_STATE_DIR").isEmpty();
        return new StreamsSettings(id, exactlyOnce, threads, stateDir(env), ofAnyCluster);
    }

    private static Path stateDir(Env env) {
        var text = env.text("TOLLGATE_STATE_DIR");
        try {
            var folder = text.map(Path::of).orElseGet(() -> userCache(env).resolve("tollgate"));
            env.show("TOLLGATE_STATE_DIR", folder.toString());
            return folder;
        } catch (InvalidPathException e) {
            env.mistake("TOLLGATE_STATE_DIR", "must be a folder", text.orElse(""));
            return Path.of("");
        }
    }

    private static Path userCache(Env env) {
        return env.text("XDG_CACHE_HOME")
                .map(Path::of)
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache"));
    }

    /**
     * Returns the settings with a separate default folder for this cluster. Offsets are valid in one cluster only, and
     * an application of the same id in another cluster would take over foreign buckets.
     */
    StreamsSettings inCluster(String clusterId) {
        if (!ofAnyCluster) return this;
        var folder = stateDir.resolve(clusterId.replaceAll("[^a-zA-Z0-9_-]", "_"));
        return new StreamsSettings(applicationId, exactlyOnce, threads, folder, false);
    }

    /** Notes a mistake if the state folder cannot be created or written. */
    void checkStateDir(Env env) {
        try {
            Files.createDirectories(stateDir);
            if (!Files.isWritable(stateDir)) throw new IOException("not writable");
        } catch (IOException e) {
            env.mistake("TOLLGATE_STATE_DIR", "must be a folder that can be written", stateDir.toString());
        }
    }
}
