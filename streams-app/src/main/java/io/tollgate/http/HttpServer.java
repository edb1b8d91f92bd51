package io.tollgate.http;

import io.javalin.Javalin;
import io.javalin.util.JavalinBindException;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.tollgate.config.HttpConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.BooleanSupplier;

/** Serves health and metrics. Thread-safe. */
public final class HttpServer implements AutoCloseable {
    private static final String INDEX = """
            <!doctype html>
            <html lang="en">
            <head><meta charset="utf-8"><title>Tollgate</title></head>
            <body>
            <h1>Tollgate</h1>
            <ul>
            <li><a href="/health/ready">/health/ready</a>: whether every assigned task runs</li>
            <li><a href="/health/live">/health/live</a>: whether the process answers</li>
            <li><a href="/metrics">/metrics</a>: what Prometheus reads</li>
            </ul>
            </body>
            </html>
            """;

    private final Javalin server;
    private final String host;

    /**
     * Starts to serve.
     *
     * @param ready whether every assigned task runs
     * @throws UncheckedIOException if the address cannot be listened on; the message says what to do
     */
    public HttpServer(HttpConfig config, PrometheusMeterRegistry registry, BooleanSupplier ready) {
        this.host = config.host();
        this.server = Javalin.create(javalin -> {
            javalin.startup.showJavalinBanner = false;
            javalin.routes.get("/", context -> context.html(INDEX));
            javalin.routes.get("/health/live", context -> context.result("live\n"));
            javalin.routes.get("/health/ready", context -> {
                boolean isReady = ready.getAsBoolean();
                context.status(isReady ? 200 : 503).result(isReady ? "ready\n" : "not ready\n");
            });
            javalin.routes.get(
                    "/metrics",
                    context -> context.contentType("text/plain; version=0.0.4; charset=utf-8")
                            .result(registry.scrape()));
        });
        try {
            server.start(config.host(), config.port());
        } catch (JavalinBindException e) {
            throw new UncheckedIOException(
                    "cannot listen on " + host + ":" + config.port()
                            + ": the port is in use, or the address is not this machine's; set TOLLGATE_HTTP_PORT or"
                            + " TOLLGATE_HTTP_HOST",
                    new IOException(e));
        }
    }

    /** Returns the address at which it serves. */
    public String url() {
        return "http://" + host + ":" + server.port();
    }

    @Override
    public void close() {
        server.stop();
    }
}
