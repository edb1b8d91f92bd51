package io.tollgate.http;

import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.util.JavalinBindException;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.tollgate.config.HttpConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.UnknownHostException;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http.UriCompliance.Violation;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves console, API, health and metrics, within limits that no caller can exceed. Thread-safe.
 *
 * <p>Listens at once, so that its port is known; until {@link #show} it shows nothing and is not ready.
 */
public final class HttpServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(HttpServer.class);

    private static final int MAX_THREADS = 64;
    private static final int MAX_CONNECTIONS = 256;
    private static final int MAX_HEADER_BYTES = 8192;
    private static final int IDLE_MILLIS = 15_000;

    private final HttpConfig config;
    private final Javalin server;
    private final Routes routes;

    /**
     * Starts the server.
     *
     * @throws UncheckedIOException if the address cannot be listened on; the message says what to do
     */
    public HttpServer(HttpConfig config, PrometheusMeterRegistry registry) {
        this.config = config;
        this.routes = new Routes(new Guard(config), registry);
        this.server = Javalin.create(this::configure);
        try {
            server.start();
        } catch (JavalinBindException e) {
            throw new UncheckedIOException(
                    "cannot listen on " + config.host() + ":" + config.port()
                            + ": the port is in use, or the address is not this machine's; set TOLLGATE_HTTP_PORT or"
                            + " TOLLGATE_HTTP_HOST",
                    new IOException(e));
        }
    }

    private void configure(JavalinConfig javalin) {
        javalin.startup.showJavalinBanner = false;
        javalin.http.maxRequestSize = RequestBody.MAX_BYTES;
        javalin.router.treatMultipleSlashesAsSingleSlash = false;
        var threads = new QueuedThreadPool(MAX_THREADS, 4);
        threads.setName("http");
        threads.setDaemon(true);
        javalin.jetty.threadPool = threads;
        javalin.jetty.modifyHttpConfiguration(HttpServer::limit);
        javalin.jetty.addConnector(this::connector);
        javalin.jetty.modifyServer(HttpServer::limit);
        javalin.jetty.modifyServletContextHandler(HttpServer::takeEncodedPaths);
        routes.addTo(javalin.routes);
    }

    private static void limit(HttpConfiguration http) {
        http.setRequestHeaderSize(MAX_HEADER_BYTES);
        http.setSendServerVersion(false);
        // Agents' ids may hold anything, so an encoded slash or dot is neither ambiguous nor an attack: paths are
        // never names of files here, and segments are decoded once, after the path was split.
        http.setUriCompliance(UriCompliance.RFC3986.with(
                "agents-ids",
                Violation.AMBIGUOUS_PATH_SEPARATOR,
                Violation.AMBIGUOUS_PATH_SEGMENT,
                Violation.AMBIGUOUS_PATH_ENCODING,
                Violation.AMBIGUOUS_PATH_PARAMETER,
                Violation.AMBIGUOUS_EMPTY_SEGMENT,
                Violation.SUSPICIOUS_PATH_CHARACTERS));
    }

    private ServerConnector connector(Server jetty, HttpConfiguration http) {
        var connector = new ServerConnector(jetty, 1, 1, new HttpConnectionFactory(http));
        connector.setHost(config.host());
        connector.setPort(config.port());
        connector.setIdleTimeout(IDLE_MILLIS);
        connector.addBean(new SlowHeaders(connector));
        return connector;
    }

    private static void limit(Server jetty) {
        jetty.addBean(new NetworkConnectionLimit(MAX_CONNECTIONS, jetty));
        jetty.setErrorHandler(new ServerProblems());
    }

    private static void takeEncodedPaths(ServletContextHandler handler) {
        handler.getServletHandler().setDecodeAmbiguousURIs(true);
    }

    /** Starts to show a pipeline. */
    public void show(PipelineView observed) {
        routes.show(observed, address());
        log.info("console, health and metrics at {}", url());
    }

    /** Returns the address of the server. */
    public String url() {
        return "http://" + HttpConfig.bracketed(config.host()) + ":" + server.port();
    }

    /**
     * Returns host and port under which other instances reach this one: the address it listens on, or this machine's
     * own address if it listens on all.
     */
    public String address() {
        return HttpConfig.bracketed(reachable(config.host())) + ":" + server.port();
    }

    private static String reachable(String host) {
        try {
            if (!InetAddress.getByName(host).isAnyLocalAddress()) return host;
            var outside = outsideAddress();
            return outside == null ? InetAddress.getLocalHost().getHostAddress() : outside.getHostAddress();
        } catch (UnknownHostException | SocketException e) {
            return "127.0.0.1";
        }
    }

    /** Asks the interfaces, because a machine's name is often an alias of loopback. */
    private static @Nullable InetAddress outsideAddress() throws SocketException {
        return NetworkInterface.networkInterfaces()
                .filter(HttpServer::isUp)
                .flatMap(NetworkInterface::inetAddresses)
                .filter(address -> !address.isLoopbackAddress() && !address.isLinkLocalAddress())
                .filter(address -> address.getAddress().length == 4)
                .findFirst()
                .orElse(null);
    }

    private static boolean isUp(NetworkInterface network) {
        try {
            return network.isUp() && !network.isLoopback();
        } catch (SocketException e) {
            return false;
        }
    }

    @Override
    public void close() {
        routes.close();
        server.stop();
    }
}
