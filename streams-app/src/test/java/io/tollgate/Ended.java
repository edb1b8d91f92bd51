package io.tollgate;

/** The end of a command: its exit code, and its output on both streams. */
record Ended(int exitCode, String output) {}
