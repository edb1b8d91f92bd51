package io.tollgate.sandbox.process;

import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A server or an application of the sandbox: a process of its own, in a folder of its own. Thread-safe, except
 * for restarts.
 */
public abstract class SandboxProcess implements AutoCloseable {
    static final Duration GRACE = Duration.ofSeconds(15);

    private final ServerHome home;
    private volatile @Nullable ChildProcess process;

    SandboxProcess(ServerHome home) {
        this.home = home;
    }

    final ServerHome home() {
        return home;
    }

    /** Adopts a process that was just started; the one before has ended. */
    final void runs(ChildProcess started) {
        process = started;
    }

    final ChildProcess process() {
        return Objects.requireNonNull(process, "not started");
    }

    /** Asks the process to end, and kills it after {@code grace}. */
    void stop(Duration grace) {
        process().stop(grace);
    }

    /** Returns the process id; another one after a restart. */
    public long pid() {
        return process().pid();
    }

    /** Returns whether the process runs (a frozen one does). */
    public boolean isAlive() {
        return process().isAlive();
    }

    /** Sends SIGKILL; returns when the process is gone. The server's folder keeps its data. */
    public void kill() {
        process().kill();
    }

    /** Sends SIGSTOP: connections stay open without answers; data sent meanwhile arrives after {@link #thaw}. */
    public void freeze() {
        process().freeze();
    }

    /** SIGCONT. */
    public void thaw() {
        process().thaw();
    }

    /** Returns the last 16 KiB of its log, or of standard output and error. */
    public String output() {
        return process().output();
    }

    /** Stops the process, cleanly if its folder is kept; else kills it and deletes the folder. */
    @Override
    public void close() {
        stop(home.grace());
        home.discard();
    }
}
