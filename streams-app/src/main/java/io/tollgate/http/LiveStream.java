package io.tollgate.http;

import io.javalin.http.Context;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Server-sent events for the console: the status once a second, with the last minutes in the first one. Each listener
 * has a thread of its own, so that a slow one holds up nobody; their number is bounded. Thread-safe.
 */
final class LiveStream implements AutoCloseable {
    private static final int MAX_LISTENERS = 24;
    private static final long INTERVAL_NANOS = 1_000_000_000;
    /** Greatest age of a status for several listeners: other instances are asked once for all of them. */
    private static final long SHARED_NANOS = 500_000_000;

    private final Instances instances;
    private final Semaphore listeners = new Semaphore(MAX_LISTENERS);
    private final AtomicBoolean closed = new AtomicBoolean();
    private final Object lock = new Object();
    private byte[] latest = new byte[0];
    private long latestNanos = System.nanoTime() - SHARED_NANOS;

    LiveStream(Instances instances) {
        this.instances = instances;
    }

    /** Writes until the listener leaves or the server closes. */
    void serve(Context context) throws IOException {
        if (!listeners.tryAcquire()) throw new Problem(503, "too many consoles are open");
        try {
            var response = context.res();
            response.setContentType("text/event-stream");
            response.setCharacterEncoding("UTF-8");
            var out = context.outputStream();
            out.write("retry: 1000\n\n".getBytes(StandardCharsets.US_ASCII));
            write(context, Json.bytes(instances.status(true)));
            while (!closed.get()) {
                synchronized (closed) {
                    closed.wait(INTERVAL_NANOS / 1_000_000);
                }
                if (!closed.get()) write(context, latest());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException gone) {
            // The listener has closed the page: nobody is left to tell.
        } finally {
            listeners.release();
        }
    }

    private byte[] latest() {
        synchronized (lock) {
            if (System.nanoTime() - latestNanos >= SHARED_NANOS) {
                latest = Json.bytes(instances.status(false));
                latestNanos = System.nanoTime();
            }
            return latest;
        }
    }

    private static void write(Context context, byte[] json) throws IOException {
        var out = context.outputStream();
        out.write("event: status\ndata: ".getBytes(StandardCharsets.US_ASCII));
        out.write(json); // one line: JSON without line breaks
        out.write('\n');
        out.write('\n');
        out.flush();
        context.res().flushBuffer();
    }

    @Override
    public void close() {
        closed.set(true);
        synchronized (closed) {
            closed.notifyAll();
        }
    }
}
