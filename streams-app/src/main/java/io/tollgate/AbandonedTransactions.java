package io.tollgate;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.StreamsGroupMemberDescription;
import org.apache.kafka.common.KafkaFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Aborts what instances that were killed have left open under exactly-once. Readers of committed decisions wait behind it, and
 * brokers by themselves abort it only after its timeout of 10 s, for which they look every 10 s.
 *
 * <p>Watches who is in the consumer group: whoever is not any more may not commit anyway. Thread-safe.
 */
final class AbandonedTransactions implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(AbandonedTransactions.class);
    /** Who joins or goes without that our partitions move is seen after this. */
    private static final long LOOK_EVERY_SECONDS = 10;

    private static final long PATIENCE_SECONDS = 20;

    private final Admin admin;
    private final String applicationId;
    private final boolean streamsProtocol;
    private final Supplier<Collection<String>> ownClients;
    private final Pattern client;
    private final Set<String> known = new HashSet<>();
    private final ScheduledExecutorService watch = Executors.newSingleThreadScheduledExecutor(task -> {
        var thread = new Thread(task, "abandoned-transactions");
        thread.setDaemon(true);
        return thread;
    });

    /**
     * @param admin is not closed
     * @param streamsProtocol whether the brokers assign the tasks: such groups are described by another call
     * @param ownClients the client ids of this instance's consumers, which know by themselves what they have left open
     */
    AbandonedTransactions(
            Admin admin, String applicationId, boolean streamsProtocol, Supplier<Collection<String>> ownClients) {
        this.admin = admin;
        this.applicationId = applicationId;
        this.streamsProtocol = streamsProtocol;
        this.ownClients = ownClients;
        // As Kafka Streams names them, unless client.id is set: then nobody is recognised.
        client = Pattern.compile(Pattern.quote(applicationId) + "-([0-9a-f-]{36})-StreamThread-(\\d+).*");
    }

    void start() {
        watch.scheduleWithFixedDelay(this::look, 0, LOOK_EVERY_SECONDS, TimeUnit.SECONDS);
    }

    /** Looks soon; does not wait. To be called when partitions move, which they do when somebody has gone. */
    void partitionsMove() {
        try {
            watch.execute(this::look);
        } catch (RejectedExecutionException closed) {
            log.debug("closed");
        }
    }

    private void look() {
        try {
            var present = transactionalIds(members());
            var gone = new HashSet<>(known);
            gone.removeAll(present);
            gone.removeAll(transactionalIds(ownClients.get()));
            known.addAll(present);
            if (gone.isEmpty()) return;
            await(admin.fenceProducers(gone).all());
            known.removeAll(gone);
            log.info("aborted the transactions that these had left open, if any, when they left the group: {}", gone);
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
        } catch (Exception unanswered) {
            log.debug("will look again for transactions of instances that are gone", unanswered);
        } catch (Throwable unexpected) { // what escapes would end the schedule, and nobody would hear of it
            log.error("looking for transactions of instances that are gone failed", unexpected);
        }
    }

    private Collection<String> members() throws Exception {
        var group = List.of(applicationId);
        if (streamsProtocol) {
            var members = await(admin.describeStreamsGroups(group).all())
                    .get(applicationId)
                    .members();
            return members.stream().map(StreamsGroupMemberDescription::clientId).toList();
        }
        var members = await(admin.describeConsumerGroups(group).all())
                .get(applicationId)
                .members();
        return members.stream().map(MemberDescription::clientId).toList();
    }

    /** Returns the transactional ids of the stream threads whose consumers have these client ids. */
    private Set<String> transactionalIds(Collection<String> clientIds) {
        return clientIds.stream().flatMap(this::transactionalId).collect(Collectors.toSet());
    }

    private Stream<String> transactionalId(String clientId) {
        var named = client.matcher(clientId);
        return named.matches()
                ? Stream.of(applicationId + "-" + named.group(1) + "-" + named.group(2))
                : Stream.empty();
    }

    private static <T> T await(KafkaFuture<T> answer) throws Exception {
        return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        watch.shutdownNow();
    }
}
