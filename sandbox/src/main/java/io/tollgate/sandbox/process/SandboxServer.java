package io.tollgate.sandbox.process;

import java.util.function.Function;
import java.util.regex.Pattern;

/** A server of the sandbox, which can be started again. */
public abstract class SandboxServer extends SandboxProcess {
    private static final Pattern PORT_TAKEN = Pattern.compile("BindException|Address already in use");
    private static final int ATTEMPTS = 3;

    SandboxServer(ServerHome home) {
        super(home);
    }

    abstract ChildProcess launch();

    /** Returns when the launched process answers. */
    abstract void awaitReady();

    /**
     * Starts a server and returns when it answers. Another process may take a free port in the meantime: then it tries
     * another one.
     *
     * @param launched launches the server in this folder
     * @throws IllegalStateException if it does not answer, with the end of its log
     */
    static <S extends SandboxServer> S start(
            String name, StartOptions<?> options, String folder, Function<ServerHome, S> launched) {
        if (options.port != 0 && !FreePorts.isFree(options.port)) {
            throw new IllegalStateException(
                    name + " cannot listen on 127.0.0.1:" + options.port + ": the port is in use");
        }
        ServerHome home = ServerHome.of(options.dir, folder);
        for (int attempt = 1; ; attempt++) {
            try {
                return answering(launched.apply(home));
            } catch (RuntimeException e) {
                boolean portTaken =
                        PORT_TAKEN.matcher(String.valueOf(e.getMessage())).find();
                if (portTaken && attempt < ATTEMPTS) continue;
                home.discard();
                throw e;
            }
        }
    }

    private static <S extends SandboxServer> S answering(S server) {
        try {
            server.awaitReady();
            return server;
        } catch (RuntimeException e) {
            server.process().close();
            throw e;
        }
    }

    /**
     * Starts the server again on the same port and folder, after an orderly stop if it still runs, and returns when it
     * answers.
     */
    public void restart() {
        stop(GRACE);
        runs(launch());
        awaitReady();
    }
}
