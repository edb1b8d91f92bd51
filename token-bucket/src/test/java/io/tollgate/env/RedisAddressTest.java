package io.tollgate.env;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.lettuce.core.RedisURI;
import io.lettuce.core.StaticCredentialsProvider;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RedisAddressTest {
    private static final String RULE = "must be a redis://, rediss://, redis-sentinel:// or redis-socket:// address";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "redis://localhost | plain localhost:6379/0",
                "redis://localhost/ | plain localhost:6379/0",
                "redis://my_redis:6380 | plain my_redis:6380/0",
                "redis://app_redis_1.my_net | plain app_redis_1.my_net:6379/0",
                "redis://user:pw@my_redis/2 | plain user:pw@my_redis:6379/2",
                "rediss://my_redis | tls my_redis:6379/0",
                "REDISS://Host | tls Host:6379/0",
                "redis+ssl://host | tls host:6379/0",
                "redis://10.1.2.3:1 | plain 10.1.2.3:1/0",
                "redis://[::1]:65535/15 | plain ::1:65535/15",
                "redis://:pw@[fe80::1%eth0] | plain :pw@fe80::1%eth0:6379/0",
                "redis://pw@host | plain :pw@host:6379/0",
                "redis://@host | plain host:6379/0",
                "redis://:@host | plain host:6379/0",
                "redis://:p%40%2F%3a%25%23%20%C3%A9+@host | plain :p@/:%# é+@host:6379/0",
                "redis://us%3aer:pw@host | plain us:er:pw@host:6379/0",
                "redis://user:p@ss@host | plain user:p@ss@host:6379/0",
                "redis://user:p:w@host | plain user:p:w@host:6379/0",
                "redis://host?database=3 | plain host:6379/3",
                "redis://host/?db=3&clientName=me | plain host:6379/3",
                "redis-sentinel://a:1,b;[::1]:2/4#main | plain a:1,b:26379,::1:2/4#main",
                "redis-sentinel://my_sentinel?sentinelMasterId=main | plain my_sentinel:26379/0#main",
                "rediss-sentinel://user:pw@a/1#main | tls user:pw@a:26379/1#main",
                "redis-socket:///run/redis.sock | plain /run/redis.sock/0",
                "redis-socket://:pw@/run/my%20redis.sock?database=2 | plain :pw@/run/my redis.sock/2",
            })
    void addressIsTakenApart(String url, String parts) {
        assertThat(parts(RedisAddress.parse(url))).isEqualTo(parts);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "localhost:6379 | ",
                "http://localhost | ",
                "redis:localhost | ",
                ":// | ",
                "% | ",
                "redis:// | the host is missing",
                "redis://:6379 | the host is missing",
                "redis://user:pw@ | the host is missing",
                "redis://user:pw@:6379 | the host is missing",
                "redis-sentinel://a,,b#m | the host is missing",
                "redis://host: | its port must be a number from 1 to 65535",
                "redis://host:0 | its port must be a number from 1 to 65535",
                "redis://host:-1 | its port must be a number from 1 to 65535",
                "redis://host:65536 | its port must be a number from 1 to 65535",
                "redis://my_redis:port | its port must be a number from 1 to 65535",
                "redis-sentinel://a:0#m | its port must be a number from 1 to 65535",
                "redis://:p/w@host | its port must be a number from 1 to 65535, and / ? # % in a password are written",
                "redis://a:1,b:2 | it must hold a host, or host:port",
                "redis://a,b | its host must be a name of letters, digits, dashes, dots and underscores",
                "redis://a b | its host must be a name",
                "redis://höst | its host must be a name",
                "redis://-a | its host must be a name",
                "redis://a..b | its host must be a name",
                "redis://6379 | its host must be a name or an address, not a number",
                "redis://1.2.3.456 | its host must be a name or an address, not a number",
                "redis://1.2.3 | its host must be a name or an address, not a number",
                "redis://[::1 | an IPv6 address stands in [ ]",
                "redis://::1 | an IPv6 address stands in [ ]",
                "redis://host/abc | its database must be a whole number from 0",
                "redis://host/-1 | its database must be a whole number from 0",
                "redis://host/1/2 | its database must be a whole number from 0",
                "redis://host//1 | its database must be a whole number from 0",
                "redis://host/99999999999 | its database must be a whole number from 0",
                "redis://host?database=x | its database must be a whole number from 0",
                "redis://host/1?database=2 | it names the database twice",
                "redis://host?db=1&database=2 | its parameter database is given twice",
                "redis://user:@host | it names a user, but no password",
                "redis://:%zz@host | a % must be followed by two hexadecimal digits",
                "redis://:%f@host | a % must be followed by two hexadecimal digits",
                "redis://:%ff@host | must be UTF-8",
                "redis://:p w@host | it must not hold spaces",
                "redis://host#main | only redis-sentinel:// takes a #name",
                "redis://host?ssl=true | its parameter ssl is unknown, database, clientName, verifyPeer and"
                        + " sentinelMasterId are known; for TLS start with rediss://",
                "redis://host?SSL | for TLS start with rediss://",
                "redis://host?tls=on | for TLS start with rediss://",
                "redis://host?use_ssl=1 | for TLS start with rediss://",
                "redis://host/0?timeout=5s | its parameter timeout is unknown",
                "redis://host?database=1&x=y | its parameter x is unknown",
                "redis://host?=y | it may have the parameters database",
                "redis://host?& | it may have the parameters database",
                "redis://host?clientName= | its parameter clientName is empty",
                "redis://host?sentinelMasterId=x | its parameter sentinelMasterId is unknown",
                "redis://host?verifyPeer=none | verifyPeer is for TLS only: start with rediss://",
                "rediss://host?verifyPeer=maybe | its parameter verifyPeer must be full, ca or none",
                "redis-sentinel://a:26379 | the name of Sentinel's primary is missing",
                "redis-sentinel://a# | the name of Sentinel's primary is missing",
                "redis-socket:// | the path of the socket is missing",
                "redis-socket:/// | the path of the socket is missing",
                "redis-socket://run/redis.sock | redis-socket takes no host",
            })
    void mistakesNameTheRule(String url, String reason) {
        var mistake = mistake(url);

        assertThat(mistake).startsWith("REDIS_URL " + RULE).contains(reason == null ? "address, but is" : reason);
        assertThat(mistake.lines()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "redis://:hunter2@host:port",
                "redis://user:hunter2@",
                "redis://:hun/hunter2@host",
                "redis://:hun#hunter2@host",
                "redis://:hun?hunter2@host",
                "redis://:%zzhunter2@host",
                "redis://hunter2@a b",
                "redis://us@er:hunter2@host:port",
                "http://:hunter2@host",
                "hunter2@host",
                "redis://host:hunter2",
                "redis://host:hun/hunter2",
                "redis:hunter2",
                "://hunter2",
                "redis://:hunter2@host?ssl=true",
                "redis://host?password=hunter2",
                "redis://host?database=1&auth_token=hunter2#x",
            })
    void noSecretIsShown(String url) {
        assertThat(mistake(url)).doesNotContain("hunter2");
    }

    @ParameterizedTest
    @CsvSource({
        "redis://user:hunter2@host:6380/1, redis://***@host:6380/1",
        "'redis-sentinel://hunter2@a:1,b:2#m', 'redis-sentinel://***@a:1,b:2#m'",
        "redis://[::1]:6379/0, redis://[::1]:6379/0",
        "redis://:x@[fe80::1%eth0]:6379, redis://***@[fe80::1%eth0]:6379",
        "redis://host?ssl=true, redis://host?ssl=true",
    })
    void maskedAddressKeepsTheRest(String url, String masked) {
        assertThat(RedisAddress.masked(url)).isEqualTo(masked);
    }

    @Test
    void separateUserAndPasswordGoFirst() {
        var env = Env.of(Map.of("REDIS_URL", "redis://a:b@host", "REDIS_USERNAME", "c", "REDIS_PASSWORD", "d@%zz"));

        assertThat(parts(RedisAddress.from(env).orElseThrow())).isEqualTo("plain c:d@%zz@host:6379/0");
        assertThat(env.mistakes()).isEmpty();
        assertThat(env.settings().toString()).contains("redis://***@host").doesNotContain("a:b", "d@%zz");
    }

    private static String mistake(String url) {
        assertThat(catchThrowableOfType(IllegalArgumentException.class, () -> RedisAddress.parse(url)))
                .as(url)
                .isNotNull();
        var env = Env.of(Map.of("REDIS_URL", url));
        assertThat(RedisAddress.from(env)).isEmpty();
        assertThat(env.mistakes()).hasSize(1);
        return env.mistakes().get(0);
    }

    private static String parts(RedisURI uri) {
        var at = uri.getSentinels().isEmpty()
                ? uri.getSocket() == null ? at(uri) : uri.getSocket()
                : uri.getSentinels().stream().map(RedisAddressTest::at).collect(Collectors.joining(","));
        var master = uri.getSentinelMasterId() == null ? "" : "#" + uri.getSentinelMasterId();
        return (uri.isSsl() ? "tls " : "plain ") + login(uri) + at + "/" + uri.getDatabase() + master;
    }

    private static String at(RedisURI uri) {
        return uri.getHost() + ":" + uri.getPort();
    }

    private static String login(RedisURI uri) {
        var credentials = ((StaticCredentialsProvider) uri.getCredentialsProvider()).resolveCredentialsNow();
        if (!credentials.hasPassword()) return "";
        var user = credentials.hasUsername() ? credentials.getUsername() : "";
        return user + ":" + new String(credentials.getPassword()) + "@";
    }
}
