package io.tollgate.kafka;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
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
 * Aborts the open transactions of killed instances under exactly-once. Readers of committed decisions wait behind such
 * a transaction, and brokers abort it only after its timeout of 10 s, which they check every 10 s.
 *
 * <p>Watches the members of the consumer group. An instance that has left the group can no longer commit, so fencing it
 * is safe. Thread-safe.
 */
public final class StaleTransactions implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(StaleTransactions.class);
    /** Members that join or leave without moving our partitions are noticed after this time. */
    private static final long LOOK_EVERY_MILLIS = 10_000;

    private static final long PATIENCE_SECONDS = 20;

    private final Admin admin;
    private final String applicationId;
    private final boolean streamsProtocol;
    private final Supplier<Collection<String>> ownClients;
    private final Pattern client;
    private final Set<String> known = new HashSet<>();
    private final RepeatedTask watch = new RepeatedTask("stale-transactions", LOOK_EVERY_MILLIS, this::look);

    /**
     * @param admin is not closed
     * @param streamsProtocol whether brokers assign the tasks: another call describes such groups
     * @param ownClients the client ids of this instance's consumers, which end their own transactions
     */
    public StaleTransactions(
            Admin admin, String applicationId, boolean streamsProtocol, Supplier<Collection<String>> ownClients) {
        this.admin = admin;
        this.applicationId = applicationId;
        this.streamsProtocol = streamsProtocol;
        this.ownClients = ownClients;
        // Kafka Streams gives these names. With client.id set, no member is recognised.
        client = Pattern.compile(Pattern.quote(applicationId) + "-([0-9a-f-]{36})-StreamThread-(\\d+).*");
    }

    /** Begins to watch; does not wait. */
    public void start() {
        watch.startAfter(0);
    }

    /** Checks soon; does not wait. Call it when partitions move, as they do when a member has left. */
    public void partitionsMove() {
        watch.runSoon();
    }

    private void look() throws InterruptedException {
        try {
            var present = transactionalIds(members());
            var gone = new HashSet<>(known);
            gone.removeAll(present);
            gone.removeAll(transactionalIds(ownClients.get()));
            known.addAll(present);
            if (gone.isEmpty()) return;
            await(admin.fenceProducers(gone).all());
            known.removeAll(gone);
            log.info("aborted transactions left open by instances that have left the group, if any: {}", gone);
        } catch (InterruptedException closing) {
            throw closing;
        } catch (Exception unanswered) {
            log.debug("will check again for transactions of instances that have left", unanswered);
        }
    }

    private Collection<String> members() throws Exception {
        var group = List.of(applicationId);
        if (streamsProtocol) {
            var members = Objects.requireNonNull(
                            await(admin.describeStreamsGroups(group).all()).get(applicationId))
                    .members();
            return members.stream().map(StreamsGroupMemberDescription::clientId).toList();
        }
        var members = Objects.requireNonNull(
                        await(admin.describeConsumerGroups(group).all()).get(applicationId))
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
        watch.close();
    }
}
