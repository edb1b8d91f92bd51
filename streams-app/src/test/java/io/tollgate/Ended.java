package io.tollgate;

/** What a command did: its exit code, and what it printed to either stream. */
record Ended(int exitCode, String output) {}
