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
     * Commands that may wait for an answer; above it a call fails at once, so that a frozen Redis cannot fill the memory. A command asks for
     * one agent where each is a call of its own: this many agents must be few enough to remember, and more than anybody asks for at once.
     */
    private static final int MAX_COMMANDS_WAITING = 65_536;
    /** Lettuce 7 asks the server to tell of its maintenance unless it is told not to; 6, which Spring Boot manages, knows neither. */
    private static final boolean LETTUCE_NOTIFIES_OF_MAINTENANCE =
            isPresent("io.lettuce.core.MaintNotificationsConfig");

    /** How often answers may lead to asking a cluster who holds what. */
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
        // The handshake takes its limit from the address, 60 s by default: a frozen Redis accepts and says nothing.
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
     * Returns a client for {@link #open}, to be kept for as long as anybody connects: the threads of one that is closed are gone, and what it had
     * still to do about a connection that failed fails with a stack trace in the log, every time.
     */
    static RedisClient client(ClientResources resources, Duration timeout) {
        var client = RedisClient.create(resources);
        client.setOptions(options(ClientOptions.builder(), timeout).build());
        return client;
    }

    private static RedisConnection openCluster(RedisURI uri, ClientResources resources, Duration timeout) {
        var client = RedisClusterClient.create(resources, uri);
        // Moved slots and lost nodes are found out from the answers (the default), and asked for now and then anyway.
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
                // A call that was under way when the connection broke may have charged: sending it again would charge
                // twice.
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

    /** Loaded only where Lettuce has what it names. */
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

    /** Returns who holds what, where keys live on different nodes; null: on a single server. */
    @Nullable
    ClusterNodes nodes() {
        return nodes;
    }

    /** Returns whether each call may name one key only: on a cluster, and where what stands before Redis has said so. */
    boolean takesOneKeyPerCall() {
        return oneKeyPerCall;
    }

    /** Returns whether it ended at least once: Lettuce 6.6 leaves a call that was under way then without an answer. */
    boolean wasLost() {
        return lost;
    }

    /** Lets each call name one key only from now on. */
    void takeOneKeyPerCall() {
        oneKeyPerCall = true;
    }

    /** Runs the script. The answer fails with what Redis said; a script that is not loaded is loaded, and run again. */
    CompletionStage<byte[]> call(byte[][] keys, byte[][] arguments) {
        return evalsha(keys, arguments)
                .exceptionallyCompose(failure -> isNoScript(failure)
                        // The script did not run, so that running it again charges once.
                        ? runWithText(keys, arguments)
                        : CompletableFuture.failedFuture(failure));
    }

    private CompletionStage<byte[]> runWithText(byte[][] keys, byte[][] arguments) {
        // Which node lacks it is known to nobody, where a slot is on its way to another: the text finds it.
        if (oneKeyPerCall) return eval(keys, arguments);
        return commands.scriptLoad(SpendScript.TEXT)
                .exceptionally(RedisConnection::ifRefused)
                .thenCompose(loaded -> evalsha(keys, arguments))
                .exceptionallyCompose(failure ->
                        isNoScript(failure) ? eval(keys, arguments) : CompletableFuture.failedFuture(failure));
    }

    /** Many a proxy knows no SCRIPT, or has one of its servers load it; that the text is sent only then spares most users the right to EVAL. */
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
