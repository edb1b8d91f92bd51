package io.tollgate.sandbox.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FaultProxyTest {
    private final List<String> received = new CopyOnWriteArrayList<>();
    private ServerSocket echo;
    private Thread acceptor;
    private FaultProxy proxy;

    @BeforeEach
    void start() throws IOException {
        echo = new ServerSocket(0, 10, FreePorts.loopback());
        acceptor = daemon(() -> {
            while (true) {
                Socket socket = echo.accept();
                daemon(() -> echo(socket));
            }
        });
        proxy = FaultProxy.to(echo.getLocalPort());
    }

    @AfterEach
    void stop() throws IOException {
        proxy.close();
        echo.close();
    }

    @Test
    void passForwards() throws IOException {
        try (var client = new Client()) {
            assertThat(client.ask("a")).isEqualTo("a");
            assertThat(client.ask("b")).isEqualTo("b");
        }
    }

    @Test
    void delaysDoNotAddUp() throws IOException {
        try (var client = new Client()) {
            client.ask("warm");
            proxy.delay(Duration.ofMillis(400));

            long start = System.nanoTime();
            for (int i = 0; i < 10; i++) {
                String line = "r" + i;
                client.send(line);
                await().pollInterval(Duration.ofMillis(2)).until(() -> received.contains(line));
            }
            assertThat(client.read()).isEqualTo("r0");
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isGreaterThanOrEqualTo(Duration.ofMillis(400));
            for (int i = 1; i < 10; i++) assertThat(client.read()).isEqualTo("r" + i);

            // Added up it would be four seconds.
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(3));
        }
    }

    @Test
    void blackHoleSwallowsThenCuts() throws IOException {
        try (var client = new Client();
                var second = new Client()) {
            client.ask("before");
            proxy.blackHole();
            client.send("lost");
            client.socket.setSoTimeout(300);
            assertThatThrownBy(client::read).isInstanceOf(SocketTimeoutException.class);
            assertThat(received).containsExactly("before");

            proxy.pass();

            client.socket.setSoTimeout(5000);
            assertThat(client.isCut()).isTrue();
            assertThat(second.ask("untouched")).isEqualTo("untouched");
        }
    }

    @Test
    void refusesUntilPass() throws IOException {
        try (var client = new Client()) {
            client.ask("before");
            proxy.refuse();

            assertThat(client.isCut()).isTrue();
            assertThatThrownBy(Client::new).isInstanceOf(ConnectException.class);

            proxy.pass();
            try (var again = new Client()) {
                assertThat(again.ask("after")).isEqualTo("after");
            }
        }
    }

    @Test
    void cutAfterForwardLosesTheReply() throws IOException {
        try (var client = new Client()) {
            client.ask("before");
            proxy.cutAfterForward();
            client.send("charged");

            assertThat(client.isCut()).isTrue();
            assertThat(received).containsExactly("before", "charged");
            assertThat(proxy.lostReplies()).isEqualTo(1);
        }
        try (var client = new Client()) {
            assertThat(client.ask("after")).isEqualTo("after");
        }
    }

    @Test
    void goneServerCutsTheClient() throws IOException, InterruptedException {
        echo.close();
        acceptor.join(5000); // until it has left accept, it may still serve one more client
        assertThat(acceptor.isAlive()).isFalse();

        try (var client = new Client()) {
            assertThat(client.isCut()).isTrue();
        }
    }

    private void echo(Socket socket) throws IOException {
        try (socket) {
            var reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                received.add(line);
                socket.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static Thread daemon(Work work) {
        var thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                // The end of the test.
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private final class Client implements AutoCloseable {
        final Socket socket = new Socket(FreePorts.loopback(), proxy.port());
        private final BufferedReader reader =
                new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));

        Client() throws IOException {
            socket.setSoTimeout(5000);
        }

        void send(String line) throws IOException {
            socket.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
        }

        String read() throws IOException {
            return reader.readLine();
        }

        String ask(String line) throws IOException {
            send(line);
            return read();
        }

        /** An orderly end and a reset are both a cut; a time-out is none. */
        boolean isCut() throws IOException {
            try {
                return reader.readLine() == null;
            } catch (SocketTimeoutException e) {
                throw e;
            } catch (IOException reset) {
                return true;
            }
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
