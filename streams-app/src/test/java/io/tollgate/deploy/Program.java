package io.tollgate.deploy;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A program of this machine that reads our files as its users' would, where it is installed. Thread-safe. */
public final class Program {
    private Program() {}

    public static boolean isOnPath(String program) {
        for (String dir : System.getenv("PATH").split(File.pathSeparator)) {
            if (Files.isExecutable(Path.of(dir, program))) return true;
        }
        return false;
    }

    /** Runs it in the root of the repository, and returns its exit code; what it complains about is shown. */
    static int run(List<String> command) throws IOException, InterruptedException {
        var process = new ProcessBuilder(command)
                .directory(DeploymentFiles.ROOT.toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError(command + " does not end");
        }
        return process.exitValue();
    }
}
