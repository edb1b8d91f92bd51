package io.tollgate.sandbox.process;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;

/** Stands for the application where only its process matters: answers 503 once, then 200, and shows its settings. */
public final class FakeApplication {
    private FakeApplication() {}

    public static void main(String[] args) throws IOException {
        System.out.println("arguments " + List.of(args));
        System.getenv().keySet().stream().sorted().forEach(System.out::println);
        if (List.of(args).contains("fail")) System.exit(3);
        int[] calls = {0};
        HttpServer server = HttpServer.create(
                new InetSocketAddress(FreePorts.loopback(), Integer.parseInt(System.getenv("TOLLGATE_HTTP_PORT"))), 0);
        server.createContext("/health/ready", exchange -> {
            exchange.sendResponseHeaders(calls[0]++ == 0 ? 503 : 200, -1);
            exchange.close();
        });
        server.start();
    }
}
