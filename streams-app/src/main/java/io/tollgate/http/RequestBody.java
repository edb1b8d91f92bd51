package io.tollgate.http;

import io.javalin.http.Context;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Locale;

/** Reads the bodies of calls within limits of size and time. */
final class RequestBody {
    static final int MAX_BYTES = 65_536;

    private static final int MAX_DISCARDED_BYTES = 1_048_576;
    private static final long MAX_NANOS = 5_000_000_000L;

    private RequestBody() {}

    /** Forms of other sites can send neither this type nor own headers. */
    static void requireJsonOrNothing(Context context) throws IOException {
        var type = context.req().getContentType();
        boolean hasBody = context.req().getContentLengthLong() > 0 || context.header("Transfer-Encoding") != null;
        if (context.req().getContentLengthLong() > MAX_BYTES) throw tooLarge(context);
        if (type == null ? hasBody : !type.toLowerCase(Locale.ROOT).matches("application/json\\s*(;.*)?")) {
            throw notJson();
        }
    }

    static void requireJson(Context context) throws IOException {
        if (context.req().getContentType() == null) throw notJson();
        requireJsonOrNothing(context);
    }

    private static Problem notJson() {
        return new Problem(415, "Content-Type must be application/json");
    }

    /** Reads the body; one that trickles in must not hold a thread. */
    static byte[] read(Context context) throws IOException {
        long start = System.nanoTime();
        var body = new ByteArrayOutputStream();
        var part = new byte[4096];
        var in = context.req().getInputStream();
        for (int read = in.read(part); read >= 0; read = in.read(part)) {
            body.write(part, 0, read);
            if (body.size() > MAX_BYTES) throw tooLarge(context);
            if (System.nanoTime() - start > MAX_NANOS) {
                context.header("Connection", "close");
                throw new Problem(408, "the body must arrive within " + MAX_NANOS / 1_000_000_000 + " s");
            }
        }
        return body.toByteArray();
    }

    /**
     * Discards the rest of the body if it is short. A client that still sends while its connection is closed may never
     * read the answer.
     */
    private static Problem tooLarge(Context context) throws IOException {
        long deadline = System.nanoTime() + MAX_NANOS;
        var in = context.req().getInputStream();
        var part = new byte[8192];
        int discarded = 0;
        for (int read = in.read(part); read >= 0; read = in.read(part)) {
            discarded += read;
            if (discarded > MAX_DISCARDED_BYTES || System.nanoTime() > deadline) {
                context.header("Connection", "close");
                break;
            }
        }
        return new Problem(413, "the body must have at most " + MAX_BYTES + " bytes");
    }
}
