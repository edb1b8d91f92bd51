package io.tollgate.sandbox;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.sandbox.process.SandboxTopics;
import io.tollgate.sandbox.process.Security;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The addresses of the started parts; a part that was not started is null. */
record Addresses(
        SandboxDir dir,
        @Nullable KafkaBroker kafka,
        @Nullable RedisServer redis,
        @Nullable ApplicationProcess app,
        @Nullable ConnectStack connect,
        @Nullable Security users) {
    /**
     * Returns the user's settings, as in TOKEN_BUCKET_SIZE=50 ./tollgate sandbox, without those of addresses and
     * folders.
     */
    static Map<String, String> usersSettings() {
        var settings = new TreeMap<>(System.getenv());
        settings.keySet()
                .removeIf(name -> name.endsWith("_TOPIC")
                        || name.equals("TOLLGATE_HTTP_HOST")
                        || name.equals("TOLLGATE_HTTP_PORT")
                        || name.equals("TOLLGATE_STATE_DIR")
                        || !(name.startsWith("TOKEN_") || name.startsWith("TOLLGATE_")));
        return settings;
    }

    /** Returns the variables by which a command finds the started parts. */
    private Map<String, String> environment() {
        var environment = usersSettings();
        if (kafka != null) environment.put("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrapServers());
        if (redis != null) environment.put("REDIS_URL", redis.uri());
        if (app != null) {
            environment.put("TOLLGATE_HTTP_HOST", app.http().getHost());
            environment.put("TOLLGATE_HTTP_PORT", Integer.toString(app.http().getPort()));
        }
        if (users != null) {
            environment.putAll(users.operatorEnvironment());
            // For Redis, which has no setting of its own for that. The script splits it into words.
            var trust = String.join(" ", users.trustArguments());
            if (!users.dir().toString().contains(" ")) environment.put("JAVA_OPTS", trust);
            if (redis == null) environment.keySet().removeIf(name -> name.startsWith("REDIS_"));
        }
        return environment;
    }

    /** Prints the addresses, commands to try, and the line READY. */
    void print(PrintStream out) throws IOException {
        var ready = new StringBuilder("READY");
        out.println();
        if (kafka != null) {
            String address = kafka.bootstrapServers();
            ready.append(" kafka=").append(address);
            out.println("  Kafka     " + address);
            String login =
                    users == null ? "" : " -F " + EnvFile.word(users.dir().resolve(Security.AUDITORS + ".kcat"));
            out.println(
                    "            kcat" + login + " -b " + address + " -C -t " + SandboxTopics.REJECTED + " -o -5 -e");
            if (users != null) printUsers(out, address, users);
        }
        if (redis != null) {
            ready.append(" redis=").append(redis.uri());
            out.println("  Redis     " + redis.uri());
            if (users == null) {
                out.println("            redis-cli -p " + redis.port() + " hgetall quota:greedy-1:tokens");
            } else {
                out.println("            REDISCLI_AUTH=$(cat "
                        + EnvFile.word(users.dir().resolve("redis.password"))
                        + ") redis-cli --tls --cacert "
                        + EnvFile.word(users.dir().resolve("ca.pem")) + " --user "
                        + Security.APPLICATION + " -p " + redis.port()
                        + " hmget quota:greedy-1:tokens tokens last_refill");
            }
        }
        if (app != null) {
            ready.append(" http=").append(app.http());
            out.println("  HTTP      " + app.http());
            out.println("            the console");
        }
        if (connect != null) connect.printAddresses(out);
        out.println("  Logs      " + dir.path().resolve("logs"));
        out.println("  Ctrl-C stops everything" + (dir.isKept() ? "; the data stays in " + dir.path() + "." : "."));
        out.println("  Commands  in another shell, after the line below:");
        out.println("            ./tollgate policy set greedy-1 --capacity 50 --refill-rate 5");
        if (app != null) out.println("            ./tollgate bucket show greedy-1");
        out.println(EnvFile.write(dir.path(), environment()));
        out.println();
        out.println(ready);
        out.flush();
    }

    private static void printUsers(PrintStream out, String address, Security users) {
        out.println("            kafka-console-consumer.sh --bootstrap-server " + address
                + " --isolation-level read_committed --group auditors-1 --from-beginning --topic "
                + SandboxTopics.REJECTED
                + " --consumer.config "
                + EnvFile.word(users.dir().resolve(Security.AUDITORS + ".properties")));
        out.println("  Users     " + String.join(", ", Security.USERS) + ": " + users.dir()
                + "/USER.properties, and USER.kcat for librdkafka");
    }
}
