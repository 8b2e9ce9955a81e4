"""What configs/kubernetes renders to: valid by the published schemas, whole, and as guarded as promised."""

import copy
import functools
import itertools
import json
import os
import unittest

import jsonschema
import kubernetes_validate
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule

import manifests
import written_schemas
from manifests import container_of, for_every_variant, matches, named, of_kind, pod_templates

# The oldest with what the manifests use (a pause before a container's end), and the newest known.
KUBERNETES = ["1.30", "1.37"]
# Made by packages from the operators' CRDs; kinds of neither have schemas written here.
MODELS = {"PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule, "ScaledObject": ScaledObject}
# What whoever deploys brings along.
BROUGHT = {"Secret": {"baton-keys", "baton-fleet-tls", "baton-http-tls"},
           "PersistentVolumeClaim": {"baton-model"}}
# Beyond preStop and timeouts.drain: `baton serve` stops its processes in two further stages of
# timeouts.stop, and a worker ends calls within 2 s.
MARGIN_S = 15


def lost_fields(given, kept, path=""):
    """Paths of `given` that did not make it into a model which leaves out what it does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key not in kept:
                yield f"{path}.{key}"
            else:
                yield from lost_fields(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(kept, list):
        for index, (one, other) in enumerate(itertools.zip_longest(given, kept)):
            yield from lost_fields(one, other, f"{path}[{index}]")
    elif given != kept:
        yield path


@functools.lru_cache(maxsize=None)
def validate(version, text):
    """By Kubernetes' own schema an object, as JSON; variants have most of them in common."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


class Objects(unittest.TestCase):
    @for_every_variant
    def test_are_what_the_schemas_say(self, _, objects):
        for object in objects:
            name = f"{object['kind']}/{object['metadata']['name']}"
            if object["kind"] in MODELS:
                model = MODELS[object["kind"]].model_validate(object)
                kept = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
                self.assertEqual(list(lost_fields(object, kept)), [], name)
            elif object["kind"] in written_schemas.SCHEMAS:
                written_schemas.validate(object)
            else:
                for version in KUBERNETES:
                    validate(version, json.dumps(object))
        for name, template, _ in pod_templates(objects):
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            validate(KUBERNETES[-1], json.dumps(pod))

    def test_a_field_that_no_schema_has_is_noticed(self):
        objects = manifests.render("multi-node-rdma", ["monitoring", "keda"])
        service = named(objects, "Service", "baton")
        service["spec"]["clusterip"] = "None"
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(service, KUBERNETES[0], strict=True)
        scaled = named(objects, "ScaledObject", "baton-prefill")
        scaled["spec"]["triggers"][0]["treshold"] = "1"
        kept = ScaledObject.model_validate(scaled).model_dump(by_alias=True, exclude_unset=True)
        self.assertEqual(list(lost_fields(scaled, kept)), [".spec.triggers[0].treshold"])

    def test_a_field_that_no_written_schema_has_is_noticed(self):
        objects = manifests.render("multi-node-rdma", ["gateway"]) + manifests.render("leaderworkerset")
        for kind, change in (("HTTPRoute", lambda spec: spec["rules"][0]["backendRefs"][0].update(prot=1)),
                             ("HTTPRoute", lambda spec: spec["rules"][0]["timeouts"].update(request="0 s")),
                             ("InferencePool", lambda spec: spec["selector"].update(matchExpressions=[])),
                             ("InferencePool", lambda spec: spec["endpointPickerRef"].pop("port")),
                             ("LeaderWorkerSet", lambda spec: spec["leaderWorkerTemplate"].update(sizes=3)),
                             ("LeaderWorkerSet", lambda spec: spec.pop("leaderWorkerTemplate"))):
            object = copy.deepcopy(of_kind(objects, kind)[0])
            written_schemas.validate(object)
            change(object["spec"])
            with self.assertRaises(jsonschema.ValidationError, msg=kind):
                written_schemas.validate(object)

    @for_every_variant
    def test_are_in_the_namespace_of_what_they_select(self, _, objects):
        for object in objects:
            if object["kind"] != "Namespace":
                self.assertEqual(object["metadata"].get("namespace"), "baton",
                                 f"{object['kind']}/{object['metadata']['name']}")

    @for_every_variant
    def test_refer_to_what_is_there(self, _, objects):
        for name, template, _ in pod_templates(objects):
            spec = template["spec"]
            named(objects, "ServiceAccount", spec["serviceAccountName"])
            volumes = {volume["name"]: volume for volume in spec["volumes"]}
            for mount in container_of(template)["volumeMounts"]:
                self.assertIn(mount["name"], volumes, name)
            for volume in volumes.values():
                if "configMap" in volume:
                    named(objects, "ConfigMap", volume["configMap"]["name"])
                elif "secret" in volume:
                    self.assertIn(volume["secret"]["secretName"], BROUGHT["Secret"])
                elif "persistentVolumeClaim" in volume:
                    self.assertIn(volume["persistentVolumeClaim"]["claimName"],
                                  BROUGHT["PersistentVolumeClaim"])
                else:
                    self.assertIn("sizeLimit", volume["emptyDir"], name)
        for binding in of_kind(objects, "RoleBinding"):
            named(objects, "Role", binding["roleRef"]["name"])
            for subject in binding["subjects"]:
                named(objects, "ServiceAccount", subject["name"])
                self.assertEqual(subject["namespace"], "baton")
        for scaled in of_kind(objects, "ScaledObject"):
            target = named(objects, "Deployment", scaled["spec"]["scaleTargetRef"]["name"])
            # Two who set the same number would take turns.
            self.assertNotIn("replicas", target["spec"])

    @for_every_variant
    def test_select_pods(self, _, objects):
        templates = [template for _, template, _ in pod_templates(objects)]

        def selected(selector):
            found = [template for template in templates
                     if matches(selector, template["metadata"]["labels"])]
            self.assertTrue(found, f"{selector} selects no pod")
            return found

        def port_names(template):
            return {port["name"]: port["containerPort"]
                    for port in container_of(template)["ports"]}

        for service in of_kind(objects, "Service"):
            for template in selected({"matchLabels": service["spec"]["selector"]}):
                for port in service["spec"]["ports"]:
                    # A headless service's port is the pod's.
                    self.assertEqual(port_names(template)[port["targetPort"]], port["port"])
        for object in of_kind(objects, "PodDisruptionBudget"):
            selected(object["spec"]["selector"])
        for object in of_kind(objects, "NetworkPolicy"):
            selected(object["spec"]["podSelector"])
        for object in of_kind(objects, "InferencePool"):
            for template in selected(object["spec"]["selector"]):
                for port in object["spec"]["targetPorts"]:
                    self.assertIn(port["number"], port_names(template).values())
        for object in of_kind(objects, "PodMonitor"):
            for template in selected(object["spec"]["selector"]):
                for endpoint in object["spec"]["podMetricsEndpoints"]:
                    self.assertIn(endpoint["port"], port_names(template))
        for deployment in of_kind(objects, "Deployment"):
            spec = deployment["spec"]
            self.assertTrue(matches(spec["selector"], spec["template"]["metadata"]["labels"]))
            for spread in spec["template"]["spec"]["topologySpreadConstraints"]:
                self.assertEqual(spread["labelSelector"], spec["selector"])

    @for_every_variant
    def test_pods_are_restricted(self, _, objects):
        namespace = named(objects, "Namespace", "baton")
        self.assertEqual(
            namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted")
        for name, template, _ in pod_templates(objects):
            spec, container = template["spec"], container_of(template)
            for key in ("hostNetwork", "hostPID", "hostIPC"):
                self.assertNotIn(key, spec, name)
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True, name)
            self.assertEqual(spec["securityContext"]["runAsUser"], 10001, name)
            self.assertEqual(spec["securityContext"]["seccompProfile"],
                             {"type": "RuntimeDefault"}, name)
            self.assertEqual(container["securityContext"],
                             {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                              "capabilities": {"drop": ["ALL"]}}, name)
            self.assertTrue(container["resources"]["requests"], name)
            self.assertIn("memory", container["resources"]["limits"], name)

    @for_every_variant
    def test_pods_have_no_variables_of_services(self, _, objects):
        """Which the executable would take for its own, since a Service is called as it is."""
        for name, template, _ in pod_templates(objects):
            self.assertIs(template["spec"]["enableServiceLinks"], False, name)

    @for_every_variant
    def test_routers_may_look_at_endpoint_slices_and_workers_at_nothing(self, overlay, objects):
        rules = [rule for role in of_kind(objects, "Role") for rule in role["rules"]]
        self.assertEqual(of_kind(objects, "ClusterRole", "ClusterRoleBinding"), [])
        if overlay == "single-node-nvlink":
            self.assertEqual(rules, [])
        else:
            self.assertEqual(rules, [{"apiGroups": ["discovery.k8s.io"],
                                      "resources": ["endpointslices"],
                                      "verbs": ["get", "list", "watch"]}])
        for binding in of_kind(objects, "RoleBinding"):
            self.assertEqual([subject["name"] for subject in binding["subjects"]],
                             ["baton-router"])
        for name, template, _ in pod_templates(objects):
            if template["spec"]["serviceAccountName"] != "baton-router":
                self.assertIs(template["spec"]["automountServiceAccountToken"], False, name)

    @for_every_variant
    def test_pods_get_the_time_that_they_need_to_end(self, _, objects):
        for name, template, _ in pod_templates(objects):
            settings = manifests.settings_of(objects, template)
            sleep = container_of(template).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
            self.assertEqual(
                template["spec"]["terminationGracePeriodSeconds"],
                sleep.get("seconds", 0) + manifests.seconds(settings["timeouts"]["drain"])
                + MARGIN_S, name)
            self.assertGreaterEqual(MARGIN_S,
                                    2 * manifests.seconds(settings["timeouts"]["stop"]) + 2)

    def test_ratio_is_two_numbers_of_one_file(self):
        folder = os.path.join(manifests.KUBERNETES, "overlays")
        for overlay in ("cpu-dev", "multi-node-rdma"):
            with open(os.path.join(folder, overlay, "kustomization.yaml")) as file:
                numbers = {entry["name"]: entry["count"] for entry in yaml.safe_load(file)["replicas"]}
            objects = manifests.render(overlay)
            self.assertEqual(set(numbers), {"baton-prefill", "baton-decode"})
            for name, count in numbers.items():
                self.assertEqual(named(objects, "Deployment", name)["spec"]["replicas"], count)
        objects = manifests.render("single-node-nvlink")
        [(_, template, _)] = pod_templates(objects)
        workers = manifests.settings_of(objects, template)["workers"]
        self.assertEqual(workers["decode"]["device"], f"cuda:{workers['prefill']['count']}")
        self.assertEqual(workers["prefill"]["count"] + workers["decode"]["count"],
                         container_of(template)["resources"]["limits"]["nvidia.com/gpu"])

    def test_groups_are_as_large_as_the_workers_that_they_are(self):
        objects = manifests.render("leaderworkerset")
        templates = {name: template for name, template, _ in pod_templates(objects)}
        for role in ("prefill", "decode"):
            group = named(objects, "LeaderWorkerSet", f"baton-{role}-nodes")["spec"]
            template = templates[f"baton-{role}-nodes-worker"]
            workers = manifests.settings_of(objects, template)["workers"]
            nodes = group["leaderWorkerTemplate"]["size"]
            self.assertEqual(workers[role]["nodes"], nodes)
            self.assertEqual(workers[role]["tensor_parallel"],
                             nodes * container_of(template)["resources"]["limits"]["nvidia.com/gpu"])
            # A leader that waits for its nodes is not ready before they are there.
            self.assertEqual(group["startupPolicy"], "LeaderCreated")
            self.assertEqual(group["leaderWorkerTemplate"]["restartPolicy"], "RecreateGroupOnPodRestart")

    @for_every_variant
    def test_headers_of_gateways_are_followed_from_nobody_unless_told(self, _, objects):
        for name, template, _ in pod_templates(objects):
            settings = manifests.settings_of(objects, template)
            self.assertEqual(settings["router"]["trusted_peers"], [], name)

    @for_every_variant
    def test_configuration_is_whole(self, overlay, objects):
        """Every pod's configuration is taken without a warning, and finds the workers' Services."""
        ports = [(service["metadata"]["name"], port) for service in of_kind(objects, "Service")
                 for port in service["spec"]["ports"] if service["spec"].get("clusterIP") == "None"]
        services = {"dns": {f"{name}.baton.svc:{port['port']}" for name, port in ports},
                    "kubernetes": {f"{name}:{port['name']}" for name, port in ports}}
        for name, template, _ in pod_templates(objects):
            settings = manifests.settings_of(objects, template)
            found = settings["router"]["discovery"]
            if overlay != "single-node-nvlink":
                self.assertEqual(set(found.get("names", []) + found.get("services", [])), services[found["kind"]], name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
