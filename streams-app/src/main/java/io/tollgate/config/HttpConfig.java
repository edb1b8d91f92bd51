package io.tollgate.config;

import io.tollgate.env.Env;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The address of health, metrics and the console.
 *
 * @param host TOLLGATE_HTTP_HOST, default 127.0.0.1
 * @param port TOLLGATE_HTTP_PORT, default 8080; 0: a free one
 * @param token TOLLGATE_HTTP_TOKEN, or in TOLLGATE_HTTP_TOKEN_FILE: bearer token for calls that change something;
 *     empty: such calls only from loopback
 */
public record HttpConfig(String host, int port, Optional<String> token) {
    private static final Pattern IN_A_HEADER = Pattern.compile("[!-~]([ -~]*[!-~])?");

    static HttpConfig from(Env env) {
        var host = env.text("TOLLGATE_HTTP_HOST", "127.0.0.1");
        if (!isReachable(host)) {
            env.mistake(
                    "TOLLGATE_HTTP_HOST",
                    "must be a host name (letters, digits, dashes and dots) or an address, because the other instances"
                            + " reach this one by it",
                    host);
        }
        var token = env.secret("TOLLGATE_HTTP_TOKEN");
        if (token.isPresent() && !IN_A_HEADER.matcher(token.get()).matches()) {
            env.mistake("TOLLGATE_HTTP_TOKEN must be printable ASCII characters without spaces at its ends, because it"
                    + " is sent in a header");
        }
        return new HttpConfig(
                host,
                env.whole("TOLLGATE_HTTP_PORT", 8080, 0, 65_535, "must be a port from 0 (a free one) to 65535"),
                token);
    }

    /** Returns whether the host is legal in a URL. Names with an underscore, as Compose allows them, are not. */
    private static boolean isReachable(String host) {
        var inUrl = bracketed(host);
        try {
            return inUrl.equals(new URI("http://" + inUrl + ":1").getHost());
        } catch (URISyntaxException none) {
            return false;
        }
    }

    /** Returns the host as URLs have it: an IPv6 address in brackets. */
    public static String bracketed(String host) {
        return host.contains(":") ? "[" + host + "]" : host;
    }

    /** Returns the URL for clients on this machine. A server may listen on all addresses; a client needs one. */
    public String localUrl() {
        var reachable = host.equals("0.0.0.0") ? "127.0.0.1" : host.equals("::") ? "::1" : host;
        return "http://" + bracketed(reachable) + ":" + port;
    }

    /** Returns the settings without the token. */
    @Override
    public String toString() {
        return "HttpConfig[" + host + ":" + port + "]";
    }
}
