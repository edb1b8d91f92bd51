package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/**
 * A process that dies with this JVM, even when this JVM is killed.
 *
 * <p>A shell starts a watcher and then becomes the process itself ({@code exec}), so that pid, signals and exit code
 * are the real ones. The watcher reads our end of a pipe: a line dismisses it; the end of the pipe without a line means
 * that this JVM is gone, and it kills the process. Works with any POSIX shell, on Linux and macOS.
 */
final class ChildProcess implements AutoCloseable {
    /**
     * In a terminal, Ctrl-C reaches every process of the group, so Kafka would be gone before the application has
     * closed. Our own shutdown decides the order. Therefore a child ignores the interrupt, and gets its own session if
     * {@code setsid} is there (Redis installs its own handler, so ignoring is not enough).
     */
    private static final String GUARD = """
            exec 3<&0 </dev/null
            ( (read -r over <&3 || kill -9 $$) >/dev/null 2>&1 & )
            exec 3<&-
            trap '' INT
            if command -v setsid >/dev/null 2>&1; then exec setsid "$@"; fi
            exec "$@"
            """;

    private static final int TAIL_BYTES = 16 * 1024;

    /** See {@link #installExecutable}. */
    private static final Object FORKING = new Object();

    private final String name;
    private final Process process;
    private final Path log;

    private ChildProcess(String name, Process process, Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
    }

    /**
     * Starts a process whose standard output and error are appended to {@code log}.
     *
     * @param name its name in messages
     * @param environment variables added to those inherited
     * @param dropped names of inherited variables that the process must not see
     */
    static ChildProcess start(
            String name,
            List<String> command,
            Map<String, String> environment,
            Predicate<String> dropped,
            Path directory,
            Path log) {
        var guarded = new ArrayList<>(List.of("/bin/sh", "-c", GUARD, "guard"));
        guarded.addAll(command);
        var builder = new ProcessBuilder(guarded)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().keySet().removeIf(dropped);
        builder.environment().putAll(environment);
        try {
            Process process;
            synchronized (FORKING) {
                process = builder.start();
            }
            OwnThread.run(() -> dismissWatcher(process));
            return new ChildProcess(name, process, log);
        } catch (IOException e) {
            throw new UncheckedIOException(name + " could not be started: " + command.get(0), e);
        }
    }

    /**
     * Waits for the end of the process, and then dismisses the watcher, which could otherwise kill a later process with
     * the same pid.
     */
    private static void dismissWatcher(Process process) {
        try (OutputStream pipe = process.getOutputStream()) {
            process.waitFor();
            pipe.write('\n');
        } catch (InterruptedException never) {
            throw interrupted(never);
        } catch (IOException gone) {
            // The watcher is already gone.
        }
    }

    /**
     * Writes a file that can be run. A process started at the same moment inherits our open file until it runs its own
     * program, and Linux refuses to run a file that is open for writing ("Text file busy"). So the two never overlap.
     */
    static void installExecutable(InputStream content, Path file) throws IOException {
        synchronized (FORKING) {
            Files.copy(content, file, StandardCopyOption.REPLACE_EXISTING);
        }
        if (!file.toFile().setExecutable(true)) throw new IOException("cannot make " + file + " executable");
    }

    /** Returns the command that runs a main class in another JVM of the same version, with this JVM's class path. */
    static List<String> java(List<String> jvmArguments, List<String> rest) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        if (Runtime.version().feature() >= 24) command.add("--enable-native-access=ALL-UNNAMED"); // else JDK 24 warns
        command.addAll(jvmArguments);
        command.addAll(rest);
        return command;
    }

    long pid() {
        return process.pid();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    // Through the handle: Process.destroy() would also close the pipe, which the watcher takes for the end of this JVM.
    void terminate() {
        if (isAlive()) process.toHandle().destroy();
    }

    void kill() {
        if (isAlive()) process.toHandle().destroyForcibly();
        if (!awaitGone(Duration.ofSeconds(10))) {
            throw new IllegalStateException(name + " (pid " + pid() + ") survived SIGKILL for 10 s");
        }
    }

    /** Sends SIGINT, which some programs treat differently from SIGTERM. */
    void interrupt() {
        if (isAlive()) signal("INT");
    }

    /** Returns once the process stands still: its threads may run on for a moment after the signal. */
    void freeze() {
        signal("STOP");
        awaitReady(this::isStopped, Duration.ofSeconds(10));
    }

    /** Returns whether all threads are stopped; true also without /proc, as on macOS. */
    private boolean isStopped() {
        Path threads = Path.of("/proc", Long.toString(pid()), "task");
        if (!Files.isDirectory(threads)) return true;
        try (var each = Files.newDirectoryStream(threads)) {
            for (Path thread : each) {
                String stat = Files.readString(thread.resolve("stat"));
                if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') return false;
            }
            return true;
        } catch (IOException threadThatEnds) {
            return false;
        }
    }

    void thaw() {
        signal("CONT");
    }

    private void signal(String signal) {
        if (!isAlive()) throw new IllegalStateException(name + " has ended");
        try {
            Process kill;
            synchronized (FORKING) {
                // The shell's own: small systems have no program of that name.
                kill = new ProcessBuilder("/bin/sh", "-c", "kill -" + signal + " " + pid()).start();
            }
            if (kill.waitFor() != 0) throw new IllegalStateException("kill -" + signal + " " + pid() + " failed");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    /** Returns the exit code (128 + n after signal n), or empty if the process still runs after {@code timeout}. */
    OptionalInt awaitExit(Duration timeout) {
        try {
            boolean ended = process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS);
            return ended ? OptionalInt.of(process.exitValue()) : OptionalInt.empty();
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    /**
     * Returns when {@code ready} holds.
     *
     * @throws IllegalStateException with the end of the log, if the process ended or the time is over
     */
    void awaitReady(BooleanSupplier ready, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!ready.getAsBoolean()) {
            if (!isAlive()) {
                throw new IllegalStateException(
                        name + " ended with exit code " + process.exitValue() + " before it was ready\n" + output());
            }
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException(
                        name + " was not ready after " + timeout.toMillis() + " ms\n" + output());
            }
            LockSupport.parkNanos(20_000_000);
            if (Thread.currentThread().isInterrupted()) throw interrupted(new InterruptedException());
        }
    }

    private static IllegalStateException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        return new IllegalStateException("interrupted while waiting for a process", e);
    }

    /** Returns the last 16 KiB of the output. */
    String output() {
        try (var file = new RandomAccessFile(log.toFile(), "r")) {
            long length = file.length();
            var tail = new byte[(int) Math.min(length, TAIL_BYTES)];
            file.seek(length - tail.length);
            file.readFully(tail);
            return new String(tail, StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "(no output: " + e.getMessage() + ")";
        }
    }

    /** Asks the process to end, wakes it in case it is frozen, and kills it after {@code grace}. */
    void stop(Duration grace) {
        if (isAlive() && !grace.isZero()) {
            process.toHandle().destroy();
            try {
                thaw();
            } catch (IllegalStateException endedMeanwhile) {
                // As wanted.
            }
            awaitGone(grace);
        }
        kill();
    }

    /** Ignores interrupts, because an interrupted caller still has to clean up. */
    private boolean awaitGone(Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        stop(Duration.ZERO);
    }
}
