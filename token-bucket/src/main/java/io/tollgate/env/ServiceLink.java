package io.tollgate.env;

import java.util.regex.Pattern;

/**
 * The variables that Kubernetes sets in every container for every Service of its namespace: for a Service named {@code
 * tollgate-redis} {@code TOLLGATE_REDIS_SERVICE_HOST}, {@code TOLLGATE_REDIS_PORT=tcp://10.0.0.7:6379} and more. No
 * user wrote them, so they are neither settings nor mistakes.
 *
 * @see <a href="https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables">Kubernetes,
 *     environment variables of Services</a>
 */
final class ServiceLink {
    private static final Pattern NAME =
            Pattern.compile(".+_(SERVICE_HOST|SERVICE_PORT(_\\w+)?|PORT_\\d{1,5}_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)");
    /**
     * A Service named {@code tollgate-http} creates TOLLGATE_HTTP_PORT, which is also our setting. The value tells
     * them apart.
     */
    private static final Pattern PORT_VALUE = Pattern.compile("(tcp|udp|sctp)://.*", Pattern.CASE_INSENSITIVE);

    private ServiceLink() {}

    static boolean is(String name, String value) {
        return NAME.matcher(name).matches()
                || (name.endsWith("_PORT") && PORT_VALUE.matcher(value.strip()).matches());
    }
}
