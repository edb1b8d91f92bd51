package io.tollgate.benchmarks.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GivenVerdictsTest {
    @Test
    void areReadAsWritten(@TempDir Path dir) {
        var second = new BitSet();
        second.set(3);
        second.set(1000);
        new GivenVerdicts(List.of(new BitSet(), second)).write(dir.resolve("verdicts"));

        var read = GivenVerdicts.read(dir.resolve("verdicts"));

        assertThat(read.approves(0, 3)).isFalse();
        assertThat(read.approves(1, 3)).isTrue();
        assertThat(read.approves(1, 4)).isFalse();
        assertThat(read.approves(1, 1000)).isTrue();
        assertThat(read.approves(1, 5_000_000)).isFalse();
    }
}
