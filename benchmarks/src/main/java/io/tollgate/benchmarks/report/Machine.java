package io.tollgate.benchmarks.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The machine of a measurement. */
final class Machine {
    private Machine() {}

    static String describe() {
        var memory = line(Path.of("/proc/meminfo"), "MemTotal").replaceAll("[^0-9]", "");
        return Runtime.getRuntime().availableProcessors() + " cores, "
                + line(Path.of("/proc/cpuinfo"), "model name").replaceFirst("^[^:]*:\\s*", "")
                + (memory.isEmpty() ? "" : ", " + Math.round(Long.parseLong(memory) / 1048576.0) + " GB")
                + ", " + System.getProperty("os.name") + " " + System.getProperty("os.version");
    }

    static String jdk() {
        return System.getProperty("java.vm.name") + " " + Runtime.version();
    }

    /** Returns the load of the last minute, which shows whether other programs were at work. */
    static String load() {
        var file = Path.of("/proc/loadavg");
        return Files.exists(file) ? line(file, "").replaceFirst(" .*", "") : "?";
    }

    private static String line(Path file, String start) {
        try (var lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith(start)).findFirst().orElse("");
        } catch (IOException e) {
            return "";
        }
    }

    /** Returns the output of a command; empty if it cannot be run. */
    static String outputOf(String... command) {
        try {
            var process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return process.waitFor() == 0 ? output : "";
        } catch (IOException e) {
            return "";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }
}
