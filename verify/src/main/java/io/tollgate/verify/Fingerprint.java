package io.tollgate.verify;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Replaces bytes that are too many to keep: the first eight bytes of their SHA-256. */
final class Fingerprint {
    /** The fingerprint of a missing key or value. No digest is likely to begin like this. */
    static final long NONE = 0;

    private final MessageDigest sha256;

    Fingerprint() {
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible); // every Java platform has SHA-256
        }
    }

    long of(byte @Nullable [] bytes) {
        return bytes == null ? NONE : of(bytes, 0, bytes.length);
    }

    long of(byte[] bytes, int from, int to) {
        sha256.update(bytes, from, to - from);
        return ByteBuffer.wrap(sha256.digest()).getLong();
    }

    /** Returns the fingerprint of the headers that must be carried over: all but the pipeline's own, in order. */
    long ofCarried(List<HeaderField> headers) {
        boolean any = false;
        for (HeaderField header : headers) {
            if (header.isQuota()) continue;
            any = true;
            update(header.name().getBytes(StandardCharsets.UTF_8));
            update(header.value());
        }
        return any ? ByteBuffer.wrap(sha256.digest()).getLong() : NONE;
    }

    private void update(byte @Nullable [] part) {
        sha256.update(ByteBuffer.allocate(Integer.BYTES)
                .putInt(part == null ? -1 : part.length)
                .array());
        if (part != null) sha256.update(part);
    }
}
