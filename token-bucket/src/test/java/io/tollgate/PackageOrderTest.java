package io.tollgate;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import io.tollgate.bucket.Bucket;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PackageOrderTest {
    private static final List<String> FLOW = List.of("bucket", "env", "redis", "failover", "client");

    private static final JavaClasses MAIN = new ClassFileImporter()
            .importUrl(Bucket.class.getProtectionDomain().getCodeSource().getLocation());

    @Test
    void packagesImportOnlyEarlierOnes() {
        for (int i = 0; i < FLOW.size(); i++) {
            var later = FLOW.subList(i + 1, FLOW.size()).stream()
                    .map(name -> "io.tollgate." + name + "..")
                    .toArray(String[]::new);
            if (later.length == 0) break;
            noClasses()
                    .that()
                    .resideInAPackage("io.tollgate." + FLOW.get(i) + "..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(later)
                    .check(MAIN);
        }
    }

    @Test
    void everyPackageIsInTheOrder() {
        var packages = MAIN.stream().map(type -> type.getPackageName()).distinct();

        assertThat(packages)
                .containsExactlyInAnyOrderElementsOf(Stream.of("bucket", "env", "redis", "failover", "client")
                        .map(name -> "io.tollgate." + name)
                        .toList());
    }

    @Test
    void packagesHaveNoCycle() {
        slices().matching("io.tollgate.(*)..").should().beFreeOfCycles().check(MAIN);
    }

    @Test
    void classesOfAPackageHaveNoCycle() {
        for (var name : List.of("bucket", "redis")) {
            slices().assignedFrom(new ByTopLevelClass("io.tollgate." + name))
                    .should()
                    .beFreeOfCycles()
                    .check(MAIN);
        }
    }

    private record ByTopLevelClass(String packageName) implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return type.getPackageName().equals(packageName)
                    ? SliceIdentifier.of(type.getName().replaceAll("\\$.*", ""))
                    : SliceIdentifier.ignore();
        }

        @Override
        public String getDescription() {
            return "classes of " + packageName;
        }
    }

    @Test
    void libraryDoesNotImportKafka() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.kafka..", "kafka..")
                .check(MAIN);
    }
}
