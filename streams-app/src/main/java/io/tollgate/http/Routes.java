package io.tollgate.http;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.HandlerType;
import io.javalin.http.HttpResponseException;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.tollgate.config.Settings;
import io.tollgate.history.WhatIf;
import io.tollgate.quota.AgentView;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Maps paths to answers. Thread-safe. */
final class Routes implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Routes.class);
    private static final int MAX_TOP = 100;
    private static final long ANSWER_SECONDS = 3;
    private static final Duration TRIED = Duration.ofHours(1);
    /** Records read from each of the agent's two partitions: some seconds' work. */
    private static final long MAX_TRIAL_OFFSETS = 200_000;

    private final Semaphore trials = new Semaphore(1);
    private final Guard guard;
    private final PrometheusMeterRegistry registry;
    private final ConsoleFiles files = new ConsoleFiles();
    private final Map<String, String> allowed = new LinkedHashMap<>();
    private volatile @Nullable Shown shown;

    /** The parts that exist once the pipeline runs. */
    private record Shown(PipelineView observed, Instances instances, LiveStream live) {}

    Routes(Guard guard, PrometheusMeterRegistry registry) {
        this.guard = guard;
        this.registry = registry;
    }

    void show(PipelineView observed, String self) {
        var sampler = new Sampler(
                observed.registry(), () -> Instances.redis(observed.breaker()).state());
        var instances = new Instances(observed, self, sampler);
        sampler.start();
        shown = new Shown(observed, instances, new LiveStream(instances));
    }

    void addTo(RoutesConfig routes) {
        routes.before(Routes::secure);
        for (var path : files.paths()) get(routes, path, context -> files.answer(path, context));
        get(
                routes,
                "/health/live",
                context -> context.contentType("text/plain; charset=utf-8").result("live\n"));
        get(routes, "/health/ready", this::ready);
        get(
                routes,
                "/metrics",
                context -> context.contentType("text/plain; version=0.0.4; charset=utf-8")
                        .result(registry.scrape()));
        get(routes, "/api/status", this::status);
        get(routes, "/api/events", context -> {
            if (context.method() != HandlerType.HEAD) shown().live().serve(context);
        });
        get(routes, "/api/agents", this::mostThrottled);
        get(routes, "/api/agents/{id}", this::agent);
        add(routes, HandlerType.POST, "/api/agents/{id}/reset", this::reset);
        add(routes, HandlerType.POST, "/api/agents/{id}/whatif", this::whatIf);
        get(
                routes,
                "/api/policies",
                context -> json(
                        context,
                        PolicyRoutes.all(settings(), shown().instances().shadows())));
        get(
                routes,
                "/api/policies/{id}",
                context -> json(
                        context,
                        PolicyRoutes.get(
                                settings(),
                                agentId(context),
                                context,
                                shown().instances().shadows())));
        get(
                routes,
                "/api/policies/{id}/history",
                context -> json(context, PolicyRoutes.history(settings(), agentId(context))));
        add(routes, HandlerType.PUT, "/api/policies/{id}", this::setPolicy);
        add(routes, HandlerType.DELETE, "/api/policies/{id}", this::deletePolicy);
        routes.exception(Problem.class, (problem, context) -> problem.answer(context));
        routes.exception(InvalidPartitionsException.class, (several, context) -> {
            log.error("{} {} failed: {}", context.method(), printable(context.path()), several.getMessage());
            Problem.answer(context, 503, several.getMessage());
        });
        routes.exception(KafkaException.class, (away, context) -> {
            log.warn("{} {} failed: {}", context.method(), printable(context.path()), away.getMessage());
            Problem.answer(context, 503, "Kafka does not answer: try again");
        });
        routes.exception(HttpResponseException.class, (refused, context) -> {
            if (refused.getStatus() == 404) notFound(context);
            else Problem.answer(context, refused.getStatus(), null);
        });
        routes.exception(Exception.class, (defect, context) -> {
            log.error("{} {} failed", context.method(), printable(context.path()), defect);
            Problem.answer(context, 500, null);
        });
    }

    private interface Answer {
        void to(Context context) throws IOException;
    }

    private void get(RoutesConfig routes, String path, Answer answer) {
        add(routes, HandlerType.GET, path, answer);
    }

    private void add(RoutesConfig routes, HandlerType method, String path, Answer answer) {
        allowed.merge(
                path.replace("{id}", "[^/]+"),
                method == HandlerType.GET ? "GET, HEAD" : method.name(),
                (one, more) -> one + ", " + more);
        routes.addHttpHandler(method, path, answer::to);
    }

    /** A path that exists for another method is not "not found". */
    private void notFound(Context context) {
        var path = context.req().getRequestURI();
        for (var route : allowed.entrySet()) {
            if (path.matches(route.getKey())
                    && !route.getValue().contains(context.method().name())) {
                context.header("Allow", route.getValue());
                Problem.answer(context, 405, "allowed here: " + route.getValue());
                return;
            }
        }
        Problem.answer(context, 404, "there is nothing here");
    }

    private static void secure(Context context) {
        context.header("X-Content-Type-Options", "nosniff")
                .header("X-Frame-Options", "DENY")
                .header("Referrer-Policy", "no-referrer")
                .header("Cross-Origin-Opener-Policy", "same-origin")
                .header("Cross-Origin-Resource-Policy", "same-origin")
                .header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
                .header("Cache-Control", "no-store");
    }

    private Shown shown() {
        var current = shown;
        if (current == null) throw new Problem(503, "the pipeline is starting");
        return current;
    }

    private void ready(Context context) {
        var current = shown;
        var waitsFor = current == null
                ? Optional.of("the start")
                : current.observed().waitsFor().get();
        context.status(waitsFor.isEmpty() ? 200 : 503)
                .contentType("text/plain; charset=utf-8")
                .result(waitsFor.map(what -> "not ready: waits for " + what + "\n")
                        .orElse("ready\n"));
    }

    private void status(Context context) {
        boolean withHistory = "true".equals(context.queryParam("history"));
        var instances = shown().instances();
        boolean withShadows = "true".equals(context.queryParam("shadow"));
        json(context, isHandedOn(context) ? instances.here(withHistory, withShadows) : instances.status(withHistory));
    }

    private void mostThrottled(Context context) {
        int top = top(context.queryParam("top"));
        var all = shown().instances().status(false).mostThrottled();
        json(context, new TopJson(all.subList(0, Math.min(top, all.size()))));
    }

    /** The most throttled agents, most first. */
    private record TopJson(List<InstanceJson.ThrottledJson> agents) {}

    private static int top(@Nullable String text) {
        if (text == null) return 10;
        try {
            int top = Integer.parseInt(text);
            if (top >= 1 && top <= MAX_TOP) return top;
        } catch (NumberFormatException reported) {
            // below
        }
        throw new Problem(400, "top must be a whole number from 1 to " + MAX_TOP);
    }

    private void agent(Context context) throws IOException {
        var agentId = agentId(context);
        if (handedOn(context, agentId, "")) return;
        json(context, agent(agentId, shown().observed().agents().look(agentId)));
    }

    private void reset(Context context) throws IOException {
        guard.requireMayChange(context);
        RequestBody.requireJsonOrNothing(context);
        var agentId = agentId(context);
        if (handedOn(context, agentId, "/reset")) return;
        var filled = agent(agentId, shown().observed().agents().reset(agentId, by(context)));
        noteChange(context, "the bucket of agent \"{}\" was filled by {}", agentId);
        json(context, filled);
    }

    /**
     * Tells what a policy would have done to the agent; reading the topics is work, so it takes the right to change.
     */
    private void whatIf(Context context) throws IOException {
        guard.requireMayChange(context);
        RequestBody.requireJson(context);
        var agentId = agentId(context);
        var tried = PolicyRoutes.tried(settings(), agentId, RequestBody.read(context));
        if (!trials.tryAcquire()) throw new Problem(503, "another trial is running: try again");
        try {
            var report = WhatIf.ofAgent(settings(), agentId, tried, MAX_TRIAL_OFFSETS)
                    .run(Instant.now().minus(TRIED), total -> read -> {});
            json(context, TrialJson.of(agentId, report));
        } finally {
            trials.release();
        }
    }

    private void setPolicy(Context context) throws IOException {
        guard.requireMayChange(context);
        RequestBody.requireJson(context);
        var agentId = agentId(context);
        json(context, PolicyRoutes.put(settings(), agentId, RequestBody.read(context), context, by(context)));
        noteChange(context, "the policy of \"{}\" was set by {}", agentId);
    }

    private Settings settings() {
        return shown().observed().settings();
    }

    private void deletePolicy(Context context) throws IOException {
        guard.requireMayChange(context);
        RequestBody.requireJsonOrNothing(context);
        var agentId = agentId(context);
        PolicyRoutes.delete(settings(), agentId, context, by(context));
        noteChange(context, "the policy of \"{}\" was deleted by {}", agentId);
        context.status(204);
    }

    private AgentJson agent(String agentId, CompletableFuture<AgentView> answer) {
        return AgentJson.of(agentId, await(answer), shown().instances().self());
    }

    private static AgentView await(CompletableFuture<AgentView> answer) {
        try {
            return answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException | RejectedExecutionException late) {
            answer.cancel(false);
            throw busy();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Problem(503, "closing");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RejectedExecutionException) throw busy();
            throw new IllegalStateException(e.getCause());
        }
    }

    private static Problem busy() {
        return new Problem(503, "the agent's task is busy or moving: try again");
    }

    /** Returns whether another instance has answered: the one that holds the agent. One hop, never more. */
    private boolean handedOn(Context context, String agentId, String action) throws IOException {
        var holder = shown().instances().holderOf(agentId);
        if (holder.isEmpty()) return false;
        if (isHandedOn(context)) throw new Problem(503, "the agent's task is moving: try again");
        var path = "/api/agents/" + AgentPath.encode(agentId) + action;
        var answer = shown().instances()
                .handOn(
                        holder.get(),
                        context.method().name(),
                        path,
                        context.header("Authorization"),
                        context.req().getRemoteAddr());
        context.status(answer.statusCode())
                .contentType(answer.headers().firstValue("Content-Type").orElse(Problem.CONTENT_TYPE))
                .result(answer.body());
        return true;
    }

    /** Returns the author of a change: for a call that was handed on, the first caller. */
    private static String by(Context context) {
        var first = isHandedOn(context) ? context.header(Instances.CALLER) : null;
        return "api:"
                + (first != null && first.matches("[0-9a-zA-Z.:%-]{1,64}")
                        ? first
                        : context.req().getRemoteAddr());
    }

    private static boolean isHandedOn(Context context) {
        return context.header(Instances.HANDED_ON) != null;
    }

    private static String agentId(Context context) {
        var segments = context.req().getRequestURI().split("/", -1); // "", api, agents, id
        return AgentPath.decode(segments[3]);
    }

    private static void noteChange(Context context, String line, String agentId) {
        log.info(line, printable(agentId), context.req().getRemoteAddr());
    }

    private static String printable(String text) {
        return text.replaceAll("\\p{Cntrl}", "?");
    }

    private static void json(Context context, Object value) {
        context.contentType("application/json").result(Json.bytes(value));
    }

    @Override
    public void close() {
        var current = shown;
        if (current == null) return;
        current.live().close();
        current.instances().close();
    }
}
