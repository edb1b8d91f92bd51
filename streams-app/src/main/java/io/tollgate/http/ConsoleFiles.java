package io.tollgate.http;

import io.javalin.http.Context;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The console's few files, from the jar. No other path is served. Thread-safe. */
final class ConsoleFiles {
    private static final String UPLOT = "/META-INF/resources/webjars/uplot/1.6.30/dist/";

    /** The console runs its own script only, talks to its own server only, and must not be framed. */
    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
            + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private record File(String type, byte[] bytes) {}

    private final Map<String, File> files = new LinkedHashMap<>();

    ConsoleFiles() {
        add("/", "text/html; charset=utf-8", "console/index.html");
        add("/console/console.css", "text/css; charset=utf-8", "console/console.css");
        for (var script : List.of("console", "page", "overview", "chart", "agent", "policies")) {
            add("/console/" + script + ".js", "text/javascript; charset=utf-8", "console/" + script + ".js");
        }
        add("/console/icon.svg", "image/svg+xml", "console/icon.svg");
        add("/console/uplot.js", "text/javascript; charset=utf-8", UPLOT + "uPlot.iife.min.js");
        add("/console/uplot.css", "text/css; charset=utf-8", UPLOT + "uPlot.min.css");
        add("/api/openapi.json", "application/json", "openapi.json");
    }

    private void add(String path, String type, String resource) {
        try (var content = ConsoleFiles.class.getResourceAsStream(resource)) {
            if (content == null) throw new IllegalStateException(resource + " is missing from the jar");
            files.put(path, new File(type, content.readAllBytes()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Iterable<String> paths() {
        return files.keySet();
    }

    void answer(String path, Context context) {
        var file = files.get(path);
        if (file == null) throw new Problem(404, "there is nothing here");
        context.header("Content-Security-Policy", POLICY)
                .header("Cache-Control", "no-cache")
                .contentType(file.type())
                .result(file.bytes());
    }
}
