package io.tollgate.client;

import static java.lang.invoke.MethodType.methodType;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.tollgate.sandbox.process.FreePorts;
import java.io.File;
import java.lang.invoke.MethodHandles;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A class path without a class that this library was compiled with. */
class MissingClassTest {
    private final ClassLoader before = Thread.currentThread().getContextClassLoader();

    @AfterEach
    void putBack() {
        Thread.currentThread().setContextClassLoader(before);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"io.lettuce.core.codec.ByteArrayCodec", "io.lettuce.core.ScriptOutputType", "io.netty.util.Timer"
            })
    void missingClassEndsTheStart(String missing) {
        var failure = catchThrowable(() -> build(missing).close());

        assertThat(failure).isNotNull();
        assertThat(failure).hasStackTraceContaining(missing.substring(missing.lastIndexOf('.') + 1));
    }

    @Test
    void missingClassIsNamedWithTheRemedy() {
        var failure = catchThrowable(
                () -> build("io.lettuce.core.codec.ByteArrayCodec").close());

        assertThat(failure)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Lettuce 6.6 or newer")
                .hasMessageContaining("ByteArrayCodec");
    }

    @Test
    void micrometerIsOptional() throws Throwable {
        try (var quota = build("io.micrometer.core.instrument.MeterRegistry")) {
            assertThat(quota.getClass()
                            .getMethod("tryAcquire", String.class, double.class)
                            .invoke(quota, "a", 1.0))
                    .isEqualTo(true);
            var status = quota.getClass().getMethod("status").invoke(quota);
            assertThat(status.toString()).contains("Connection refused");
        }
    }

    /** Returns a manager with its own classes, and an address without Redis. */
    private static AutoCloseable build(String missing) throws Throwable {
        var loader = new Without(missing);
        Thread.currentThread().setContextClassLoader(loader); // as an application that is loaded so has it
        var manager = loader.loadClass(ResourceQuotaManager.class.getName());
        var limit = loader.loadClass("io.tollgate.bucket.Limit")
                .getConstructor(double.class, double.class)
                .newInstance(10.0, 1.0);
        var type = loader.loadClass(ResourceQuotaManager.Builder.class.getName());
        // By handles, as compiled code links: reflection would look for the types of every method.
        var lookup = MethodHandles.publicLookup();
        Object builder = lookup.findStatic(manager, "builder", methodType(type)).invoke();
        lookup.findVirtual(type, "redis", methodType(type, String.class))
                .invoke(builder, "redis://127.0.0.1:" + FreePorts.next());
        lookup.findVirtual(type, "limit", methodType(type, limit.getClass())).invoke(builder, limit);
        return (AutoCloseable)
                lookup.findVirtual(type, "build", methodType(manager)).invoke(builder);
    }

    private static final class Without extends URLClassLoader {
        private final String missing;

        Without(String missing) {
            super(classPath(), ClassLoader.getPlatformClassLoader());
            this.missing = missing;
        }

        private static URL[] classPath() {
            return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(entry -> {
                        try {
                            return new File(entry).toURI().toURL();
                        } catch (MalformedURLException e) {
                            throw new IllegalStateException(e);
                        }
                    })
                    .toArray(URL[]::new);
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            if (name.equals(missing)) throw new ClassNotFoundException(name);
            return super.findClass(name);
        }
    }
}
