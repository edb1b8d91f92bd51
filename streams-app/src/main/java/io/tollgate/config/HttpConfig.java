package io.tollgate.config;

import io.tollgate.env.Env;
import java.util.Optional;

/**
 * Where health, metrics and the console are served.
 *
 * @param host TOLLGATE_HTTP_HOST, default 127.0.0.1
 * @param port TOLLGATE_HTTP_PORT, default 8080; 0: a free one
 * @param token TOLLGATE_HTTP_TOKEN, or in TOLLGATE_HTTP_TOKEN_FILE: bearer token that calls which change something need; empty: only from loopback
 */
public record HttpConfig(String host, int port, Optional<String> token) {
    static HttpConfig from(Env env) {
        var host = env.text("TOLLGATE_HTTP_HOST", "127.0.0.1");
        if (!host.matches("[a-zA-Z0-9._-]+|[0-9a-fA-F:.]+(%[a-zA-Z0-9._-]+)?")) {
            env.mistake("TOLLGATE_HTTP_HOST", "must be a host name or an address", host);
        }
        return new HttpConfig(
                host,
                env.whole("TOLLGATE_HTTP_PORT", 8080, 0, 65_535, "must be a port from 0 (a free one) to 65535"),
                env.secret("TOLLGATE_HTTP_TOKEN"));
    }

    /** Without the token. */
    @Override
    public String toString() {
        return "HttpConfig[" + host + ":" + port + "]";
    }
}
