package io.tollgate.redis;

import io.lettuce.core.RedisURI;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * Detects by a few bytes that one side speaks TLS and the other does not. Both would wait for each other, and a client
 * could only report a timeout. Pure functions, except for the connections they open.
 */
public final class RedisWire {
    private static final int TLS_ALERT = 0x15;
    private static final int TLS_HANDSHAKE = 0x16;
    private static final int TLS_MAJOR_VERSION = 3;

    private RedisWire() {}

    /**
     * Returns the problem, to be read after "Redis at ADDRESS"; empty if both sides or neither use TLS, or if there is
     * no answer. Blocks.
     *
     * @param patience the longest wait for each connection and each answer
     */
    public static Optional<String> mismatch(RedisURI address, Duration patience) {
        var ports = address.getSentinels().isEmpty() ? List.of(address) : address.getSentinels();
        return ports.stream()
                .filter(port -> port.getHost() != null)
                .map(port -> mismatchOfPort(port, (int) patience.toMillis()))
                .flatMap(Optional::stream)
                .findFirst();
    }

    private static Optional<String> mismatchOfPort(RedisURI port, int patienceMillis) {
        if (port.isSsl()) {
            return answersPing(port, patienceMillis)
                    ? Optional.of("does not speak TLS on this port: start REDIS_URL with redis://, or use the TLS port")
                    : Optional.empty();
        }
        return speaksTls(port, patienceMillis)
                ? Optional.of("speaks TLS: start REDIS_URL with rediss://")
                : Optional.empty();
    }

    private static boolean answersPing(RedisURI port, int patienceMillis) {
        try (var socket = connect(port, patienceMillis)) {
            socket.getOutputStream().write("PING\r\n".getBytes(StandardCharsets.US_ASCII));
            int first = socket.getInputStream().read();
            return first == '+' || first == '-';
        } catch (IOException closedOrSilent) {
            return false;
        }
    }

    private static boolean speaksTls(RedisURI port, int patienceMillis) {
        try (var socket = connect(port, patienceMillis)) {
            socket.getOutputStream().write(clientHello(port));
            var answer = new DataInputStream(socket.getInputStream());
            int type = answer.readUnsignedByte();
            return (type == TLS_ALERT || type == TLS_HANDSHAKE) && answer.readUnsignedByte() == TLS_MAJOR_VERSION;
        } catch (IOException | NoSuchAlgorithmException closedOrSilent) {
            return false;
        }
    }

    private static Socket connect(RedisURI port, int patienceMillis) throws IOException {
        var socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(port.getHost(), port.getPort()), patienceMillis);
            socket.setSoTimeout(patienceMillis);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private static byte[] clientHello(RedisURI port) throws IOException, NoSuchAlgorithmException {
        var engine = SSLContext.getDefault().createSSLEngine(port.getHost(), port.getPort());
        engine.setUseClientMode(true);
        var hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
        engine.wrap(ByteBuffer.allocate(0), hello);
        return Arrays.copyOf(hello.array(), hello.position());
    }
}
