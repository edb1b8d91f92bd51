package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.preflight.Finding;
import io.tollgate.preflight.Preflight;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;

/** Asks whether Kafka answers, because the command's own clients would try for 15 s and longer. */
final class KafkaAnswer {
    /** A silent port is given up sooner. Looking up names takes longer, and a busy machine is not a silent broker. */
    private static final Duration SIGN_OF_LIFE = Duration.ofSeconds(10);
    /** Time for a broker that has shown a sign of life: a login may be slow. */
    private static final Duration LOGIN = Duration.ofSeconds(15);
    /** By then, a port that speaks another protocol has been recognised. */
    private static final Duration LISTENERS = Duration.ofMillis(1000);

    private KafkaAnswer() {}

    /**
     * Returns the server that has answered. Clients that know of no other lose no time on a silent one, which they
     * would ask again and again, at random.
     *
     * @throws CommandFailure with one line if Kafka does not answer, or its ports speak another protocol
     */
    static String require(Settings settings, Preflight preflight) {
        var listeners = inBackground(preflight::listeners);
        var living = living(settings.kafka().bootstrapServers(), preflight);
        if (living.isPresent()) {
            // First, because clients do not survive a port that speaks another protocol.
            ifFatal(listeners, LISTENERS);
            var unreachable = preflight.unreachable(living.get());
            if (unreachable.isPresent()) throw new CommandFailure(unreachable.get());
            if (answers(settings, living.get())) return living.get();
        }
        ifFatal(listeners, Duration.ZERO);
        throw away(settings);
    }

    private static CommandFailure away(Settings settings) {
        return new CommandFailure("Kafka does not answer at " + settings.kafka().bootstrapServers()
                + ": check --bootstrap-server or KAFKA_BOOTSTRAP_SERVERS, and that TLS settings match the listener");
    }

    /** Returns the server that is the first to show a sign of life; empty if none does in time. */
    private static Optional<String> living(String servers, Preflight preflight) {
        var first = new CompletableFuture<Optional<String>>();
        var all = Arrays.stream(servers.split(","))
                .map(String::strip)
                .map(server -> inBackground(() -> preflight.answers(server)).thenAccept(answers -> {
                    if (answers) first.complete(Optional.of(server));
                }))
                .toArray(CompletableFuture[]::new);
        CompletableFuture.allOf(all).whenComplete((none, thrown) -> first.complete(Optional.empty()));
        try {
            return get(first, SIGN_OF_LIFE);
        } catch (TimeoutException silent) {
            return Optional.empty();
        }
    }

    private static boolean answers(Settings settings, String server) {
        var properties = settings.kafka().clientProperties("admin.", AdminClientConfig.configNames());
        properties.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, server);
        var admin = Admin.create(properties);
        try {
            get(admin.describeCluster().nodes(), LOGIN);
            return true;
        } catch (TimeoutException | org.apache.kafka.common.errors.TimeoutException silent) {
            return false;
        } finally {
            admin.close(Duration.ZERO);
        }
    }

    private static void ifFatal(Future<List<Finding>> listeners, Duration wait) {
        try {
            CommandFailure.ifAnyFatal(get(listeners, wait));
        } catch (TimeoutException notKnownYet) {
            // whether Kafka answers tells more
        }
    }

    /** On a thread of its own that does not keep the command from ending. */
    static <T> CompletableFuture<T> inBackground(Supplier<T> work) {
        return CompletableFuture.supplyAsync(work, task -> {
            var thread = new Thread(task, "question");
            thread.setDaemon(true);
            thread.start();
        });
    }

    private static <T> T get(Future<T> future, Duration wait) throws TimeoutException {
        try {
            return future.get(wait.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : new KafkaException(e.getCause());
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }
}
