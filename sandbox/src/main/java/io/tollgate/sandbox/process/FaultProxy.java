package io.tollgate.sandbox.process;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A TCP proxy in front of a server on 127.0.0.1 that fails on command. A change of mode holds at once, for open
 * connections too.
 *
 * <p>Thread-safe.
 */
public final class FaultProxy implements AutoCloseable {
    private enum Mode {
        PASS,
        BLACK_HOLE,
        REFUSE,
        CUT_NEXT_REPLY
    }

    /** Bytes of the server, due at the client at {@code dueNanos}. An empty chunk marks the end. */
    private record Chunk(byte[] bytes, long dueNanos) {}

    private volatile int targetPort;
    private final int port;
    private final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    private final AtomicInteger lostReplies = new AtomicInteger();
    private volatile Mode mode = Mode.PASS;
    private volatile long delayNanos;
    private @Nullable ServerSocket listener;
    private @Nullable Thread acceptor;

    private FaultProxy(int targetPort) {
        this.targetPort = targetPort;
        this.port = FreePorts.next();
        listen();
    }

    /** Starts a proxy on a free port that passes everything to {@code targetPort} of 127.0.0.1. */
    public static FaultProxy to(int targetPort) {
        return new FaultProxy(targetPort);
    }

    /** Returns the port on 127.0.0.1 where clients connect. */
    public int port() {
        return port;
    }

    /**
     * Lets everything through again. Connections that lost bytes in a black hole are cut, as half a reply is worse than
     * none.
     */
    public synchronized void pass() {
        switchTo(Mode.PASS, Duration.ZERO);
    }

    /**
     * Lets everything through, with each reply {@code delay} later; replies under way together do not add up
     * their delays.
     */
    public synchronized void delay(Duration delay) {
        switchTo(Mode.PASS, delay);
    }

    /** Accepts connections and bytes, and swallows them, in both directions. */
    public synchronized void blackHole() {
        switchTo(Mode.BLACK_HOLE, Duration.ZERO);
    }

    /** Cuts all connections and refuses new ones. */
    public synchronized void refuse() {
        switchTo(Mode.REFUSE, Duration.ZERO);
    }

    /**
     * Loses the next reply: its request reaches the server and is carried out, but the client's connection is cut when
     * the reply comes. Then everything passes again, so that the client can connect anew (and a bad client would send
     * its request again).
     */
    public synchronized void cutAfterForward() {
        switchTo(Mode.CUT_NEXT_REPLY, Duration.ZERO);
    }

    /**
     * Swallows all bytes of the connections that are open now, and lets new connections through, as a firewall does
     * after it has forgotten connections.
     */
    public synchronized void forgetConnections() {
        connections.forEach(connection -> connection.lostBytes = true);
    }

    /**
     * Sends new connections to another server on 127.0.0.1, and leaves open ones in place, as a changed DNS
     * record does.
     */
    public synchronized void move(int newTargetPort) {
        targetPort = newTargetPort;
    }

    /** Cuts all connections, and leads new ones to another server on 127.0.0.1, as a failover does. */
    public synchronized void redirect(int newTargetPort) {
        targetPort = newTargetPort;
        connections.forEach(Connection::close);
    }

    /** Returns how many replies {@link #cutAfterForward} has lost so far: proof that the fault landed. */
    public int lostReplies() {
        return lostReplies.get();
    }

    private void switchTo(Mode next, Duration delay) {
        delayNanos = delay.toNanos();
        mode = next;
        if (next == Mode.REFUSE) {
            stopListening();
            connections.forEach(Connection::close);
            return;
        }
        if (next != Mode.BLACK_HOLE)
            connections.stream().filter(c -> c.lostBytes).forEach(Connection::close);
        if (listener == null) listen();
    }

    /** The kernel goes on accepting until the thread in accept has noticed, so this waits for that thread. */
    private void stopListening() {
        closeQuietly(listener);
        listener = null;
        if (acceptor == null) return;
        try {
            acceptor.join(1000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        acceptor = null;
    }

    private synchronized void listen() {
        try {
            var socket = new ServerSocket();
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(FreePorts.loopback(), port));
            listener = socket;
            acceptor = daemon("accept", () -> accept(socket));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot listen on 127.0.0.1:" + port, e);
        }
    }

    private void accept(ServerSocket from) {
        while (!from.isClosed()) {
            try {
                new Connection(from.accept()).start();
            } catch (IOException closedOrTargetGone) {
                // Closed: the loop ends. If the target refuses, the client is cut as well.
            }
        }
    }

    private Thread daemon(String name, Runnable work) {
        var thread = new Thread(work, "fault-proxy-" + port + "-" + name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void closeQuietly(@Nullable Closeable closeable) {
        try {
            if (closeable != null) closeable.close();
        } catch (IOException ignored) {
            // The connection is gone either way.
        }
    }

    /** Refuses from now on, for good. */
    @Override
    public void close() {
        refuse();
    }

    private final class Connection {
        private final Socket client;
        private final Socket server = new Socket();
        private final BlockingQueue<Chunk> replies = new LinkedBlockingQueue<>(4096);
        private volatile boolean lostBytes;

        Connection(Socket client) {
            this.client = client;
        }

        void start() throws IOException {
            connections.add(this);
            try {
                client.setTcpNoDelay(true);
                server.setTcpNoDelay(true);
                server.connect(new InetSocketAddress(FreePorts.loopback(), targetPort), 5000);
            } catch (IOException e) {
                close();
                throw e;
            }
            if (mode == Mode.REFUSE) close(); // switched between accept and here
            daemon("requests", this::forwardRequests);
            daemon("replies", this::readReplies);
            daemon("delivery", this::deliverReplies);
        }

        private void forwardRequests() {
            var buffer = new byte[64 * 1024];
            try {
                for (int read = client.getInputStream().read(buffer); read >= 0; ) {
                    if (mode == Mode.BLACK_HOLE) lose();
                    // After lost bytes, the rest makes no sense to the server.
                    if (!lostBytes) server.getOutputStream().write(buffer, 0, read);
                    read = client.getInputStream().read(buffer);
                }
                server.shutdownOutput();
            } catch (IOException ended) {
                close();
            }
        }

        private void readReplies() {
            var buffer = new byte[64 * 1024];
            try {
                for (int read = server.getInputStream().read(buffer); read >= 0; ) {
                    replies.put(new Chunk(Arrays.copyOf(buffer, read), System.nanoTime() + delayNanos));
                    read = server.getInputStream().read(buffer);
                }
                replies.put(new Chunk(new byte[0], System.nanoTime()));
            } catch (IOException ended) {
                close();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void deliverReplies() {
            try {
                while (!client.isClosed()) {
                    Chunk chunk = replies.poll(1, TimeUnit.SECONDS);
                    if (chunk == null) continue;
                    if (chunk.bytes().length == 0) {
                        if (mode == Mode.BLACK_HOLE) lose();
                        else close();
                        return;
                    }
                    TimeUnit.NANOSECONDS.sleep(chunk.dueNanos() - System.nanoTime());
                    if (mode == Mode.BLACK_HOLE) lose();
                    if (lostBytes) continue;
                    if (loseThisReply()) {
                        close();
                        return;
                    }
                    client.getOutputStream().write(chunk.bytes());
                }
            } catch (IOException ended) {
                close();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void lose() {
            lostBytes = true;
            if (mode != Mode.BLACK_HOLE) close(); // the switch back came in between, and did not see the loss
        }

        private boolean loseThisReply() {
            synchronized (FaultProxy.this) {
                if (mode != Mode.CUT_NEXT_REPLY) return false;
                mode = Mode.PASS;
                lostReplies.incrementAndGet();
                return true;
            }
        }

        void close() {
            closeQuietly(client);
            closeQuietly(server);
            connections.remove(this);
        }
    }
}
