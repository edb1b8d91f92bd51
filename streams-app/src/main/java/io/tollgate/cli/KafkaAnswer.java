package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.preflight.Finding;
import io.tollgate.preflight.Preflight;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.utils.Utils;

/** Asks Kafka whether it is there, before the command's own clients would try for a quarter of a minute and longer. */
final class KafkaAnswer {
    /** Since the start of the JVM, so that a user knows within five seconds. */
    private static final Duration WITHIN = Duration.ofMillis(4000);
    /** At least, where the machine is slow. */
    private static final Duration AT_LEAST = Duration.ofMillis(1500);
    /** Until then, a port that speaks something else has said so. */
    private static final Duration LISTENERS = Duration.ofMillis(1000);

    private static final int CONNECT_MILLIS = 2000;

    private KafkaAnswer() {}

    /** @throws CommandFailure with one line if Kafka does not answer, or its ports speak something else than our clients */
    static void require(Settings settings, Preflight preflight) {
        long startedMillis = ManagementFactory.getRuntimeMXBean().getStartTime();
        long sinceStart = System.currentTimeMillis() - startedMillis;
        long deadlineNanos = System.nanoTime()
                + TimeUnit.MILLISECONDS.toNanos(Math.max(AT_LEAST.toMillis(), WITHIN.toMillis() - sinceStart));
        // First, because clients do not survive such a port; but one that is silent must not hide that another one
        // answers.
        var listeners = listeners(preflight);
        ifFatal(listeners, LISTENERS);
        if (anyAnswers(settings, listening(settings.kafka().bootstrapServers()), deadlineNanos)) return;
        ifFatal(listeners, Duration.ZERO);
        throw new CommandFailure("Kafka does not answer at " + settings.kafka().bootstrapServers()
                + ": check --bootstrap-server or KAFKA_BOOTSTRAP_SERVERS, and that TLS settings match the listener");
    }

    private static Future<List<Finding>> listeners(Preflight preflight) {
        var found = new CompletableFuture<List<Finding>>();
        var look = new Thread(
                () -> {
                    try {
                        found.complete(preflight.listeners());
                    } catch (RuntimeException e) {
                        found.completeExceptionally(e);
                    }
                },
                "listeners");
        look.setDaemon(true);
        look.start();
        return found;
    }

    private static void ifFatal(Future<List<Finding>> listeners, Duration wait) {
        try {
            CommandFailure.ifAnyFatal(get(listeners, wait.toNanos()));
        } catch (TimeoutException notKnownYet) {
            // whether Kafka answers tells more
        }
    }

    /** Tells at once what is most often wrong, where Kafka's client would try again and again. */
    private static List<String> listening(String servers) {
        return Arrays.stream(servers.split(","))
                .parallel()
                .map(String::strip)
                .filter(KafkaAnswer::listens)
                .toList();
    }

    private static boolean listens(String server) {
        try (var socket = new Socket()) {
            socket.connect(new InetSocketAddress(Utils.getHost(server), Utils.getPort(server)), CONNECT_MILLIS);
            return true;
        } catch (IOException | IllegalArgumentException nobody) {
            return false;
        }
    }

    /** Asks all at the same time: one client asks one after the other, half a minute each. */
    private static boolean anyAnswers(Settings settings, List<String> servers, long deadlineNanos) {
        var properties = settings.kafka().clientProperties("admin.", AdminClientConfig.configNames());
        var admins = new ArrayList<Admin>();
        try {
            var answers = new ArrayList<CompletableFuture<?>>();
            for (String server : servers) {
                properties.put(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, server);
                var admin = Admin.create(properties);
                admins.add(admin);
                answers.add(admin.describeCluster().nodes().toCompletionStage().toCompletableFuture());
            }
            return anyAnswers(answers, deadlineNanos);
        } finally {
            admins.forEach(admin -> admin.close(Duration.ZERO));
        }
    }

    private static boolean anyAnswers(List<CompletableFuture<?>> answers, long deadlineNanos) {
        var waiting = new ArrayList<>(answers);
        KafkaException refusal = null;
        while (!waiting.isEmpty()) {
            try {
                get(
                        CompletableFuture.anyOf(waiting.toArray(CompletableFuture[]::new)),
                        deadlineNanos - System.nanoTime());
                return true;
            } catch (TimeoutException silent) {
                break;
            } catch (org.apache.kafka.common.errors.TimeoutException away) {
                // perhaps another one
            } catch (KafkaException refused) {
                refusal = refused;
            }
            waiting.removeIf(CompletableFuture::isCompletedExceptionally);
        }
        if (refusal != null) throw refusal;
        return false;
    }

    private static <T> T get(Future<T> future, long nanos) throws TimeoutException {
        try {
            return future.get(Math.max(0, nanos), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException known ? known : new KafkaException(e.getCause());
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }
}
