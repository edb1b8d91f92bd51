package io.tollgate;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Somebody deletes the topic of requests and creates it again, at once, while the pipeline runs. */
class TopicMadeAnewIT {
    @ParameterizedTest
    @ValueSource(strings = {"exactly_once_v2", "at_least_once"})
    void eachNewRequestIsDecidedOnce(String guarantee) throws Exception {
        try (var scenario = new TopicMadeAnewScenario(guarantee);
                var application = scenario.cluster.start()) {
            scenario.decideBefore(application);

            scenario.delete(scenario.cluster.requestsTopic());
            scenario.create(scenario.cluster.requestsTopic());
            scenario.publishAfter();

            scenario.eachIsDecidedOnce(application);
        }
    }
}
