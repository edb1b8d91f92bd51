package io.tollgate.http;

import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.server.ServerConnector;

/**
 * Closes a connection whose first request has not arrived in whole after some seconds. The idle timeout alone does not:
 * each single byte restarts it. Thread-safe.
 */
final class SlowHeaders implements Connection.Listener {
    private static final int SECONDS = 10;

    private final ServerConnector connector;

    SlowHeaders(ServerConnector connector) {
        this.connector = connector;
    }

    @Override
    public void onOpened(Connection connection) {
        connector.getScheduler().schedule(() -> closeIfSilent(connection), SECONDS, TimeUnit.SECONDS);
    }

    private static void closeIfSilent(Connection connection) {
        if (connection.getMessagesIn() == 0) connection.getEndPoint().close();
    }
}
