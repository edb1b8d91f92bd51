package io.tollgate.redis;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisConnectionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.metrics.CommandLatencyRecorder;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.Delay;
import io.lettuce.core.resource.NettyCustomizer;
import io.lettuce.core.resource.SocketAddressResolver;
import io.netty.channel.Channel;
import io.netty.handler.flush.FlushConsolidationHandler;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Keeps the one connection to Redis, and opens it anew where it is told to. Thread-safe. */
final class RedisConnector implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(1);
    private static final Duration RECONNECT_DELAY = Duration.ofMillis(200);
    private static final Duration ASK_FOR_TLS_EVERY = Duration.ofSeconds(10);
    private static final Duration TLS_PATIENCE = Duration.ofMillis(500);

    private final RedisURI uri;
    private final ClientResources resources;
    private final RedisClient client;
    private final ReentrantLock connecting = new ReentrantLock();
    private volatile @Nullable RedisConnection connection;
    private Optional<String> tlsMismatch = Optional.empty();
    private long tlsAskedNanos = System.nanoTime() - ASK_FOR_TLS_EVERY.toNanos();
    private volatile boolean closed;

    RedisConnector(RedisURI uri, CommandLatencyRecorder latencies) {
        this.uri = uri;
        this.resources = ClientResources.builder()
                .ioThreadPoolSize(2) // netty's minimum; one connection uses one
                .computationThreadPoolSize(2)
                .reconnectDelay(Delay.constant(RECONNECT_DELAY))
                // Netty's own resolver, the default, reads the hosts file once, and keeps an address as long as DNS
                // allows: 600 s with Docker.
                .socketAddressResolver(SocketAddressResolver.create(InetAddress::getAllByName))
                .commandLatencyRecorder(latencies)
                .nettyCustomizer(new FlushTogether())
                .build();
        this.client = RedisConnection.client(resources, CONNECT_TIMEOUT);
    }

    /**
     * Writes calls that are sent at about the same time at once: each partition of a poll sends its own, and on a
     * cluster each agent. Nothing waits: the write follows what the connection's thread has to do anyway.
     */
    private static final class FlushTogether implements NettyCustomizer {
        private static final int MOST = 256;

        @Override
        public void afterChannelInitialized(Channel channel) {
            channel.pipeline().addFirst(new FlushConsolidationHandler(MOST, true));
        }
    }

    /** Returns the open connection; null if there is none. */
    @Nullable
    RedisConnection current() {
        return connection;
    }

    /**
     * Returns the connection, opened if there is none. Blocks.
     *
     * @throws RedisException if Redis cannot be reached, or refuses
     */
    RedisConnection connect() {
        connecting.lock();
        try {
            if (closed) throw new RedisConnectionException("closed");
            var current = connection;
            if (current == null) current = open();
            connection = current;
            return current;
        } finally {
            connecting.unlock();
        }
    }

    private RedisConnection open() {
        try {
            var opened = RedisConnection.open(client, uri, resources, CONNECT_TIMEOUT);
            tlsMismatch = Optional.empty();
            return opened;
        } catch (RedisConnectionException failure) {
            // A handshake between TLS and plain text ends with a timeout, which does not tell the cause.
            if (System.nanoTime() - tlsAskedNanos < ASK_FOR_TLS_EVERY.toNanos()) throw lastTold(failure);
            tlsAskedNanos = System.nanoTime();
            tlsMismatch = RedisWire.mismatch(uri, TLS_PATIENCE);
            throw lastTold(failure);
        }
    }

    private RedisConnectionException lastTold(RedisConnectionException failure) {
        return tlsMismatch
                .map(mismatch -> new RedisConnectionException("what answers at its address " + mismatch))
                .orElse(failure);
    }

    /** Makes the next call of {@link #connect} connect again, which resolves the address again. */
    void disconnect() {
        connecting.lock();
        try {
            if (connection != null) connection.close();
            connection = null;
        } finally {
            connecting.unlock();
        }
    }

    @Override
    public void close() {
        connecting.lock();
        try {
            closed = true;
            if (connection != null) connection.close();
        } finally {
            connecting.unlock();
        }
        client.close();
        resources.shutdown(0, 1, TimeUnit.SECONDS);
    }
}
