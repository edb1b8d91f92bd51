package io.tollgate;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/** Folders are the architecture: a package imports only packages before it in the flow. */
class PackageOrderTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .withImportOption(location -> !location.contains("/sandbox/"))
            .importPackages("io.tollgate");

    /** Shared ground, then the library's ways to a bucket. */
    private static final List<String> GROUND =
            List.of("bucket", "env", "redis", "failover", "config", "metrics", "kafka");

    private static final List<String> FLOW = List.of("mirror", "ingest", "policy", "quota", "route", "events");

    /** The classes of two stages, in an order in which each uses only those before it. */
    private static final List<String> MIRROR = List.of(
            "TaskTopics",
            "TaskSources",
            "BucketCopy",
            "ProcessedOffsets",
            "TaskOffsets",
            "BucketStore",
            "Hold",
            "OpenHolds");

    private static final List<String> QUOTA = List.of(
            "TaskTime",
            "CallLimits",
            "RecentDecision",
            "ShadowScore",
            "Throttled",
            "RemainingQuota",
            "Settled",
            "TaskOutput",
            "DecisionSpans",
            "Settled",
            "AgentView",
            "TaskMailbox",
            "RedisCall",
            "CallsUnderWay",
            "PendingDecision",
            "RefusedUnasked",
            "UnansweredSettlements",
            "CopyToSend",
            "SettledBuckets",
            "AgentState",
            "LastDecisions",
            "AgentQueue",
            "AgentCache",
            "TaskActivity",
            "RedisGateway",
            "QuotaContext",
            "UntoldBuckets",
            "AgentQueries",
            "SendQueue",
            "TaskDecider",
            "TaskHolds",
            "TaskTimer",
            "Task",
            "RunningTasks",
            "AgentInspector",
            "DecideRequests",
            "Prefetch");

    /** They look at the flow from outside. */
    private static final List<String> BESIDE = List.of("history", "http", "verify", "preflight", "cli", "pipeline");

    @Test
    void packagesImportOnlyEarlierOnes() {
        for (int stage = 0; stage < FLOW.size(); stage++) {
            var before = new ArrayList<>(GROUND);
            before.addAll(FLOW.subList(0, stage + 1));
            importsOnly(FLOW.get(stage), before);
        }
    }

    @Test
    void classesUseOnlyEarlierStages() {
        usesOnlyThoseBefore("mirror", MIRROR);
        usesOnlyThoseBefore("quota", QUOTA);
    }

    @Test
    void groundKnowsNoStage() {
        for (String ground : GROUND) importsOnly(ground, GROUND);
        importsOnly("bucket", List.of("bucket"));
        importsOnly("config", List.of("bucket", "env", "config"));
        importsOnly("metrics", List.of("bucket", "metrics"));
        importsOnly("kafka", List.of("kafka"));
    }

    @Test
    void checkerImportsNothingOfOurs() {
        importsOnly("verify", List.of("verify"));
    }

    @Test
    void noStageDependsOnHttp() {
        for (String beside : BESIDE) {
            noClasses()
                    .that()
                    .resideInAnyPackage(Stream.concat(GROUND.stream(), FLOW.stream())
                            .map(PackageOrderTest::root)
                            .toArray(String[]::new))
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage(root(beside))
                    .check(CLASSES);
        }
    }

    @Test
    void nobodyImportsTheEntry() {
        importsNobodyBut("io.tollgate", "io.tollgate");
    }

    @Test
    void onlyTheEntryImportsThePipeline() {
        importsNobodyBut(root("pipeline"), "io.tollgate", root("pipeline"));
    }

    @Test
    void packagesHaveNoCycle() {
        slices().matching("io.tollgate.(*)..").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void everyPackageIsNullMarked() {
        var known = Stream.of(GROUND, FLOW, BESIDE, List.of("client"))
                .flatMap(List::stream)
                .map(PackageOrderTest::root)
                .toList();
        for (JavaPackage found : packages()) {
            assertThat(found.isAnnotatedWith(NullMarked.class))
                    .as(found.getName() + " has a package-info.java with @NullMarked")
                    .isTrue();
            if (!found.getName().equals("io.tollgate")) {
                assertThat(known)
                        .as("a new package gets its place in this test first")
                        .contains(found.getName());
            }
        }
    }

    @Test
    void packagesAreNamedAfterStages() {
        assertThat(packages())
                .extracting(JavaPackage::getName)
                .noneMatch(name -> name.matches(
                        ".*\\b(util|utils|common|core|impl|base|helper|helpers|manager|managers|misc)\\b.*"));
    }

    @Test
    void onlyTheEntryReadsTheEnvironment() {
        noClasses()
                .that()
                .doNotBelongToAnyOf(Tollgate.class)
                .and()
                .resideOutsideOfPackage(root("client")) // a library's entry of its own
                .should()
                .callMethod(System.class, "getenv")
                .orShould()
                .callMethod(System.class, "getenv", String.class)
                .check(CLASSES);
    }

    private static void usesOnlyThoseBefore(String stage, List<String> order) {
        var ofStage = CLASSES.that(JavaClass.Predicates.resideInAPackage(root(stage)));
        assertThat(ofStage)
                .extracting(PackageOrderTest::topLevel)
                .filteredOn(name -> !name.equals("package-info"))
                .as("a new class gets its place in this test first")
                .containsOnly(order.toArray(String[]::new));
        for (var user : ofStage) {
            for (var used : user.getDirectDependenciesFromSelf()) {
                if (!used.getTargetClass().getPackageName().equals(root(stage))) continue;
                assertThat(order.indexOf(topLevel(used.getTargetClass())))
                        .as(used.getDescription())
                        .isLessThanOrEqualTo(order.indexOf(topLevel(user)));
            }
        }
    }

    private static String topLevel(JavaClass type) {
        return type.getName().substring(type.getPackageName().length() + 1).replaceAll("\\$.*", "");
    }

    private static void importsOnly(String importing, List<String> allowed) {
        var foreign = "io.tollgate";
        var packages = Stream.concat(allowed.stream(), Stream.of(importing))
                .map(PackageOrderTest::root)
                .toArray(String[]::new);
        classes()
                .that()
                .resideInAPackage(root(importing))
                .should()
                .onlyDependOnClassesThat(JavaClass.Predicates.resideOutsideOfPackage(foreign + "..")
                        .or(JavaClass.Predicates.resideInAnyPackage(packages)))
                .check(CLASSES);
    }

    private static void importsNobodyBut(String imported, String... importing) {
        noClasses()
                .that()
                .resideOutsideOfPackages(importing)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(imported)
                .check(CLASSES);
    }

    private static String root(String name) {
        return "io.tollgate." + name;
    }

    private static List<JavaPackage> packages() {
        return CLASSES.stream().map(JavaClass::getPackage).distinct().toList();
    }
}
