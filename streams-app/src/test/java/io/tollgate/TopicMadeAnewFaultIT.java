package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Topics that are deleted and created again later, internal ones, and while no pipeline runs. */
@Tag("faults")
class TopicMadeAnewFaultIT {
    private static final Duration AWAY = Duration.ofSeconds(10);
    private static final Duration SOON = Duration.ofSeconds(60);

    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void requestsTopicIsAwayForAWhile(String guarantee) throws Exception {
        try (var scenario = new TopicMadeAnewScenario(guarantee);
                var application = scenario.cluster.start()) {
            scenario.decideBefore(application);

            scenario.delete(scenario.cluster.requestsTopic());
            await("not ready").atMost(SOON).until(() -> !application.isReady());
            await("away").pollDelay(AWAY).atMost(SOON).until(() -> true);
            assertThat(application.output()).contains("does not exist any more").doesNotContain("\tat ");
            scenario.create(scenario.cluster.requestsTopic());
            scenario.publishAfter();

            scenario.eachIsDecidedOnce(application);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void strayTopicIsMadeAnew(String guarantee) throws Exception {
        try (var scenario = new TopicMadeAnewScenario(guarantee);
                var application = scenario.cluster.start()) {
            var strays = scenario.cluster.settings().streams().applicationId() + "-rekeyed-repartition";
            scenario.decideBefore(application);

            scenario.delete(strays);
            await("created by Kafka Streams").atMost(SOON).until(() -> scenario.exists(strays));
            await("ready").atMost(SOON).until(application::isReady);
            scenario.publishAfter();

            scenario.eachIsDecidedOnce(application);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void nothingRunsMeanwhile(String guarantee) throws Exception {
        try (var scenario = new TopicMadeAnewScenario(guarantee)) {
            try (var application = scenario.cluster.start()) {
                scenario.decideBefore(application);
            }

            scenario.delete(scenario.cluster.requestsTopic());
            scenario.create(scenario.cluster.requestsTopic());
            scenario.publishAfter();

            try (var application = scenario.cluster.start()) {
                scenario.eachIsDecidedOnce(application);
            }
        }
    }
}
