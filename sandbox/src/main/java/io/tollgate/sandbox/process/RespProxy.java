package io.tollgate.sandbox.process;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A proxy in front of one Redis or several that understands its protocol. It can answer the script's calls itself, and
 * treat those of several keys as proxies of sharded Redis do. Thread-safe.
 */
public final class RespProxy implements AutoCloseable {
    private static final Set<String> SCRIPTS = Set.of("EVALSHA", "EVAL");
    private static final Set<String> SCRIPT_CALLS = Set.of("EVALSHA", "EVAL", "SCRIPT");

    private final ServerSocket listener;
    private final List<Integer> targetPorts;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final AtomicInteger answered = new AtomicInteger();
    private volatile String answer = "";
    private volatile Optional<String> toSeveralKeys = Optional.empty();

    /** Listens on a free port of 127.0.0.1. */
    public static RespProxy to(int targetPort) {
        return new RespProxy("127.0.0.1", 0, List.of(targetPort));
    }

    /**
     * Listens on a free port of 127.0.0.1. A script goes to the server of its first key, everything else to the first
     * server.
     */
    public static RespProxy to(List<Integer> targetPorts) {
        return new RespProxy("127.0.0.1", 0, targetPorts);
    }

    /** Listens on this address, a loopback one. */
    public static RespProxy at(String address, int port, int targetPort) {
        return new RespProxy(address, port, List.of(targetPort));
    }

    private RespProxy(String address, int port, List<Integer> targetPorts) {
        this.targetPorts = List.copyOf(targetPorts);
        try {
            listener = new ServerSocket();
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(InetAddress.getByName(address), port));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        OwnThread.run(this::accept);
    }

    /** Returns the port that it listens on. */
    public int port() {
        return listener.getLocalPort();
    }

    /** Answers the script's calls with these bytes of the protocol from now on; empty: lets them through. */
    public void answer(String bytes) {
        answer = bytes;
    }

    /** Answers scripts of several keys with these bytes from now on; empty: hangs up on them. */
    public void answerSeveralKeys(String bytes) {
        toSeveralKeys = Optional.of(bytes);
    }

    /** Returns how many calls never reached Redis: proof that the fault landed. */
    public int answered() {
        return answered.get();
    }

    private void accept() {
        try {
            while (true) {
                var client = listener.accept();
                sockets.add(client);
                OwnThread.run(() -> serve(client));
            }
        } catch (IOException closed) {
            // By close().
        }
    }

    private void serve(Socket client) {
        var servers = new ArrayList<Socket>();
        try (client) {
            client.setTcpNoDelay(true);
            for (int port : targetPorts) {
                var server = new Socket(InetAddress.getLoopbackAddress(), port);
                servers.add(server);
                server.setTcpNoDelay(true);
            }
            var commands = new BufferedInputStream(client.getInputStream());
            while (true) {
                var command = new ByteArrayOutputStream();
                copyValue(commands, command);
                var instead = instead(command);
                if (instead.isPresent()) {
                    answered.incrementAndGet();
                    if (instead.get().isEmpty()) return;
                    client.getOutputStream().write(instead.get().getBytes(UTF_8));
                    continue;
                }
                var server = servers.get(place(command));
                server.getOutputStream().write(command.toByteArray());
                var reply = new ByteArrayOutputStream();
                copyValue(server.getInputStream(), reply);
                client.getOutputStream().write(reply.toByteArray());
            }
        } catch (IOException ended) {
            // The other side ends with this one.
        } finally {
            sockets.remove(client);
            servers.forEach(RespProxy::close);
        }
    }

    private static void close(Socket socket) {
        try {
            socket.close();
        } catch (IOException alreadyGone) {
            // as it should be
        }
    }

    /** Returns the answer given without asking Redis; an empty text ends the connection. */
    private Optional<String> instead(ByteArrayOutputStream command) {
        var name = part(command, 0);
        if (SCRIPT_CALLS.contains(name) && !answer.isEmpty()) return Optional.of(answer);
        boolean several = SCRIPTS.contains(name) && Integer.parseInt(part(command, 2)) > 1;
        return several ? toSeveralKeys : Optional.empty();
    }

    private int place(ByteArrayOutputStream command) {
        if (!SCRIPTS.contains(part(command, 0))) return 0;
        return Math.floorMod(part(command, 3).hashCode(), targetPorts.size());
    }

    /** Returns one word of a command, in capitals. */
    private static String part(ByteArrayOutputStream command, int index) {
        var lines = command.toString(ISO_8859_1).split("\r\n", 2 * index + 4);
        return lines.length > 2 * index + 2 ? lines[2 * index + 2].toUpperCase(Locale.ROOT) : "";
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
