package io.tollgate;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The requests topic is deleted and created again at once, while the pipeline runs. */
class TopicMadeAnewIT {
    @Test
    void newRequestsAreDecidedOnce() throws Exception {
        newRequestsAreDecidedOnce("exactly_once_v2");
    }

    @Tag("faults")
    @Test
    void newRequestsAreDecidedOnce_atLeastOnce() throws Exception {
        newRequestsAreDecidedOnce("at_least_once");
    }

    private static void newRequestsAreDecidedOnce(String guarantee) throws Exception {
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
