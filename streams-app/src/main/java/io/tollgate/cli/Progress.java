package io.tollgate.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows the progress of a long command: a bar on a terminal, elsewhere a line every five seconds, both on standard
 * error. Not thread-safe.
 */
public final class Progress implements AutoCloseable {
    private static final Duration EVERY = Duration.ofSeconds(5);
    private static final int BAR_EVERY_MILLIS = 500;

    private final String task;
    private final long total;
    private final PrintWriter err;
    private final Optional<ProgressBar> bar;
    private long done;
    private long toldNanos = System.nanoTime();

    /**
     * Starts at 0 of {@code total}.
     *
     * @param task such as {@code publishing}
     */
    public Progress(String task, long total, PrintWriter err) {
        this.task = task;
        this.total = total;
        this.err = err;
        bar = isTerminal() ? Optional.of(bar(task, total)) : Optional.empty();
    }

    /** The script tells it: since JDK 22 Java has a console even without a terminal. */
    private static boolean isTerminal() {
        return Boolean.getBoolean("tollgate.terminal");
    }

    private static ProgressBar bar(String task, long total) {
        return new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(BAR_EVERY_MILLIS)
                .build();
    }

    /** Counts one more. */
    public void step() {
        done++;
        bar.ifPresent(ProgressBar::step);
        if (bar.isPresent() || System.nanoTime() - toldNanos < EVERY.toNanos()) return;
        toldNanos = System.nanoTime();
        err.println(task + ": " + done + " of " + total + " (" + 100 * done / Math.max(1, total) + " %)");
        err.flush();
    }

    @Override
    public void close() {
        bar.ifPresent(ProgressBar::close);
    }
}
