package io.tollgate.redis;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.MaintNotificationsConfig;
import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionStateListener;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisNoScriptException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.api.StatefulConnection;
import io.lettuce.core.api.async.RedisScriptingAsyncCommands;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.ClusterTopologyRefreshOptions;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.resource.ClientResources;
import io.tollgate.env.RedisAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** One connection to Redis, shared by all threads: to a server, a primary that Sentinel names, or a cluster. */
final class RedisConnection implements AutoCloseable {
    /**
     * The most commands that may wait for an answer. Above it a call fails at once, so that a frozen Redis cannot fill
     * the memory. In a cluster each agent is a separate command: the bound must fit into memory, and exceed the agents
     * of any one batch.
     */
    private static final int MAX_COMMANDS_WAITING = 65_536;
    /**
     * Lettuce 7 subscribes to the server's maintenance notifications by default; version 6, which Spring Boot manages,
     * does not know them.
     */
    private static final boolean LETTUCE_NOTIFIES_OF_MAINTENANCE =
            isPresent("io.lettuce.core.MaintNotificationsConfig");

    /** The shortest time between two refreshes of the cluster's slots caused by answers. */
    private static final Duration MOST_OFTEN = Duration.ofSeconds(1);

    private final Runnable closing;
    private final RedisScriptingAsyncCommands<byte[], byte[]> commands;
    private final @Nullable ClusterNodes nodes;
    private final String digest;
    private volatile boolean oneKeyPerCall;
    private volatile boolean lost;

    private RedisConnection(
            Runnable closing, RedisScriptingAsyncCommands<byte[], byte[]> commands, @Nullable ClusterNodes nodes) {
        this.closing = closing;
        this.commands = commands;
        this.nodes = nodes;
        this.digest = commands.digest(SpendScript.TEXT);
        this.oneKeyPerCall = nodes != null;
    }

    /**
     * Connects, finds out whether the server belongs to a cluster, and loads the script.
     *
     * @throws RedisException if Redis cannot be reached, or refuses
     */
    static RedisConnection open(RedisClient client, RedisURI address, ClientResources resources, Duration timeout) {
        // The handshake takes its limit from the address, 60 s by default: a frozen Redis accepts connections but stays
        // silent.
        var uri = RedisAddress.within(timeout, address);
        var connection = client.connect(ByteArrayCodec.INSTANCE, uri);
        try {
            if (isCluster(client, uri)) {
                connection.close();
                return openCluster(uri, resources, timeout);
            }
            return ready(new RedisConnection(connection::close, connection.async(), null), connection, timeout);
        } catch (RuntimeException e) {
            connection.close();
            throw e;
        }
    }

    /**
     * Returns a client for {@link #open}. Keep it for as long as connections are opened: a closed client has no
     * threads, and its pending work on failed connections would log a stack trace each time.
     */
    static RedisClient client(ClientResources resources, Duration timeout) {
        var client = RedisClient.create(resources);
        client.setOptions(options(ClientOptions.builder(), timeout).build());
        return client;
    }

    private static RedisConnection openCluster(RedisURI uri, ClientResources resources, Duration timeout) {
        var client = RedisClusterClient.create(resources, uri);
        // Moved slots and lost nodes are noticed from answers (the default), and refreshed periodically anyway.
        var refresh = ClusterTopologyRefreshOptions.builder()
                .adaptiveRefreshTriggersTimeout(MOST_OFTEN)
                .enablePeriodicRefresh(Duration.ofSeconds(30))
                .build();
        var builder = ClusterClientOptions.builder();
        options(builder, timeout);
        client.setOptions(builder.topologyRefreshOptions(refresh).build());
        try {
            var connection = client.connect(ByteArrayCodec.INSTANCE);
            return ready(
                    new RedisConnection(client::close, connection.async(), new ClusterNodes(client, connection)),
                    connection,
                    timeout);
        } catch (RuntimeException e) {
            client.close();
            throw e;
        }
    }

    private static RedisConnection ready(
            RedisConnection opened, StatefulConnection<?, ?> connection, Duration timeout) {
        connection.setTimeout(timeout);
        connection.addListener(new RedisConnectionStateListener() {
            @Override
            public void onRedisDisconnected(RedisChannelHandler<?, ?> disconnected) {
                opened.lost = true;
            }
        });
        return opened;
    }

    private static <B extends ClientOptions.Builder> B options(B builder, Duration timeout) {
        builder.disconnectedBehavior(ClientOptions.DisconnectedBehavior.REJECT_COMMANDS)
                // A call under way when the connection broke may have charged: sending it again would charge twice.
                .replayFilter(command -> true)
                .requestQueueSize(MAX_COMMANDS_WAITING)
                .socketOptions(SocketOptions.builder().connectTimeout(timeout).build());
        if (LETTUCE_NOTIFIES_OF_MAINTENANCE) MaintenanceNotifications.disable(builder);
        return builder;
    }

    private static boolean isPresent(String className) {
        try {
            Class.forName(className, false, RedisConnection.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException older) {
            return false;
        }
    }

    /** Loaded only if Lettuce has these classes. */
    private static final class MaintenanceNotifications {
        static void disable(ClientOptions.Builder builder) {
            builder.maintNotificationsConfig(MaintNotificationsConfig.disabled());
        }
    }

    private static boolean isCluster(RedisClient client, RedisURI uri) {
        if (!uri.getSentinels().isEmpty()) return false;
        try (var connection = client.connect(StringCodec.UTF8, uri)) {
            return connection.sync().info("cluster").contains("cluster_enabled:1");
        } catch (RedisException refused) {
            return false; // a user without INFO; a cluster would answer the first call with MOVED, which is reported
        }
    }

    /** Returns the nodes with their slots in a cluster; null on a single server. */
    @Nullable
    ClusterNodes nodes() {
        return nodes;
    }

    /** Returns whether each call may name one key only: in a cluster, or behind a proxy that refused several. */
    boolean takesOneKeyPerCall() {
        return oneKeyPerCall;
    }

    /** Returns whether the connection broke at least once: Lettuce 6.6 never answers a call that was under way then. */
    boolean wasLost() {
        return lost;
    }

    /** Lets each call name one key only from now on. */
    void takeOneKeyPerCall() {
        oneKeyPerCall = true;
    }

    /** Runs the script. The answer fails with the error of Redis. A missing script is loaded, and the call repeated. */
    CompletionStage<byte[]> call(byte[][] keys, byte[][] arguments) {
        return evalsha(keys, arguments)
                .exceptionallyCompose(failure -> isNoScript(failure)
                        // The script did not run, so that running it again charges once.
                        ? runWithText(keys, arguments)
                        : CompletableFuture.failedFuture(failure));
    }

    private CompletionStage<byte[]> runWithText(byte[][] keys, byte[][] arguments) {
        // While a slot moves, the node that lacks the script is unknown; sending the text reaches it.
        if (oneKeyPerCall) return eval(keys, arguments);
        return commands.scriptLoad(SpendScript.TEXT)
                .exceptionally(RedisConnection::ifRefused)
                .thenCompose(loaded -> evalsha(keys, arguments))
                .exceptionallyCompose(failure ->
                        isNoScript(failure) ? eval(keys, arguments) : CompletableFuture.failedFuture(failure));
    }

    /**
     * Some proxies do not know SCRIPT, or load it on one server only. The text is sent only then, so most users do not
     * need the right to EVAL.
     */
    private static String ifRefused(Throwable failure) {
        if (RedisFailures.cause(failure) instanceof RedisCommandExecutionException) return "";
        throw new CompletionException(failure);
    }

    private CompletionStage<byte[]> eval(byte[][] keys, byte[][] arguments) {
        return commands.eval(SpendScript.TEXT, ScriptOutputType.VALUE, keys, arguments);
    }

    private CompletionStage<byte[]> evalsha(byte[][] keys, byte[][] arguments) {
        return commands.evalsha(digest, ScriptOutputType.VALUE, keys, arguments);
    }

    private static boolean isNoScript(Throwable failure) {
        return RedisFailures.cause(failure) instanceof RedisNoScriptException;
    }

    @Override
    public void close() {
        closing.run();
    }
}
