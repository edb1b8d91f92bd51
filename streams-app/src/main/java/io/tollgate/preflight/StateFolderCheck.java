package io.tollgate.preflight;

import io.tollgate.config.StreamsSettings;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.rocksdb.RocksDB;

/** Checks that the state folder can be written, that no other instance uses it, and that its database can be loaded. */
final class StateFolderCheck {
    /** Kafka Streams locks this file while it runs, and would fail with a stack trace. */
    private static final String LOCK_FILE = ".lock";

    private StateFolderCheck() {}

    static List<Finding> of(StreamsSettings streams) {
        try {
            RocksDB.loadLibrary();
        } catch (RuntimeException | LinkageError e) {
            return List.of(Finding.fatal(
                    "RocksDB's native library cannot be loaded (" + e.getMessage() + "): it is unpacked to "
                            + System.getProperty("java.io.tmpdir")
                            + ", or to ROCKSDB_SHAREDLIB_DIR if that is set: name a folder"
                            + " that can be written, and that allows to execute (mount option exec)"));
        }
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
