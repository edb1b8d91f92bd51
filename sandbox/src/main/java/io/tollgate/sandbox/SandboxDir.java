package io.tollgate.sandbox;

import io.tollgate.sandbox.process.ServerHome;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * The folder of one sandbox, locked while it is open.
 *
 * @param isKept whether the data stays after the end
 */
record SandboxDir(Path path, FileChannel lock, boolean isKept) implements AutoCloseable {
    /**
     * Opens the given folder, or a temporary one.
     *
     * @throws IllegalStateException if it cannot be written, or another sandbox runs on it
     */
    static SandboxDir open(Optional<Path> given) throws IOException {
        Path opened;
        FileChannel channel;
        try {
            opened = given.isPresent()
                    ? Files.createDirectories(given.get().toAbsolutePath().normalize())
                    : Files.createTempDirectory("tollgate-sandbox-");
            channel = FileChannel.open(
                    opened.resolve("sandbox.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new IllegalStateException(
                    "--dir must be a folder that can be written, but is "
                            + given.map(dir -> "\"" + dir + "\"")
                                    .orElse("not given, and " + System.getProperty("java.io.tmpdir") + " is none"),
                    e);
        }
        FileLock held;
        try {
            held = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            held = null;
        }
        if (held == null) {
            channel.close();
            throw new IllegalStateException("another sandbox runs on " + opened + ": stop it, or choose another --dir");
        }
        return new SandboxDir(opened, channel, given.isPresent());
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            // The lock ends with this JVM anyway.
        }
        if (!isKept) ServerHome.deleteTree(path);
    }
}
