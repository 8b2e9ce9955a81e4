"""The objects that configs/kubernetes renders to, and what their pods would run."""

import copy
import functools
import json
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


def render(overlay, components=(), more="{}"):
    """The objects of an overlay with further components, as `kubectl apply -k` would send them. `more`: what else
    is in the kustomization that has them, as JSON."""
    return list(yaml.load_all(rendered_text(overlay, tuple(components), more), yaml.CSafeLoader))


@functools.lru_cache
def rendered_text(overlay, components, more):
    with tempfile.TemporaryDirectory() as folder:
        # Kustomize wants paths that are relative.
        relative = os.path.relpath(KUBERNETES, os.path.realpath(folder))
        with open(os.path.join(folder, "kustomization.yaml"), "w") as out:
            yaml.safe_dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                            "resources": [f"{relative}/overlays/{overlay}"],
                            "components": [f"{relative}/components/{name}" for name in components],
                            **json.loads(more)}, out)
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


def environment_of(container, pod_name, objects=()):
    """What the kubelet sets, with $(NAME) of variables that come before replaced; `objects`: where ConfigMaps are."""
    values = {}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            values[variable["name"]] = {"metadata.name": pod_name,
                                        "metadata.namespace": "baton"}[source["fieldRef"]["fieldPath"]]
        elif "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            values[variable["name"]] = named(objects, "ConfigMap", reference["name"])["data"][reference["key"]]
        else:
            values[variable["name"]] = expand(variable["value"], values)
    return values


def expand(text, values):
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), text)


def arguments_of(container, pod_name, objects=()):
    values = environment_of(container, pod_name, objects)
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


def settings_of(objects, template):
    """Every key that the container's process has in force, by the executable's own word."""
    container = container_of(template)
    environment = environment_of(container, "pod-0", objects)
    return yaml.load(printed_config(config_text(objects, template), tuple(arguments_of(container, "pod-0", objects)),
                                    tuple(environment.items())), yaml.CSafeLoader)


@functools.lru_cache(maxsize=None)
def printed_config(text, words, environment):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(text)
        config.flush()
        words = [word.replace("/etc/baton/baton.yaml", config.name) for word in words]
        done = subprocess.run([BATON, *words, "--print-config"], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"]} | dict(environment))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def for_every_variant(check):
    """Has a test run for every variant, with its overlay's name and its objects."""
    @functools.wraps(check)
    def run(case):
        for overlay, components in VARIANTS:
            with case.subTest(overlay=overlay, components=components):
                check(case, overlay, render(overlay, components))
    return run
