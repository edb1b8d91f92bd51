package io.tollgate.preflight;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;

/**
 * Recognises a port's protocol by a few bytes, because a client of another protocol fails or waits for ever: Kafka's
 * client takes a TLS alert for an answer of 350 MB.
 */
record ProtocolProbe(String host, int port) {
    private static final int CONNECT_MILLIS = 1000;
    private static final int ANSWER_MILLIS = 2000;
    private static final int TLS_ALERT = 0x15;
    private static final int TLS_HANDSHAKE = 0x16;
    private static final int TLS_MAJOR_VERSION = 3;
    private static final short API_METADATA = 3;
    private static final short API_VERSIONS = 18;
    private static final int MOST_ANSWER_BYTES = 1_000_000;
    private static final int CORRELATION = 0x746f6c6c;

    /** Returns whether the port answers a TLS greeting as TLS does; false too if nothing answers. */
    boolean speaksTls() {
        try (var socket = connect()) {
            socket.getOutputStream().write(clientHello());
            var answer = new DataInputStream(socket.getInputStream());
            int type = answer.readUnsignedByte();
            return (type == TLS_ALERT || type == TLS_HANDSHAKE) && answer.readUnsignedByte() == TLS_MAJOR_VERSION;
        } catch (IOException closedOrSilent) {
            return false;
        }
    }

    /** Returns whether the port answers Kafka's first question without TLS. */
    boolean speaksPlainKafka() {
        try (var socket = connect()) {
            return answersKafka(socket, API_VERSIONS, (short) 0, new byte[0]);
        } catch (IOException closedOrSilent) {
            return false;
        }
    }

    /** Returns whether the port says anything when it is greeted as TLS does, or as Kafka does without TLS. */
    boolean answers(boolean tls) {
        try (var socket = connect()) {
            if (!tls) return answersKafka(socket, API_VERSIONS, (short) 0, new byte[0]);
            socket.getOutputStream().write(clientHello());
            return socket.getInputStream().read() >= 0;
        } catch (IOException closedOrSilent) {
            return false;
        }
    }

    /** Returns whether the port speaks Kafka without TLS, but hangs up on clients that have not logged in. */
    boolean asksForLogin() {
        try (var socket = connect()) {
            if (!answersKafka(socket, API_VERSIONS, (short) 0, new byte[0])) return false;
            try {
                return !answersKafka(socket, API_METADATA, (short) 1, new byte[4]); // an empty list of topics
            } catch (java.net.SocketTimeoutException slow) {
                return false;
            } catch (IOException hungUp) {
                return true;
            }
        } catch (IOException closedOrSilent) {
            return false;
        }
    }

    boolean takesConnections() {
        try (var socket = connect()) {
            return socket.isConnected();
        } catch (IOException unreachable) {
            return false;
        }
    }

    /**
     * Returns the addresses of all brokers, as advertised to clients without TLS and login; empty without an answer.
     */
    List<String> advertised() {
        try (var socket = connect()) {
            var answer = ask(socket, API_METADATA, (short) 1, new byte[4]); // an empty list of topics
            if (answer.isEmpty()) return List.of();
            var brokers = new ArrayList<String>();
            var in = new DataInputStream(new ByteArrayInputStream(answer.get()));
            for (int left = in.readInt(); left > 0; left--) {
                in.readInt(); // the broker's id
                var name = text(in);
                brokers.add((name.contains(":") ? "[" + name + "]" : name) + ":" + in.readInt());
                text(in); // its rack
            }
            return brokers;
        } catch (IOException closedOrSilent) {
            return List.of();
        }
    }

    private static String text(DataInputStream in) throws IOException {
        int bytes = in.readShort();
        return bytes < 0 ? "" : new String(in.readNBytes(bytes), StandardCharsets.UTF_8);
    }

    private Socket connect() throws IOException {
        var socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(host, port), CONNECT_MILLIS);
            socket.setSoTimeout(ANSWER_MILLIS);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private static boolean answersKafka(Socket socket, short api, short version, byte[] body) throws IOException {
        return ask(socket, api, version, body).isPresent();
    }

    /** Returns the answer without its head; empty if it is not one of Kafka's. */
    private static Optional<byte[]> ask(Socket socket, short api, short version, byte[] body) throws IOException {
        var request = ByteBuffer.allocate(4 + 2 + 2 + 4 + 2 + body.length);
        request.putInt(request.capacity() - 4)
                .putShort(api)
                .putShort(version)
                .putInt(CORRELATION)
                .putShort((short) -1) // no client id
                .put(body);
        socket.getOutputStream().write(request.array());
        var answer = new DataInputStream(socket.getInputStream());
        int bytes = answer.readInt();
        if (bytes < Integer.BYTES || bytes > MOST_ANSWER_BYTES || answer.readInt() != CORRELATION) {
            return Optional.empty();
        }
        return Optional.of(answer.readNBytes(bytes - Integer.BYTES));
    }

    private byte[] clientHello() throws IOException {
        try {
            var engine = SSLContext.getDefault().createSSLEngine(host, port);
            engine.setUseClientMode(true);
            var hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
            engine.wrap(ByteBuffer.allocate(0), hello);
            return java.util.Arrays.copyOf(hello.array(), hello.position());
        } catch (NoSuchAlgorithmException e) {
            throw new SSLException(e); // the user's trust store cannot be read
        }
    }
}
