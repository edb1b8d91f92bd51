package io.tollgate.sandbox.process;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One Kafka broker and one Redis for all tests of this JVM: started side by side when the first test asks, ended with
 * the JVM.
 *
 * <p>Tests run at the same time. So each takes topics, an application id and a Redis database of its own, and harms
 * neither server: a test that stops a server, fills it up, changes its settings or counts its calls starts one for
 * itself. Thread-safe.
 */
public final class SharedServers {
    /** The number of Redis databases: more than there are tests. An unused one takes a hundred bytes. */
    private static final int DATABASES = 4096;

    private static final AtomicInteger DATABASES_TAKEN = new AtomicInteger();

    private SharedServers() {}

    private static final class Holder {
        static final CompletableFuture<KafkaBroker> KAFKA = OwnThread.supply(KafkaBroker::start);
        static final CompletableFuture<RedisServer> REDIS = OwnThread.supply(
                () -> RedisServer.start(RedisServer.RedisOptions.defaults().withConfig("databases " + DATABASES)));

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                REDIS.thenAccept(RedisServer::close).join();
                KAFKA.thenAccept(KafkaBroker::close).join();
            }));
        }
    }

    /** Returns {@code 127.0.0.1:PORT} of the shared broker. */
    public static String bootstrapServers() {
        return Holder.KAFKA.join().bootstrapServers();
    }

    /** Returns the address of an empty database of the shared Redis, for one caller only. */
    public static String newRedisDatabase() {
        int database = DATABASES_TAKEN.getAndIncrement();
        if (database >= DATABASES) throw new IllegalStateException("all " + DATABASES + " databases are taken");
        return Holder.REDIS.join().uri() + "/" + database;
    }
}
