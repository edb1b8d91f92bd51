package io.tollgate.bucket;

/** The copy of the bucket that answered. */
public enum DecidedBy {
    /** The shared bucket in Redis. */
    REDIS("redis"),
    /** The local bucket: Redis is away, or none is configured. */
    LOCAL("local");

    private final String text;

    DecidedBy(String text) {
        this.text = text;
    }

    /** Returns the word that headers and JSON use. */
    public String text() {
        return text;
    }
}
