package io.tollgate.route;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DecimalTest {
    @ParameterizedTest
    @CsvSource({
        "1e-7, 0.0000001",
        "1.5e-7, 0.00000015",
        "0.001, 0.001",
        "0.0, 0",
        "-0.5, -0.5",
        "10, 10",
        "1e12, 1000000000000",
        "1e15, 1000000000000000",
        "1.2345678e20, 123456780000000000000"
    })
    void isPlainAndShort(double number, String text) {
        assertThat(Decimal.text(number)).isEqualTo(text);
    }
}
