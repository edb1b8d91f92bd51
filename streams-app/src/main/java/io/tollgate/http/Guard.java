package io.tollgate.http;

import io.javalin.http.Context;
import io.tollgate.config.HttpConfig;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Decides which callers may change something. With a token: callers that send it. Without: programs on this machine.
 * Never a page of another site that a browser on this machine shows. Thread-safe.
 */
final class Guard {
    private static final String BEARER = "Bearer ";

    private final Optional<byte[]> token;

    Guard(HttpConfig config) {
        token = config.token().map(text -> text.getBytes(StandardCharsets.UTF_8));
    }

    /** @throws Problem 401 or 403 if the call must not change anything */
    void requireMayChange(Context context) {
        refuseOtherSites(context);
        if (token.isPresent()) requireToken(context, token.get());
        else requireLoopback(context);
    }

    /**
     * Refuses calls of other sites: browsers tell the origin of a call, other programs do not.
     *
     * @throws Problem 403 if it is another site
     */
    void refuseOtherSites(Context context) {
        var site = context.header("Sec-Fetch-Site");
        if (site != null && !site.equals("same-origin") && !site.equals("none")) {
            throw new Problem(403, "calls from other sites are refused");
        }
        var origin = context.header("Origin");
        if (origin != null && !isSameOrigin(origin, context.header("Host"))) {
            throw new Problem(403, "calls from other sites are refused");
        }
    }

    private static boolean isSameOrigin(String origin, @Nullable String host) {
        try {
            var authority = URI.create(origin).getRawAuthority();
            return authority != null && host != null && authority.equalsIgnoreCase(host);
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static void requireToken(Context context, byte[] token) {
        var sent = context.header("Authorization");
        // The comparison takes a time that depends on the length of the sent token alone.
        if (sent != null
                && sent.regionMatches(true, 0, BEARER, 0, BEARER.length())
                && MessageDigest.isEqual(
                        sent.substring(BEARER.length()).strip().getBytes(StandardCharsets.UTF_8), token)) {
            return;
        }
        context.header("WWW-Authenticate", "Bearer");
        throw new Problem(
                401,
                sent == null
                        ? "changes need the header Authorization: Bearer <TOLLGATE_HTTP_TOKEN>"
                        : "the token is not that of TOLLGATE_HTTP_TOKEN");
    }

    private static void requireLoopback(Context context) {
        // A call through a proxy on this machine comes from elsewhere, although the proxy is local.
        boolean handedOn = context.header("Forwarded") != null
                || context.header("X-Forwarded-For") != null
                || context.header("Via") != null;
        if (handedOn || !isLoopback(context.req().getRemoteAddr())) {
            throw new Problem(
                    403, "without TOLLGATE_HTTP_TOKEN changes are taken from programs on this machine only; set it");
        }
        // After DNS rebinding, a foreign page looks like ours except for its name.
        if (!isThisMachine(context.header("Host"))) {
            throw new Problem(
                    403, "without TOLLGATE_HTTP_TOKEN changes must be addressed to localhost or an IP address");
        }
    }

    private static boolean isLoopback(String address) {
        try {
            return InetAddress.getByName(address).isLoopbackAddress(); // an address, so that no name is looked up
        } catch (UnknownHostException e) {
            return false;
        }
    }

    private static boolean isThisMachine(@Nullable String host) {
        if (host == null) return false;
        var name = host.toLowerCase(Locale.ROOT).replaceFirst(":\\d+$", "");
        return name.equals("localhost") || name.matches("\\d{1,3}(\\.\\d{1,3}){3}") || name.matches("\\[[0-9a-f:.]+]");
    }
}
