package io.tollgate.sandbox;

import java.io.IOException;
import java.io.PrintStream;

/** Progress: one line that changes on a terminal, a line for each step elsewhere. Thread-safe. */
final class StatusLine {
    private final PrintStream out;
    private volatile boolean isOpen;

    StatusLine(PrintStream out) {
        this.out = out;
    }

    void show(String line, boolean terminal) {
        isOpen |= terminal;
        if (terminal) out.print("\r\033[K" + line);
        else out.println(line);
        out.flush();
    }

    /** Ends an open line, so that other output begins on a new one. */
    void end() {
        if (isOpen) out.println();
        isOpen = false;
    }

    static boolean isTerminal() throws InterruptedException {
        // Not System.console(): since JDK 22 it exists even without a terminal.
        try {
            return new ProcessBuilder("/bin/sh", "-c", "test -t 1")
                            .inheritIO()
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
