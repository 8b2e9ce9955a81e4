"""The objects that configs/kubernetes renders to, and what their pods would run."""

import copy
import functools
import os
import re
import subprocess
import sys
import tempfile

import yaml

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
KUBERNETES = os.path.join(TREE, "configs/kubernetes")
BATON = os.environ["BATON"]
KUBECTL = os.path.join(os.path.dirname(sys.executable), "kubectl")

OVERLAYS = ["cpu-dev", "leaderworkerset", "multi-node-rdma", "single-node-nvlink"]
# What an overlay may be combined with beyond what it has.
OPTIONAL = {"cpu-dev": ["tls", "monitoring", "tracing", "keda", "gateway", "gateway-workers"],
            "leaderworkerset": ["monitoring", "tracing", "gateway"],
            "multi-node-rdma": ["tls", "monitoring", "tracing", "keda", "gateway", "gateway-workers"],
            "single-node-nvlink": ["tls", "monitoring", "tracing", "gateway"]}
VARIANTS = [(overlay, ()) for overlay in OVERLAYS] + [
    (overlay, tuple(OPTIONAL[overlay])) for overlay in OVERLAYS]


def render(overlay, components=()):
    """The objects of an overlay with further components, as `kubectl apply -k` would send them."""
    return list(yaml.load_all(rendered_text(overlay, tuple(components)), yaml.CSafeLoader))


@functools.lru_cache
def rendered_text(overlay, components):
    with tempfile.TemporaryDirectory() as folder:
        # Kustomize wants paths that are relative.
        relative = os.path.relpath(KUBERNETES, os.path.realpath(folder))
        with open(os.path.join(folder, "kustomization.yaml"), "w") as out:
            yaml.safe_dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                            "resources": [f"{relative}/overlays/{overlay}"],
                            "components": [f"{relative}/components/{name}" for name in components]},
                           out)
        done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Words that kustomize itself says are to be changed.
    assert "deprecated" not in done.stderr, done.stderr
    return done.stdout


def of_kind(objects, *kinds):
    return [object for object in objects if object["kind"] in kinds]


def named(objects, kind, name):
    found = [object for object in of_kind(objects, kind) if object["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def pod_templates(objects):
    """(name of the workload, pod template, replicas) of all workloads; replicas None: somebody else's."""
    for workload in of_kind(objects, "Deployment"):
        spec = workload["spec"]
        yield workload["metadata"]["name"], spec["template"], spec.get("replicas")
    for workload in of_kind(objects, "LeaderWorkerSet"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        group = spec["leaderWorkerTemplate"]
        leader, worker = (in_group(group[part], workload, index)
                          for index, part in enumerate(("leaderTemplate", "workerTemplate")))
        yield f"{name}-leader", leader, spec["replicas"]
        yield f"{name}-worker", worker, spec["replicas"] * (group["size"] - 1)


def in_group(template, workload, index):
    """A template as the controller of a LeaderWorkerSet has it in its first group."""
    name, size = workload["metadata"]["name"], workload["spec"]["leaderWorkerTemplate"]["size"]
    template = copy.deepcopy(template)
    container_of(template)["env"] += [
        {"name": "LWS_LEADER_ADDRESS", "value": f"{name}-0.{name}.baton"},
        {"name": "LWS_GROUP_SIZE", "value": str(size)},
        {"name": "LWS_WORKER_INDEX", "value": str(index)}]
    return template


def matches(selector, labels):
    """Whether a label selector of any kind of object selects `labels`."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def container_of(template):
    containers = template["spec"]["containers"]
    assert len(containers) == 1
    return containers[0]


def environment_of(container, pod_name):
    """What the kubelet sets, with $(NAME) of variables that come before replaced."""
    values = {}
    for variable in container.get("env", []):
        if "valueFrom" in variable:
            field = variable["valueFrom"]["fieldRef"]["fieldPath"]
            values[variable["name"]] = {"metadata.name": pod_name,
                                        "metadata.namespace": "baton"}[field]
        else:
            values[variable["name"]] = expand(variable["value"], values)
    return values


def expand(text, values):
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), text)


def arguments_of(container, pod_name):
    values = environment_of(container, pod_name)
    return [expand(argument, values) for argument in container["args"]]


def config_text(objects, template):
    """What the pod finds at /etc/baton/baton.yaml."""
    mount = [mount for mount in container_of(template)["volumeMounts"]
             if mount["mountPath"] == "/etc/baton"]
    volume = [volume for volume in template["spec"]["volumes"] if volume["name"] == mount[0]["name"]]
    return named(objects, "ConfigMap", volume[0]["configMap"]["name"])["data"]["baton.yaml"]


def seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|min|h)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "min": 60, "h": 3600}[unit]


def settings_of(objects, template, folder):
    """Every key that the container's process has in force, by the executable's own word."""
    container = container_of(template)
    config = os.path.join(folder, "baton.yaml")
    with open(config, "w") as out:
        out.write(config_text(objects, template))
    words = [word.replace("/etc/baton/baton.yaml", config)
             for word in arguments_of(container, "pod-0")]
    environment = {"PATH": os.environ["PATH"]} | environment_of(container, "pod-0")
    done = subprocess.run([BATON, *words, "--print-config"], capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return yaml.safe_load(done.stdout)


def for_every_variant(check):
    """Has a test run for every variant, with its overlay's name and its objects."""
    @functools.wraps(check)
    def run(case):
        for overlay, components in VARIANTS:
            with case.subTest(overlay=overlay, components=components):
                check(case, overlay, render(overlay, components))
    return run
