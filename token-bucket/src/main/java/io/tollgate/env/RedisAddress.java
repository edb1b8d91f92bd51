package io.tollgate.env;

import io.lettuce.core.RedisURI;
import io.lettuce.core.SslVerifyMode;
import io.lettuce.core.StaticCredentialsProvider;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads the address of Redis, the same way for the library and the pipeline.
 *
 * <p>{@code java.net.URI} and Lettuce misread some addresses, such as a host {@code my_redis:6379}, and ignore unknown
 * parameters: with {@code ?ssl=true} the password would be sent in plain text.
 */
public final class RedisAddress {
    private static final String RULE = "must be a redis://, rediss://, redis-sentinel:// or redis-socket:// address";

    private static final int REDIS_PORT = 6379;
    private static final int SENTINEL_PORT = 26_379;
    private static final int LONGEST_HOST = 253;

    private static final Pattern URL = Pattern.compile("(?<scheme>[a-z][a-z0-9+-]*)://(?<authority>[^/?#]*)"
            + "(?<path>/[^?#]*)?(\\?(?<query>[^#]*))?(#(?<fragment>.*))?");
    private static final Pattern HOST_AND_PORT =
            Pattern.compile("(\\[(?<v6>[0-9a-fA-F:.]+(%[\\w.-]+)?)]|(?<name>[^\\[\\]:]*))(?<colon>:(?<port>[^:]*))?");
    /** Standards forbid underscores in host names, but Compose and Docker use them. */
    private static final Pattern NAME =
            Pattern.compile("[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,62})(\\.[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62})*\\.?");

    private static final Pattern NUMBERS = Pattern.compile("[\\d.]+");
    private static final Pattern V4 = Pattern.compile("((25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(?!$)|$)){4}");
    /** Matches an IPv6 address, to skip its colons, or the text after a colon that no port follows. */
    private static final Pattern SUSPICIOUS =
            Pattern.compile("\\[[0-9a-fA-F:.]+(%[\\w.-]+)?]|:(?!//)(?!\\d{1,5}(?!\\d)).*");

    private static final Pattern TLS_PARAMETER = Pattern.compile("(?i)(use_?)?(ssl|tls).*");
    private static final Map<String, SslVerifyMode> VERIFY = Map.of(
            "full", SslVerifyMode.FULL,
            "true", SslVerifyMode.FULL,
            "ca", SslVerifyMode.CA,
            "none", SslVerifyMode.NONE,
            "false", SslVerifyMode.NONE);

    private RedisAddress() {}

    /**
     * Returns the address with this limit for connecting and for calls. An address of Sentinel is modified in place.
     */
    public static RedisURI within(Duration timeout, RedisURI address) {
        if (address.getSentinels().isEmpty()) {
            return RedisURI.builder(address).withTimeout(timeout).build();
        }
        address.setTimeout(timeout); // the builder drops the sentinels, and then refuses
        address.getSentinels().forEach(sentinel -> sentinel.setTimeout(timeout));
        return address;
    }

    /**
     * Returns the address in {@code REDIS_URL}, with the user and password of {@code REDIS_USERNAME} and {@code
     * REDIS_PASSWORD} if they are set; empty if it is unset. Notes mistakes.
     */
    public static Optional<RedisURI> from(Env env) {
        var url = env.secret("REDIS_URL");
        var username = env.secret("REDIS_USERNAME");
        var password = env.secret("REDIS_PASSWORD");
        if (username.isPresent() && password.isEmpty()) {
            env.mistake("REDIS_USERNAME is set, but REDIS_PASSWORD is not: set both, or put them into REDIS_URL");
        }
        url.ifPresent(text -> env.show("REDIS_URL", masked(text)));
        try {
            var uri = url.map(RedisAddress::parse);
            uri.ifPresent(address -> password.ifPresent(secret -> address.setCredentialsProvider(
                    new StaticCredentialsProvider(username.orElse(null), secret.toCharArray()))));
            return uri;
        } catch (IllegalArgumentException illegal) {
            env.mistake("REDIS_URL", String.valueOf(illegal.getMessage()), masked(url.orElse("")));
            return Optional.empty();
        }
    }

    /**
     * Returns the address that a URL names.
     *
     * @throws IllegalArgumentException if it is not an address; the message is the broken rule ("must be …"),
     *     without secrets
     */
    public static RedisURI parse(String url) {
        var matcher = URL.matcher(url.strip().replaceFirst("^[^:]+", lowerCaseScheme(url)));
        if (!matcher.matches()) throw illegal("");
        var uri = located(matcher);
        logIn(uri, matcher.group("authority"));
        return uri;
    }

    private static String lowerCaseScheme(String url) {
        int colon = Math.max(0, url.strip().indexOf(':'));
        return Matcher.quoteReplacement(url.strip().substring(0, colon).toLowerCase(Locale.ROOT));
    }

    private static RedisURI located(Matcher url) {
        var parameters = new Parameters(url.group("query"));
        var hosts = hosts(url.group("authority"));
        var uri = switch (url.group("scheme")) {
            case "redis" -> server(hosts, false);
            case "rediss", "redis+ssl" -> server(hosts, true);
            case "redis-sentinel" -> sentinels(hosts, false);
            case "rediss-sentinel" -> sentinels(hosts, true);
            case "redis-socket", "redis+socket" -> socket(hosts, url.group("path"));
            default -> throw illegal("");
        };
        boolean isSocket = uri.getSocket() != null;
        boolean isSentinel = !uri.getSentinels().isEmpty();
        uri.setDatabase(database(isSocket ? null : url.group("path"), parameters.take("database", "db")));
        parameters.take("clientName").ifPresent(uri::setClientName);
        parameters.take("verifyPeer").ifPresent(mode -> uri.setVerifyPeer(verifyMode(uri, mode)));
        if (isSentinel) uri.setSentinelMasterId(masterId(url.group("fragment"), parameters.take("sentinelMasterId")));
        else if (url.group("fragment") != null) {
            throw illegal("only redis-sentinel:// takes a #name, and a # in a password is written %23");
        }
        parameters.rejectOthers();
        return uri;
    }

    private static String hosts(String authority) {
        return authority.substring(authority.lastIndexOf('@') + 1);
    }

    private static RedisURI server(String host, boolean tls) {
        var at = hostAndPort(host, REDIS_PORT);
        return RedisURI.builder()
                .withHost(at.host)
                .withPort(at.port)
                .withSsl(tls)
                .build();
    }

    private static RedisURI sentinels(String hosts, boolean tls) {
        var builder = RedisURI.builder().withSsl(tls);
        for (var each : hosts.split("[,;]", -1)) {
            var at = hostAndPort(each.strip(), SENTINEL_PORT);
            builder.withSentinel(at.host, at.port);
        }
        return builder.build();
    }

    private static RedisURI socket(String host, @Nullable String path) {
        if (!host.isEmpty()) throw illegal("redis-socket takes no host: redis-socket:///path/of/the/socket");
        if (path == null || path.equals("/")) throw illegal("the path of the socket is missing");
        return RedisURI.Builder.socket(decoded(path)).build();
    }

    private record HostAndPort(String host, int port) {}

    private static HostAndPort hostAndPort(String text, int otherwise) {
        var matcher = HOST_AND_PORT.matcher(text);
        if (!matcher.matches()) throw illegal("it must hold a host, or host:port; an IPv6 address stands in [ ]");
        int port = matcher.group("colon") == null ? otherwise : port(matcher.group("port"));
        var v6 = matcher.group("v6");
        return new HostAndPort(v6 == null ? name(matcher.group("name")) : v6, port);
    }

    private static String name(String name) {
        if (name.isEmpty()) throw illegal("the host is missing");
        boolean isAddress = NUMBERS.matcher(name).matches();
        var legal = isAddress ? V4 : NAME;
        if (name.length() > LONGEST_HOST || !legal.matcher(name).matches()) {
            throw illegal(
                    isAddress
                            ? "its host must be a name or an address, not a number"
                            : "its host must be a name of letters, digits, dashes, dots and underscores, or an address");
        }
        return name;
    }

    private static int port(String text) {
        if (text.matches("\\d{1,5}")) {
            int port = Integer.parseInt(text);
            if (port >= 1 && port <= 65_535) return port;
        }
        throw illegal(
                "its port must be a number from 1 to 65535, and / ? # % in a password are written %2F %3F %23 %25");
    }

    private static int database(@Nullable String path, Optional<String> parameter) {
        var inPath = path == null || path.equals("/") ? Optional.<String>empty() : Optional.of(path.substring(1));
        if (inPath.isPresent() && parameter.isPresent()) throw illegal("it names the database twice");
        var text = inPath.or(() -> parameter).orElse("0");
        if (!text.matches("\\d{1,9}")) throw illegal("its database must be a whole number from 0");
        return Integer.parseInt(text);
    }

    private static SslVerifyMode verifyMode(RedisURI uri, String mode) {
        var found = VERIFY.get(mode.toLowerCase(Locale.ROOT));
        if (found == null) throw illegal("its parameter verifyPeer must be full, ca or none");
        if (!uri.isSsl()) throw illegal("verifyPeer is for TLS only: start with rediss://");
        return found;
    }

    private static String masterId(@Nullable String fragment, Optional<String> parameter) {
        var id = fragment == null ? parameter : Optional.of(decoded(fragment));
        return id.filter(name -> !name.isBlank())
                .orElseThrow(
                        () -> illegal("the name of Sentinel's primary is missing: redis-sentinel://host:26379#name"));
    }

    /** Sets user and password. A login without a colon is a password, as in redis-cli. */
    private static void logIn(RedisURI uri, String authority) {
        int at = authority.lastIndexOf('@');
        if (at < 0) return;
        var login = authority.substring(0, at);
        int colon = login.indexOf(':');
        var username = colon < 0 ? "" : decoded(login.substring(0, colon));
        var password = decoded(login.substring(colon + 1));
        if (password.isEmpty()) {
            if (username.isEmpty()) return;
            throw illegal("it names a user, but no password");
        }
        uri.setCredentialsProvider(
                new StaticCredentialsProvider(username.isEmpty() ? null : username, password.toCharArray()));
    }

    /** Returns the text with each %XX decoded as a byte of UTF-8. A plus stays a plus. */
    private static String decoded(String text) {
        if (text.chars().anyMatch(c -> c <= ' ' || c == 0x7f)) throw illegal("it must not hold spaces");
        var bytes = ByteBuffer.allocate(text.length() * 3);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '%') {
                if (!text.substring(i).matches("(?s)%[0-9a-fA-F]{2}.*")) {
                    throw illegal("a % must be followed by two hexadecimal digits; a % in a password is written %25");
                }
                bytes.put((byte) Integer.parseInt(text.substring(i + 1, i + 3), 16));
                i += 2;
            } else {
                int end = Character.isHighSurrogate(c) && i + 1 < text.length() ? i + 2 : i + 1;
                bytes.put(text.substring(i, end).getBytes(StandardCharsets.UTF_8));
                i = end - 1;
            }
        }
        try {
            CharBuffer chars = StandardCharsets.UTF_8.newDecoder().decode(bytes.flip());
            return chars.toString();
        } catch (CharacterCodingException notUtf8) {
            throw illegal("its %XX escapes must be UTF-8");
        }
    }

    /** The parameters after the question mark. */
    private static final class Parameters {
        private static final String KNOWN = "database, clientName, verifyPeer and sentinelMasterId";

        private final List<String[]> open = new ArrayList<>();

        Parameters(@Nullable String query) {
            if (query == null || query.isEmpty()) return;
            for (var pair : query.split("[&;]", -1)) open.add(pair.split("=", 2));
        }

        Optional<String> take(String... names) {
            var found = new ArrayList<String>();
            for (var name : names) {
                open.removeIf(pair -> {
                    boolean taken = pair.length == 2 && pair[0].equalsIgnoreCase(name);
                    if (taken) found.add(decoded(pair[1]));
                    return taken;
                });
            }
            if (found.size() > 1) throw illegal("its parameter " + names[0] + " is given twice");
            if (found.size() == 1 && found.get(0).isBlank()) throw illegal("its parameter " + names[0] + " is empty");
            return found.stream().findFirst();
        }

        void rejectOthers() {
            if (open.isEmpty()) return;
            var name = open.get(0)[0];
            if (!name.matches("\\w{1,40}")) throw illegal("it may have the parameters " + KNOWN + " only");
            throw illegal("its parameter " + name + " is unknown, " + KNOWN + " are known"
                    + (TLS_PARAMETER.matcher(name).matches() ? "; for TLS start with rediss://" : ""));
        }
    }

    private static IllegalArgumentException illegal(String reason) {
        return new IllegalArgumentException(RULE + (reason.isEmpty() ? "" : ": " + reason));
    }

    /**
     * Returns the address without anything that may be a user, a password or another secret, even in the wrong place:
     * the text before an @, the text after a colon that is not a port, and values of parameters with a secret's name.
     */
    public static String masked(String url) {
        if (url.startsWith(":")) return "***";
        int at = url.lastIndexOf('@');
        int scheme = url.indexOf("://");
        var shown = at < 0
                ? url
                : (scheme > 0 && scheme < at ? url.substring(0, scheme + 3) : "") + "***" + url.substring(at);
        return SUSPICIOUS
                .matcher(shown)
                .replaceAll(found -> Matcher.quoteReplacement(found.group().startsWith("[") ? found.group() : ":***"))
                .replaceAll("(?i)([?&;][^=&;]*(pass|pwd|auth|secret|token|key|user|login)[^=&;]*=)[^&;#]*", "$1***");
    }
}
