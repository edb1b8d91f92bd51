package io.tollgate.preflight;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.api.sync.RedisCommands;
import io.tollgate.env.RedisAddress;
import io.tollgate.redis.RedisFailures;
import io.tollgate.redis.RedisWire;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Checks that Redis can be reached, permits the script's commands, and evicts nothing. All findings are warnings:
 * without Redis the pipeline decides on its local buckets. Not thread-safe.
 */
final class RedisCheck {
    private static final Duration TIMEOUT = Duration.ofSeconds(1);
    /** Not a bucket's key, because it has another ending. It expires after a minute. */
    private static final String KEY = "quota::preflight";

    /** A key of another hash slot. */
    private static final String OTHER_KEY = "quota::preflight-2";

    private static final Pattern POLICY = Pattern.compile("(?m)^maxmemory_policy:(\\S+)");
    private static final String NEVER_REFILLED = "; until then buckets that do not refill expire after 95 years";
    private static final String LOCAL = "; decisions use the local buckets until then";

    private final RedisURI uri;
    private final boolean withSeveralKeys;
    private final List<Finding> findings = new ArrayList<>();

    /** @param withSeveralKeys whether to try calls with several keys */
    RedisCheck(RedisURI uri, boolean withSeveralKeys) {
        this.uri = uri;
        this.withSeveralKeys = withSeveralKeys;
    }

    List<Finding> look() {
        var client = client(uri);
        try (var connection = client.connect()) {
            ask(connection.sync());
        } catch (RedisException away) {
            warn(unreachable(away));
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
        return findings;
    }

    /** Returns a client that gives up soon, and connects once. */
    static RedisClient client(RedisURI address) {
        var client = RedisClient.create(RedisAddress.within(TIMEOUT, address));
        client.setOptions(ClientOptions.builder()
                .autoReconnect(false)
                .socketOptions(SocketOptions.builder().connectTimeout(TIMEOUT).build())
                .build());
        return client;
    }

    private void ask(RedisCommands<String, String> redis) {
        attempt("TIME", redis, commands -> ClockCheck.redis(commands, findings));
        attempt("HSET", redis, commands -> commands.hset(KEY, Map.of("tokens", "0")));
        attempt("PERSIST", redis, commands -> commands.persist(KEY));
        attempt("EXPIRE", redis, commands -> commands.expire(KEY, Duration.ofMinutes(1)));
        attempt("HMGET", redis, commands -> commands.hmget(KEY, "tokens"));
        var digest = redis.digest("return 1");
        attempt("SCRIPT|LOAD", redis, commands -> commands.scriptLoad("return 1"));
        attempt("EVALSHA", redis, commands -> commands.evalsha(digest, ScriptOutputType.INTEGER, KEY));
        if (withSeveralKeys) severalKeys(redis, digest);
        try {
            policy(redis.info("memory"));
        } catch (RedisException forbidden) {
            // A single server does not need the right to INFO.
        }
    }

    /** Makes a call as the pipeline does. A recognised cluster gets one key a call; a proxy cannot be recognised. */
    private void severalKeys(RedisCommands<String, String> redis, String digest) {
        if (isCluster(redis)) return;
        try {
            redis.evalsha(digest, ScriptOutputType.INTEGER, KEY, OTHER_KEY);
        } catch (RedisException e) { // a proxy may as well hang up
            var answer = RedisFailures.inWords(e);
            if (answer.startsWith("NOPERM") || answer.startsWith("NOSCRIPT")) return; // said of one key
            warn("rejects calls with several keys (" + answer
                    + "), as proxies of sharded Redis do: each agent is asked for"
                    + " by itself, which costs more, unless REDIS_URL points at a single Redis, or at a node of the Redis"
                    + " Cluster itself, and the user has +info there");
        }
    }

    private static boolean isCluster(RedisCommands<String, String> redis) {
        try {
            return redis.info("cluster").contains("cluster_enabled:1");
        } catch (RedisException forbidden) {
            return false;
        }
    }

    private void attempt(
            String command, RedisCommands<String, String> redis, Function<RedisCommands<String, String>, Object> call) {
        try {
            call.apply(redis);
        } catch (RedisCommandExecutionException e) {
            refused(command, String.valueOf(e.getMessage()));
        }
    }

    private void refused(String command, String answer) {
        if (answer.startsWith("NOPERM") && answer.contains("key")) {
            warn("refuses keys that begin with quota: (" + command + "): grant the user ~quota:*" + LOCAL);
        } else if (answer.startsWith("NOPERM")) {
            warn("refuses the command " + command + ": grant the user +" + command.toLowerCase(java.util.Locale.ROOT)
                    + (command.equals("PERSIST") ? NEVER_REFILLED : LOCAL));
        } else if (answer.startsWith("READONLY")) {
            warn("is a read-only replica: point REDIS_URL at the primary" + LOCAL);
        } else if (answer.startsWith("OOM")) {
            warn("has no memory left for a bucket: raise its maxmemory" + LOCAL);
        } else if (!answer.matches("(NOSCRIPT|MOVED|ASK|CROSSSLOT)\\b.*")) { // permitted, only not there
            warn("rejects the command " + command + " (" + answer + ")" + LOCAL);
        }
    }

    private void policy(String info) {
        var policy = POLICY.matcher(info);
        if (policy.find() && !policy.group(1).equals("noeviction")) {
            warn("may evict buckets, and to other programs an evicted bucket is a full one (maxmemory-policy is "
                    + policy.group(1) + "): set maxmemory-policy noeviction");
        }
    }

    private String unreachable(RedisException failure) {
        var mismatch = RedisWire.mismatch(uri, TIMEOUT);
        if (mismatch.isPresent()) return mismatch.get() + LOCAL;
        Throwable deepest = failure;
        while (deepest.getCause() != null) deepest = deepest.getCause();
        var message = String.valueOf(deepest.getMessage());
        if (message.startsWith("WRONGPASS") || message.startsWith("NOAUTH")) {
            return "refuses the login (" + message.lines().findFirst().orElse("")
                    + "): check REDIS_USERNAME and REDIS_PASSWORD, or user and password in REDIS_URL" + LOCAL;
        }
        if (message.contains("PKIX")) {
            return "has a certificate that this JVM does not trust: set -Djavax.net.ssl.trustStore in JAVA_OPTS"
                    + LOCAL;
        }
        // The client's timeouts have no message.
        var reason = deepest.getMessage() == null
                ? deepest.getClass().getSimpleName()
                : message.lines().findFirst().orElse("");
        return "does not answer (" + reason + "): check REDIS_URL" + LOCAL;
    }

    private void warn(String text) {
        findings.add(Finding.warning("Redis at " + address() + " " + text));
    }

    private String address() {
        return Optional.ofNullable(uri.getHost())
                .map(host -> host + ":" + uri.getPort())
                .or(() -> Optional.ofNullable(uri.getSocket()))
                .orElse("the address that Sentinel names");
    }
}
