package io.tollgate.http;

import io.tollgate.bucket.CalendarRefill;
import io.tollgate.config.HttpConfig;
import io.tollgate.failover.RedisBreaker;
import io.tollgate.http.InstanceJson.RedisJson;
import io.tollgate.http.InstanceJson.ShadowJson;
import io.tollgate.http.InstanceJson.ThreadJson;
import io.tollgate.http.InstanceJson.ThrottledJson;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyQueryMetadata;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.state.HostInfo;
import org.jspecify.annotations.Nullable;

/** All instances of the application: which of them holds an agent, and the status of each. Thread-safe. */
final class Instances implements AutoCloseable {
    /**
     * Marks a call that an instance has handed on: the receiver answers it, and does not hand it on. Gives no rights.
     */
    static final String HANDED_ON = "Tollgate-Handed-On";

    /** The caller of the instance that hands a call on, for the record. Gives no rights either. */
    static final String CALLER = "Tollgate-Caller";

    private static final Duration STATUS_TIMEOUT = Duration.ofMillis(900);
    private static final Duration AGENT_TIMEOUT = Duration.ofSeconds(4);

    private final PipelineView observed;
    private final String self;
    private final Sampler sampler;
    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofMillis(800))
            .followRedirects(HttpClient.Redirect.NEVER)
            .build();

    /** @param self the address under which the other instances reach this one */
    Instances(PipelineView observed, String self, Sampler sampler) {
        this.observed = observed;
        this.self = self;
        this.sampler = sampler;
    }

    String self() {
        return self;
    }

    /**
     * Returns the other instance that holds the agent; empty if it is this one.
     *
     * @throws Problem 503 if that is unknown at the moment, or its address cannot be reached
     */
    Optional<HostInfo> holderOf(String agentId) {
        if (observed.agents().holds(agentId)) return Optional.empty();
        KeyQueryMetadata found;
        try {
            found = observed.streams()
                    .queryMetadataForKey(
                            observed.agents().store(), agentId, Serdes.String().serializer());
        } catch (IllegalStateException | StreamsException starting) {
            throw new Problem(503, "the pipeline is starting, or its tasks are moving: try again");
        }
        if (found.equals(KeyQueryMetadata.NOT_AVAILABLE) || found.activeHost().equals(HostInfo.unavailable())) {
            throw new Problem(503, "the agent's task is moving, or not assigned: try again");
        }
        if (address(found.activeHost()).equals(self)) {
            throw new Problem(
                    503,
                    "the agent's task is starting here, or runs on another machine under the same address: TOLLGATE_HTTP_HOST"
                            + " must be an address at which the instances reach each other");
        }
        return Optional.of(found.activeHost());
    }

    /**
     * Hands a call on to the instance that holds the agent, and returns its answer as it is.
     *
     * @throws Problem 502 if it does not answer
     */
    HttpResponse<byte[]> handOn(
            HostInfo to, String method, String path, @Nullable String authorization, String caller) {
        var request = HttpRequest.newBuilder(
                        uri(address(to), path).orElseThrow(() -> new Problem(502, unreachable(to))))
                .method(method, HttpRequest.BodyPublishers.noBody())
                .header(HANDED_ON, self)
                .header(CALLER, caller)
                .timeout(AGENT_TIMEOUT);
        if (authorization != null) request.header("Authorization", authorization);
        if (method.equals("POST")) request.header("Content-Type", "application/json");
        try {
            return client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new Problem(502, unreachable(to));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Problem(503, "closing");
        }
    }

    private static String unreachable(HostInfo host) {
        return "the instance that holds the agent, " + address(host) + ", cannot be reached";
    }

    /**
     * Returns the URL; empty if the other instance's address is not legal in one, such as a name with an underscore.
     */
    static Optional<URI> uri(String address, String path) {
        try {
            return Optional.of(new URI("http://" + address + path)).filter(uri -> uri.getHost() != null);
        } catch (URISyntaxException none) {
            return Optional.empty();
        }
    }

    /**
     * Returns the status of all instances, this one first; an instance that does not answer within a
     * second is unreachable.
     */
    StatusJson status(boolean withHistory) {
        var answers = new ArrayList<CompletableFuture<InstanceJson>>();
        for (var other : others()) answers.add(ask(other, withHistory ? "?history=true" : ""));
        var all = new ArrayList<InstanceJson>();
        all.add(here(withHistory, false));
        for (var answer : answers) all.add(answer.join());
        return merged(all);
    }

    /** Returns what each policy in shadow mode would have done, on all instances that answer, by its name. */
    Map<String, ShadowJson> shadows() {
        var answers = others().stream().map(other -> ask(other, "?shadow=true")).toList();
        return Stream.concat(
                        shadowsHere().stream(), answers.stream().flatMap(answer -> answer.join().shadow().stream()))
                .collect(Collectors.toMap(ShadowJson::policy, each -> each, ShadowJson::plus));
    }

    private StatusJson merged(List<InstanceJson> instances) {
        var lag = observed.lag().records().map(records -> byPartition(records.entrySet().stream()));
        return StatusJson.of(
                observed.settings().streams().applicationId(),
                observed.clusterId().get(),
                instances,
                lag);
    }

    private Set<String> others() {
        var found = new LinkedHashSet<String>();
        try {
            for (var each : observed.streams().metadataForAllStreamsClients()) {
                if (!each.hostInfo().equals(HostInfo.unavailable())) found.add(address(each.hostInfo()));
            }
        } catch (IllegalStateException | StreamsException starting) {
            // no instance is known yet
        }
        found.remove(self);
        return found;
    }

    private CompletableFuture<InstanceJson> ask(String other, String query) {
        var uri = uri(other, "/api/status" + query);
        if (uri.isEmpty()) return CompletableFuture.completedFuture(InstanceJson.unreachable(other));
        var request = HttpRequest.newBuilder(uri.get())
                .header(HANDED_ON, self)
                .timeout(STATUS_TIMEOUT)
                .build();
        return client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray())
                .thenApply(Instances::instance)
                .completeOnTimeout(InstanceJson.unreachable(other), STATUS_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
                .exceptionally(failure -> InstanceJson.unreachable(other));
    }

    private static InstanceJson instance(HttpResponse<byte[]> response) {
        try {
            if (response.statusCode() != 200) throw new IOException("status " + response.statusCode());
            return Json.read(response.body(), InstanceJson.class);
        } catch (IOException e) {
            throw new IllegalStateException(e); // becomes unreachable
        }
    }

    /** Returns the status of this instance. */
    InstanceJson here(boolean withHistory, boolean withShadows) {
        var threads = threads();
        var waitsFor = observed.waitsFor().get();
        return new InstanceJson(
                self,
                observed.streams().state().name(),
                waitsFor.isEmpty(),
                waitsFor.orElse(null),
                observed.version(),
                CalendarRefill.zoneRules(),
                threads.stream().map(Instances::thread).toList(),
                redis(observed.breaker()),
                sampler.rates(),
                sampler.latency(),
                lag(threads),
                observed.agents().mostThrottled().stream()
                        .map(one -> new ThrottledJson(one.agentId(), one.refusals()))
                        .toList(),
                withHistory ? sampler.history() : List.of(),
                withShadows ? shadowsHere() : List.of());
    }

    private List<ShadowJson> shadowsHere() {
        return observed.agents().shadowScores().stream()
                .map(score -> new ShadowJson(score.policy(), score.requests(), score.refusals(), score.since()))
                .toList();
    }

    static RedisJson redis(Optional<RedisBreaker> breaker) {
        return breaker.map(Instances::redis).orElse(RedisJson.NOT_CONFIGURED);
    }

    private static RedisJson redis(RedisBreaker breaker) {
        boolean inUse = breaker.isClosed();
        return new RedisJson(inUse ? "in_use" : "away", inUse ? "closed" : "open", breaker.since());
    }

    private Set<ThreadMetadata> threads() {
        try {
            return observed.streams().metadataForLocalThreads();
        } catch (IllegalStateException notRunning) {
            return Set.of();
        }
    }

    private static ThreadJson thread(ThreadMetadata thread) {
        var tasks = thread.activeTasks().stream()
                .map(task -> task.taskId().toString())
                .sorted()
                .toList();
        // The prefix, the client's id, is the same for all.
        return new ThreadJson(
                thread.threadName().replaceFirst(".*-(StreamThread-\\d+)$", "$1"), thread.threadState(), tasks);
    }

    /**
     * Returns the number of waiting records on the partitions of this instance; the caller knows the others as well.
     */
    private Map<String, Long> lag(Set<ThreadMetadata> threads) {
        var here = threads.stream()
                .flatMap(thread -> thread.activeTasks().stream())
                .flatMap(task -> task.topicPartitions().stream())
                .collect(Collectors.toSet());
        return byPartition(observed.lag().records().orElse(Map.of()).entrySet().stream()
                .filter(partition -> here.contains(partition.getKey())));
    }

    private static Map<String, Long> byPartition(Stream<Map.Entry<TopicPartition, Long>> records) {
        return records.collect(
                Collectors.toMap(each -> Integer.toString(each.getKey().partition()), Map.Entry::getValue, Long::sum));
    }

    static String address(HostInfo host) {
        return HttpConfig.bracketed(host.host()) + ":" + host.port();
    }

    @Override
    public void close() {
        sampler.close();
    }
}
