package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A proxy in front of Redis that understands its protocol, and can answer the script's calls itself. Thread-safe. */
final class RespProxy implements AutoCloseable {
    private static final Set<String> SCRIPT_CALLS = Set.of("EVALSHA", "EVAL", "SCRIPT");

    private final ServerSocket listener;
    private final int targetPort;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final AtomicInteger answered = new AtomicInteger();
    private volatile String answer = "";

    /** Listens on a free port of 127.0.0.1. */
    static RespProxy to(int targetPort) {
        return new RespProxy("127.0.0.1", 0, targetPort);
    }

    /** Listens on this address, a loopback one. */
    static RespProxy at(String address, int port, int targetPort) {
        return new RespProxy(address, port, targetPort);
    }

    private RespProxy(String address, int port, int targetPort) {
        this.targetPort = targetPort;
        try {
            listener = new ServerSocket();
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(InetAddress.getByName(address), port));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        daemon(this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** Answers the script's calls with these bytes of the protocol from now on; empty: lets them through. */
    void answer(String bytes) {
        answer = bytes;
    }

    /** Returns how many calls never reached Redis: proof that the fault landed. */
    int answered() {
        return answered.get();
    }

    private void accept() {
        try {
            while (true) {
                var client = listener.accept();
                sockets.add(client);
                daemon(() -> serve(client));
            }
        } catch (IOException closed) {
            // By close().
        }
    }

    private void serve(Socket client) {
        try (client;
                var server = new Socket(InetAddress.getLoopbackAddress(), targetPort)) {
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
            var commands = new BufferedInputStream(client.getInputStream());
            var replies = new BufferedInputStream(server.getInputStream());
            while (true) {
                var command = new ByteArrayOutputStream();
                copyValue(commands, command);
                var instead = isScriptCall(command) ? answer : "";
                if (!instead.isEmpty()) {
                    answered.incrementAndGet();
                    client.getOutputStream().write(instead.getBytes(UTF_8));
                    continue;
                }
                server.getOutputStream().write(command.toByteArray());
                var reply = new ByteArrayOutputStream();
                copyValue(replies, reply);
                client.getOutputStream().write(reply.toByteArray());
            }
        } catch (IOException ended) {
            // The other side ends with this one.
        } finally {
            sockets.remove(client);
        }
    }

    private static boolean isScriptCall(ByteArrayOutputStream command) {
        var lines = command.toString(UTF_8).split("\r\n", 4);
        return lines.length > 2 && SCRIPT_CALLS.contains(lines[2].toUpperCase(Locale.ROOT));
    }

    private static void copyValue(InputStream from, ByteArrayOutputStream to) throws IOException {
        var line = copyLine(from, to);
        var rest = line.substring(1);
        switch (line.charAt(0)) {
            case '$', '=', '!' -> {
                int length = Integer.parseInt(rest);
                if (length >= 0) to.write(exactly(from, length + 2));
            }
            case '*', '~', '>' -> copyValues(from, to, Integer.parseInt(rest));
            case '%' -> copyValues(from, to, 2 * Integer.parseInt(rest));
            default -> {} // the line is the value
        }
    }

    private static void copyValues(InputStream from, ByteArrayOutputStream to, int count) throws IOException {
        for (int i = 0; i < count; i++) copyValue(from, to);
    }

    private static byte[] exactly(InputStream from, int length) throws IOException {
        byte[] bytes = from.readNBytes(length);
        if (bytes.length < length) throw new EOFException();
        return bytes;
    }

    private static String copyLine(InputStream from, ByteArrayOutputStream to) throws IOException {
        var line = new ByteArrayOutputStream();
        for (int next; (next = from.read()) != '\n'; line.write(next)) if (next < 0) throw new EOFException();
        to.write(line.toByteArray());
        to.write('\n');
        return line.toString(UTF_8).stripTrailing();
    }

    private static void daemon(Runnable work) {
        var thread = new Thread(work, "resp-proxy");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        try {
            listener.close();
            for (var socket : sockets) socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
