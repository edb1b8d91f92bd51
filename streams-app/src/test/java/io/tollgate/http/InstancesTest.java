package io.tollgate.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Addresses are what other instances say of themselves. */
class InstancesTest {
    @ParameterizedTest
    @ValueSource(strings = {"tollgate_2:8080", "a b:8080", "a..b:8080", ":8080", "", "[::1:8080", "%:1"})
    void invalidAddressIsUnreachable(String address) {
        assertThat(Instances.uri(address, "/api/status")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"tollgate-2:8080", "10.0.0.1:80", "[::1]:8080", "[fe80::1%eth0]:8080"})
    void otherAddressesAreAsked(String address) {
        assertThat(Instances.uri(address, "/api/status?history=true"))
                .hasValueSatisfying(
                        uri -> assertThat(uri).hasToString("http://" + address + "/api/status?history=true"));
    }
}
