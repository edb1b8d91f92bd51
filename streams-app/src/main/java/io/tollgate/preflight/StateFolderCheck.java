package io.tollgate.preflight;

import io.tollgate.config.StreamsSettings;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** Checks that the state folder can be written, and that no other instance uses it. */
final class StateFolderCheck {
    /** Kafka Streams locks this file while it runs, and would fail with a stack trace. */
    private static final String LOCK_FILE = ".lock";

    private StateFolderCheck() {}

    static List<Finding> of(StreamsSettings streams) {
        Path folder = streams.stateDir().resolve(streams.applicationId());
        try {
            Files.createDirectories(folder);
            try (var channel = FileChannel.open(
                            folder.resolve(LOCK_FILE), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var lock = channel.tryLock()) {
                return lock == null ? List.of(shared(folder)) : List.of();
            }
        } catch (OverlappingFileLockException byThisProcess) {
            return List.of(shared(folder));
        } catch (IOException e) {
            return List.of(Finding.fatal("state folder " + folder + " cannot be written (" + e.getMessage()
                    + "): grant the right, make room, or set TOLLGATE_STATE_DIR"));
        }
    }

    private static Finding shared(Path folder) {
        return Finding.fatal("state folder " + folder + " is in use by another running instance: give each its own"
                + " TOLLGATE_STATE_DIR");
    }
}
