package io.tollgate.benchmarks;

import static java.util.stream.Collectors.groupingBy;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** One meaning, one name. Stands here because this module sees all others. */
class TypeNamesTest {
    @Test
    void standOnceInAllModules() {
        ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
        var types = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(location -> !location.contains("jmh_generated"))
                .importPackages("io.tollgate");

        var twice = types.stream()
                .filter(type -> !type.isAnonymousClass()
                        && !type.isLocalClass()
                        && !type.getModifiers().contains(JavaModifier.PRIVATE)
                        && !type.getSimpleName().equals("package-info"))
                .collect(groupingBy(JavaClass::getSimpleName));
        twice.values().removeIf(same -> same.size() == 1);

        assertThat(types.getPackage("io.tollgate").getSubpackages())
                .extracting(each -> each.getRelativeName())
                .containsAll(List.of("bucket", "quota", "sandbox", "simulator", "verify"));
        assertThat(twice).isEmpty();
    }
}
