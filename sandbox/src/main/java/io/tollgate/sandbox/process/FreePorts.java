package io.tollgate.sandbox.process;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** Finds free loopback ports. */
public final class FreePorts {
    /**
     * Below the range that Linux (32768 and up) and macOS use for outgoing connections. A server on a port of that
     * range may fail to restart: a client that keeps reconnecting may get that very port as its own, and then talks
     * to itself.
     */
    private static final int FIRST = 15_000;

    private static final int BEHIND_LAST = 32_000;

    private FreePorts() {}

    /** Returns a free port of 127.0.0.1; another process may still take it. */
    public static int next() {
        for (int attempt = 0; attempt < 1000; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(FIRST, BEHIND_LAST);
            if (isFree(port)) return port;
        }
        throw new IllegalStateException("no free port on 127.0.0.1 from " + FIRST + " to " + (BEHIND_LAST - 1));
    }

    /** Returns whether this port of 127.0.0.1 is free now. */
    public static boolean isFree(int port) {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(loopback(), port));
            return true;
        } catch (IOException taken) {
            return false;
        }
    }

    static InetAddress loopback() {
        try {
            return InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
        } catch (IOException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
