package io.tollgate.release;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.tollgate.config.Settings;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The resources for those without Helm, against the application and the image. */
class KubernetesIT {
    private static final String DIR = "deploy/kubernetes";

    static List<String> resources() {
        return RepositoryFiles.namesIn(DIR).stream()
                .filter(file -> !file.equals("kustomization.yaml"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("resources")
    void everyFieldIsKnownAndFits(String file) throws Exception {
        var resource = KubernetesApi.read(RepositoryFiles.yaml(DIR + "/" + file));

        assertThat(resource.getMetadata().getName()).isEqualTo("tollgate");
    }

    @Test
    void misspeltFieldIsFound() {
        var misspelt = RepositoryFiles.yaml(DIR + "/stateful-set.yaml");
        var container = (ObjectNode) misspelt.at("/spec/template/spec/containers/0");
        container.set("readynessProbe", container.remove("readinessProbe"));
        assertThatThrownBy(() -> KubernetesApi.read(misspelt)).isInstanceOf(UnrecognizedPropertyException.class);

        var mistyped = RepositoryFiles.yaml(DIR + "/stateful-set.yaml");
        ((ObjectNode) mistyped.get("spec")).put("replicas", "three");
        assertThatThrownBy(() -> KubernetesApi.read(mistyped)).isInstanceOf(JsonProcessingException.class);
    }

    @Test
    void kustomizationListsEveryResource() {
        var listed = RepositoryFiles.yaml(DIR + "/kustomization.yaml")
                .get("resources")
                .valueStream();
        var needsNoOperator = resources().stream()
                .filter(file ->
                        !List.of("service-monitor.yaml", "prometheus-rule.yaml").contains(file))
                .toList();

        assertThat(listed.map(JsonNode::asText)).containsExactlyInAnyOrderElementsOf(needsNoOperator);
    }

    @Test
    void serviceLinksSetNoVariables() throws Exception {
        assertThat(pod().getEnableServiceLinks()).isFalse();
    }

    @Test
    void initContainerLeavesTheVolumeEmpty() throws Exception {
        var container = pod().getInitContainers().get(0);
        var entryPoint = RepositoryFiles.entryPoint();

        assertThat(container.getCommand()).first().isEqualTo(entryPoint.get(0));
        assertThat(container.getCommand())
                .containsSequence(entryPoint.subList(entryPoint.indexOf("-jar"), entryPoint.size()))
                .noneMatch(option -> option.contains("SharedArchive"));
        assertThat(container.getVolumeMounts())
                .noneMatch(mount -> mount.getMountPath().startsWith("/var/lib/tollgate"));
        assertThat(container.getArgs()).startsWith("topics", "create");
    }

    @Test
    void pipelineUsesTheImagesEntryPoint() throws Exception {
        var container = pod().getContainers().get(0);

        assertThat(container.getCommand()).isEmpty();
        assertThat(container.getArgs()).containsExactly("run");
    }

    @Test
    void kustomizationReplacesEveryImage() throws Exception {
        var replaced =
                RepositoryFiles.yaml(DIR + "/kustomization.yaml").at("/images").findValuesAsText("name");
        var pod = pod();

        assertThat(Stream.concat(pod.getInitContainers().stream(), pod.getContainers().stream())
                        .map(Container::getImage))
                .hasSize(2)
                .allMatch(replaced::contains);
    }

    @Test
    void everythingPodsNameIsThere() throws Exception {
        var pod = pod();
        var service = (Service) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/service.yaml"));
        var set = (StatefulSet) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/stateful-set.yaml"));
        var config = KubernetesApi.read(RepositoryFiles.yaml(DIR + "/config.yaml"))
                .getMetadata()
                .getName();
        var secret = KubernetesApi.read(RepositoryFiles.yaml(DIR + "/secret.yaml"))
                .getMetadata()
                .getName();
        var volumes = Stream.concat(
                        pod.getVolumes().stream().map(Volume::getName),
                        set.getSpec().getVolumeClaimTemplates().stream()
                                .map(claim -> claim.getMetadata().getName()))
                .toList();

        assertThat(set.getSpec().getServiceName())
                .isEqualTo(service.getMetadata().getName());
        assertThat(service.getSpec().getSelector())
                .isEqualTo(set.getSpec().getSelector().getMatchLabels())
                .isEqualTo(set.getSpec().getTemplate().getMetadata().getLabels());
        for (var container :
                List.of(pod.getInitContainers().get(0), pod.getContainers().get(0))) {
            assertThat(container.getEnvFrom().get(0).getConfigMapRef().getName())
                    .isEqualTo(config);
            assertThat(container.getEnvFrom().get(1).getSecretRef().getName()).isEqualTo(secret);
            assertThat(container.getVolumeMounts()).allMatch(mount -> volumes.contains(mount.getName()));
        }
        assertThat(pod.getContainers().get(0).getPorts())
                .extracting(ContainerPort::getName)
                .contains(service.getSpec().getPorts().get(0).getTargetPort().getStrVal());
    }

    private static PodSpec pod() throws Exception {
        return ((StatefulSet) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/stateful-set.yaml")))
                .getSpec()
                .getTemplate()
                .getSpec();
    }

    @Test
    void applicationKnowsEverySetting(@TempDir Path dir) throws Exception {
        var environment = new HashMap<String, String>(Map.of("TOLLGATE_STATE_DIR", dir.toString()));
        environment.putAll(((ConfigMap) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/config.yaml"))).getData());
        environment.putAll(((Secret) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/secret.yaml"))).getStringData());

        var settings = Settings.from(environment, Settings.Use.PIPELINE);

        assertThat(settings.kafka().ignored()).isEmpty();
        assertThat(settings.redis().uri()).isPresent();
    }

    @Test
    void podsOutliveThePipelinesClosing() throws Exception {
        var pod = ((StatefulSet) KubernetesApi.read(RepositoryFiles.yaml(DIR + "/stateful-set.yaml")))
                .getSpec()
                .getTemplate()
                .getSpec();
        var container = pod.getContainers().get(0);

        assertThat(pod.getTerminationGracePeriodSeconds()).isGreaterThan(2 * 15);
        assertThat(pod.getSecurityContext().getRunAsNonRoot()).isTrue();
        assertThat(container.getSecurityContext().getReadOnlyRootFilesystem()).isTrue();
        assertThat(container.getReadinessProbe().getHttpGet().getPath()).isEqualTo("/health/ready");
        assertThat(container.getLivenessProbe().getHttpGet().getPath()).isEqualTo("/health/live");
        assertThat(container.getVolumeMounts())
                .as("the image's state folder")
                .anyMatch(mount -> RepositoryFiles.text("Dockerfile")
                        .contains("TOLLGATE_STATE_DIR=" + mount.getMountPath() + "/"));
    }
}
