package io.tollgate.sandbox.process;

import static org.apache.kafka.common.acl.AclOperation.CREATE;
import static org.apache.kafka.common.acl.AclOperation.DELETE;
import static org.apache.kafka.common.acl.AclOperation.DESCRIBE_CONFIGS;
import static org.apache.kafka.common.acl.AclOperation.READ;
import static org.apache.kafka.common.acl.AclOperation.WRITE;
import static org.apache.kafka.common.resource.PatternType.LITERAL;
import static org.apache.kafka.common.resource.PatternType.PREFIXED;
import static org.apache.kafka.common.resource.ResourceType.GROUP;
import static org.apache.kafka.common.resource.ResourceType.TOPIC;
import static org.apache.kafka.common.resource.ResourceType.TRANSACTIONAL_ID;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** The least rights of each user on a secured broker. docs/security.md lists them as commands; a test compares both. */
public final class Rights {
    /** The ACL rule of Redis after name and password. */
    public static final String REDIS =
            "resetkeys ~quota:* resetchannels -@all +evalsha +script|load +hmget +hset +expire +persist +time +info";

    private static final int SCRAM_ITERATIONS = 4096;

    private Rights() {}

    /** Returns the rights of the pipeline, with its default names. */
    public static List<AclBinding> application() {
        var user = Security.APPLICATION;
        var internal = Security.APPLICATION + "-"; // the default application id
        var rights = new ArrayList<AclBinding>();
        for (var topic : List.of(SandboxTopics.REQUESTS, SandboxTopics.POLICIES, SandboxTopics.USAGE)) {
            rights.add(allow(user, READ, TOPIC, topic, LITERAL));
        }
        for (var topic : List.of(SandboxTopics.APPROVED, SandboxTopics.REJECTED, SandboxTopics.SETTLED)) {
            rights.add(allow(user, WRITE, TOPIC, topic, LITERAL));
            rights.add(allow(user, DESCRIBE_CONFIGS, TOPIC, topic, LITERAL));
        }
        rights.add(allow(user, WRITE, TOPIC, SandboxTopics.EVENTS, LITERAL));
        for (var operation : List.of(READ, WRITE, CREATE, DELETE)) {
            rights.add(allow(user, operation, TOPIC, internal, PREFIXED));
        }
        rights.add(allow(user, READ, GROUP, user, LITERAL));
        rights.add(allow(user, WRITE, TRANSACTIONAL_ID, internal, PREFIXED));
        return rights;
    }

    private static List<AclBinding> others() {
        var rights = new ArrayList<AclBinding>();
        for (var topic : SandboxTopics.ALL) rights.add(allow(Security.AUDITORS, READ, TOPIC, topic, LITERAL));
        rights.add(allow(Security.AUDITORS, READ, GROUP, Security.AUDITORS, PREFIXED));
        rights.add(allow(Security.AGENTS, WRITE, TOPIC, SandboxTopics.REQUESTS, LITERAL));
        rights.add(allow(Security.WORKERS, READ, TOPIC, SandboxTopics.APPROVED, LITERAL));
        rights.add(allow(Security.WORKERS, WRITE, TOPIC, SandboxTopics.USAGE, LITERAL));
        rights.add(allow(Security.WORKERS, READ, GROUP, Security.WORKERS, PREFIXED));
        return rights;
    }

    private static AclBinding allow(
            String user, AclOperation operation, ResourceType type, String name, PatternType pattern) {
        return new AclBinding(
                new ResourcePattern(type, name, pattern),
                new AccessControlEntry("User:" + user, "*", operation, AclPermissionType.ALLOW));
    }

    /** Gives every user its password and its rights; keeps existing ones. */
    static void grant(Admin admin, Security security) throws InterruptedException, ExecutionException {
        var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS);
        var logins = Security.USERS.stream()
                .<UserScramCredentialAlteration>map(
                        user -> new UserScramCredentialUpsertion(user, info, security.password(user)))
                .toList();
        admin.alterUserScramCredentials(logins).all().get();
        admin.createAcls(
                        Stream.concat(application().stream(), others().stream()).toList())
                .all()
                .get();
    }

    /** Returns a client's properties with the address. */
    static Map<String, Object> at(String bootstrapServers, Map<String, String> properties) {
        var all = new java.util.HashMap<String, Object>(properties);
        all.put("bootstrap.servers", bootstrapServers);
        return all;
    }
}
