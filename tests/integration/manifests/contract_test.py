"""The pods of configs/kubernetes, run: the executable started with exactly the arguments, environment and
configuration of the rendered objects. What is a loopback address of its own here is a pod's address there, and
the bundled model on the CPU stands for the model on GPUs; ports are the same."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import yaml

import manifests
from manifests import container_of, environment_of, matches, of_kind, pod_templates
from pod import PATIENCE_S, TINY_MODEL, Pod, get

# Pods of several tests at once are apart.
SUBNET = f"127.{64 + os.getpid() // 250 % 128}.{os.getpid() % 250}"
ROUTER_PORT = 8000
# As the kernel's tables have them; 127.0.0.1 in IPv6 as well.
ESTABLISHED, LISTENING = "01", "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


class LocalPod(Pod):
    def __init__(self, folder, objects, template, number, name, here):
        """`here`: what stands for paths of the container, by path; "workers" for where routers find workers,
        and "environment" for variables that cannot be here as they are."""
        super().__init__(template, name, f"{SUBNET}.{number}", objects)
        config = os.path.join(folder, f"{name}.yaml")
        with open(config, "w") as out:
            yaml.safe_dump(self.config_here(manifests.config_text(objects, template), here), out)
        self.run(folder, config, here.get("environment", ()))

    def config_here(self, text, here):
        """The configuration with what cannot be here replaced: devices, networks, volumes, DNS."""
        config = yaml.safe_load(self.address_here(text))
        config["model"] = TINY_MODEL
        for role in ("prefill", "decode"):
            group = config["workers"][role]
            if group.pop("device", None):
                del group["kv_percent"]
                group |= {"kv_memory": "64MiB", "threads": 1}
            if "nodes" in group:
                group["tensor_parallel"] = group["nodes"]
        config.pop("transport", None)
        router = config["router"]
        if "api_keys" in router:
            router["api_keys"] = here[router["api_keys"]]
        if "discovery" in router:
            router["discovery"] = {"kind": "file", "file": here["workers"], "interval": "50ms"}
        # A prompt as short as those here would not be handed over.
        router["policy"] = "least_loaded"
        # Slow hosts are no reason to lose anybody.
        config["handoff"] = {"silence": "20s", "lease": "60s"}
        config["timeouts"] |= {"worker_silence": "20s"}
        return config

    def open_ports(self):
        """The TCP ports on which the process and its children listen and that others may reach."""
        return {port for (address, port), _ in self.sockets(LISTENING) if address not in LOOPBACK}

    def connections(self):
        """(address, port) of IPv4 to which the process and its children have connected."""
        listening = {port for (_, port), _ in self.sockets(LISTENING)}
        for (_, ours), (address, port) in self.sockets(ESTABLISHED):
            if ours not in listening:
                octets = reversed(bytes.fromhex(address[-8:]))
                yield ".".join(map(str, octets)), port

    def sockets(self, state):
        """(address, port) of both ends of the TCP sockets in a state, as the kernel's tables have them."""
        inodes = self.inodes()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table) as file:
                for line in file.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == state and fields[9] in inodes:
                        ends = (end.rpartition(":") for end in fields[1:3])
                        yield tuple((address, int(port, 16)) for address, _, port in ends)

    def inodes(self):
        pids, inodes = [self.process.pid], set()
        for pid in pids:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pids.extend(map(int, file.read().split()))
            for link in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link.path)))
        return inodes


def allowed_ports(objects, labels):
    """(from whom, first, last) of what the NetworkPolicies let in to a pod with `labels`."""
    for policy in of_kind(objects, "NetworkPolicy"):
        if not matches(policy["spec"]["podSelector"], labels):
            continue
        for rule in policy["spec"]["ingress"]:
            for port in rule["ports"]:
                yield rule.get("from"), port["port"], port.get("endPort", port["port"])


def permitted(objects, direction, labels, other, port):
    """Whether pods with `labels` may be reached ("Ingress") from, or reach ("Egress"), those with the labels
    `other` at a port."""
    policies = [policy["spec"] for policy in of_kind(objects, "NetworkPolicy")
                if matches(policy["spec"]["podSelector"], labels) and direction in policy["spec"]["policyTypes"]]
    for rule in (rule for policy in policies for rule in policy[direction.lower()]):
        peers = rule.get("from" if direction == "Ingress" else "to")
        known = peers is None or any("namespaceSelector" not in peer and matches(peer["podSelector"], other)
                                     for peer in peers)
        if known and any(ports["port"] <= port <= ports.get("endPort", ports["port"]) for ports in rule["ports"]):
            return True
    return not policies


class Contract(unittest.TestCase):
    def start(self, overlay, components=(), more="{}"):
        """One pod of each workload of an overlay; routers, which are told where workers are, last."""
        self.objects = manifests.render(overlay, components, more)
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.templates = {template["metadata"]["labels"]["app.kubernetes.io/component"]: template
                          for _, template, _ in pod_templates(self.objects)}
        self.pods = {}
        self.here = {"workers": os.path.join(self.folder, "workers.txt")}

    def pod(self, component, number):
        pod = LocalPod(self.folder, self.objects, self.templates[component], number, f"{component}-0",
                  self.here)
        self.pods[component] = pod
        self.addCleanup(pod.stop)
        return pod

    def logs(self):
        return "".join(f"\n== {pod.name}\n{pod.log()}" for pod in self.pods.values())

    def complete(self, router, more=()):
        request = urllib.request.Request(
            f"http://{router.address}:{ROUTER_PORT}/v1/completions",
            json.dumps({"prompt": "Once upon a time", "max_tokens": 8}).encode(),
            {"Content-Type": "application/json", **dict(more)})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return reply.headers["x-baton-route"], json.load(reply)

    def list_workers(self):
        """Has routers find the workers' pods, as the cluster would."""
        path = self.here["workers"]
        with open(path + ".new", "w") as out:
            for component, pod in self.pods.items():
                if component in ("prefill", "decode"):
                    out.write(f"{pod.address}:{pod.port_of('grpc')}\n")
        os.rename(path + ".new", path)

    def until(self, reached, what):
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            for pod in self.pods.values():
                self.assertIsNone(pod.process.poll(),
                                  f"{pod.name} ended, and not: {what}{self.logs()}")
            self.assertLess(time.monotonic(), deadline, f"not in {PATIENCE_S} s: {what}{self.logs()}")
            time.sleep(0.05)

    def check_ports(self):
        """What is open is what the container names and, between workers, UCX's range; and nobody but who
        needs it may reach that."""
        for component, pod in self.pods.items():
            labels = pod.template["metadata"]["labels"]
            named = {port["containerPort"] for port in pod.container["ports"]}
            range_text = environment_of(pod.container, pod.name).get("UCX_TCP_PORT_RANGE")
            first, last = map(int, range_text.split("-")) if range_text else (1, 0)
            opened = pod.open_ports()
            self.assertLessEqual(named, opened, component)
            for port in opened - named:
                self.assertTrue(first <= port <= last, f"{component} listens on {port}")
            allowed = list(allowed_ports(self.objects, labels))
            self.assertEqual({(low, high) for _, low, high in allowed},
                             {(port, port) for port in named} | ({(first, last)} if range_text else set()),
                             component)
            if component != "router":
                callers = {low: set() for _, low, _ in allowed}
                for sources, low, _ in allowed:
                    callers[low] |= self.components_of(sources)
                self.assertEqual(callers, {7000: {"router", "prefill", "decode"},
                                           first: {"prefill", "decode"}}, component)

    def check_connections(self):
        """Who is connected to whom may be, by the rules of both sides; and the rules forbid something."""
        by_address = {pod.address: pod for pod in self.pods.values()}
        seen = set()
        for component, pod in self.pods.items():
            for address, port in pod.connections():
                if (target := by_address.get(address)) is None:
                    continue
                labels, others = (each.template["metadata"]["labels"] for each in (pod, target))
                what = f"{component} is connected to {target.name}:{port}"
                self.assertTrue(permitted(self.objects, "Egress", labels, others, port), what)
                self.assertTrue(permitted(self.objects, "Ingress", others, labels, port), what)
                seen.add((component, target.name))
        self.assertLessEqual({("router", "prefill-0"), ("router", "decode-0"), ("decode", "prefill-0")}, seen)
        router, decode = (self.templates[name]["metadata"]["labels"] for name in ("router", "decode"))
        self.assertFalse(permitted(self.objects, "Ingress", decode, router, 7100))
        self.assertFalse(permitted(self.objects, "Egress", decode, router, ROUTER_PORT))

    def components_of(self, sources):
        """Whose pods a NetworkPolicy means."""
        return {component for component, template in self.templates.items()
                if any(matches(source["podSelector"], template["metadata"]["labels"])
                       for source in sources)}

    def bring_keys(self):
        """Makes the Secret baton-keys; returns what a client sends."""
        made = subprocess.run([manifests.BATON, "key", "--name", "alice"], capture_output=True,
                              text=True, check=True)
        path = self.here["/etc/baton-keys/keys.txt"] = os.path.join(self.folder, "keys.txt")
        with open(path, "w") as out:
            out.write(made.stdout)
        return {"Authorization": "Bearer " + made.stderr.split()[-1]}

    def check_routers_and_workers(self):
        prefill = self.pod("prefill", 2)
        self.list_workers()
        router = self.pod("router", 1)
        self.until(lambda: router.probe("startupProbe"), "the router starts without a complete group")
        self.until(lambda: prefill.probe("startupProbe"), "the prefill worker starts")
        self.assertTrue(router.probe("livenessProbe"))
        self.assertFalse(router.probe("readinessProbe"), "half a group is none")
        decode = self.pod("decode", 3)
        self.list_workers()
        self.until(lambda: router.probe("readinessProbe"), "the router is ready with a complete group")
        for pod in (prefill, decode):
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.assertTrue(pod.probe(kind), kind)
        return router, prefill, decode

    def figures(self, pod, name):
        """Of a metric on the page that a pod shows on the port of clients, without a key: by labels."""
        status, text = get(f"{pod.address}:{pod.port_of('http')}", "/metrics")
        self.assertEqual(status, 200)
        return {labels: float(value) for labels, value in
                re.findall(rf"^{re.escape(name)}{{(.*)}} (\S+)$", text, re.MULTILINE)}

    def check_end(self, pod):
        pod.process.send_signal(signal.SIGTERM)
        grace_s = pod.template["spec"]["terminationGracePeriodSeconds"]
        self.assertEqual(pod.process.wait(timeout=grace_s), 0, pod.name + self.logs())

    def test_workers_of_pods_serve(self):
        self.start("cpu-dev")
        router, prefill, decode = self.check_routers_and_workers()
        route, _ = self.complete(router)
        self.assertEqual(route, "prefill=prefill-0 decode=decode-0")
        self.check_ports()
        self.check_connections()
        for pod in (prefill, decode, router):
            self.check_end(pod)

    def test_routers_of_gpu_nodes_ask_for_keys_and_tell_prometheus(self):
        self.start("multi-node-rdma", ["monitoring"])
        key = self.bring_keys()
        router, _, _ = self.check_routers_and_workers()
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.complete(router)
        self.assertEqual(refused.exception.code, 401)
        route, _ = self.complete(router, key)
        self.assertEqual(route, "prefill=prefill-0 decode=decode-0")
        self.check_ports()
        self.check_connections()
        self.check_metrics(router)

    def check_metrics(self, router):
        """All that the rules of scaling ask for is told by a router, with those labels."""
        [monitor] = of_kind(self.objects, "PodMonitor")
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        _, text = get(f"{router.address}:{router.port_of(endpoint['port'])}", endpoint["path"])
        queries = [trigger["metadata"]["query"]
                   for scaled in of_kind(manifests.render("multi-node-rdma", ["keda"]), "ScaledObject")
                   for trigger in scaled["spec"]["triggers"]]
        self.assertEqual(len(queries), 2)
        for query in queries:
            for name, labels in re.findall(r"(baton_\w+)\{([^}]*)\}", query):
                # Prometheus adds the namespace.
                wanted = [label for label in labels.split(",") if not label.startswith("namespace=")]
                self.assertTrue([line for line in text.splitlines()
                                 if line.startswith(name) and all(label in line for label in wanted)],
                                f"{name} with {wanted}")

    def test_workers_follow_a_gateway_that_picks_them(self):
        # As the guide has it, with a network of here.
        patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "baton-gateway"},
                 "data": {"trusted-peers": "127.0.0.0/8"}}
        self.start("multi-node-rdma", ["gateway", "gateway-workers"],
                   json.dumps({"patches": [{"patch": json.dumps(patch)}]}))
        key = self.bring_keys()
        self.here["environment"] = {"BATON_ROUTER_DISCOVERY_KIND": "file",
                                    "BATON_ROUTER_DISCOVERY_NAMES": "",
                                    "BATON_ROUTER_DISCOVERY_FILE": self.here["workers"]}
        prefill, decode = self.pod("prefill", 2), self.pod("decode", 3)
        self.list_workers()
        self.until(lambda: get(f"{decode.address}:8000", "/readyz")[0] == 200, "the worker answers clients")
        # What the endpoint picker reads has one figure of each pod: its own.
        for pod in (prefill, decode):
            for name in ("vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc"):
                self.until(lambda: self.figures(pod, name), f"{pod.name} shows {name}")
                self.assertEqual(list(self.figures(pod, name)), [f'worker="{pod.name}"'])
        [pool] = of_kind(self.objects, "InferencePool")
        [port] = pool["spec"]["targetPorts"]
        for picked, outcome, reason in ((f"{prefill.address}:{port['number']}", "followed", " reason=picked"),
                                        (f"{SUBNET}.99:{port['number']}", "unknown", ""),
                                        (f"{decode.address}:{port['number']}", "other_role", ""),
                                        ("nonsense", "malformed", "")):
            route, _ = self.complete(decode, key | {"x-prefiller-host-port": picked})
            self.assertEqual(route, "prefill=prefill-0 decode=decode-0" + reason)
            self.assertEqual(self.figures(decode, "baton_picks_total")[f'outcome="{outcome}"'], 1)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.complete(decode)
        self.assertEqual(refused.exception.code, 401)
        self.check_end(decode)
        self.check_end(prefill)

    def test_routers_alone_send_spans_and_may(self):
        self.start("cpu-dev", ["tracing"])
        self.list_workers()
        router = self.pod("router", 1)
        where = "spans of requests go to http://otel-collector.monitoring:4318/v1/traces"
        self.until(lambda: where in router.log(), "the router says where spans go")
        self.assertIn("k8s.pod.name=router-0,k8s.namespace.name=baton",
                      environment_of(router.container, router.name)["OTEL_RESOURCE_ATTRIBUTES"])
        labels = router.template["metadata"]["labels"]
        self.assertTrue(permitted(self.objects, "Egress", labels, {}, 4318))
        for name in ("prefill", "decode"):
            template = self.templates[name]
            self.assertFalse(permitted(self.objects, "Egress", template["metadata"]["labels"], {}, 4318))
            self.assertFalse([variable for variable in environment_of(container_of(template), name)
                              if variable.startswith("OTEL_")], name)

    def node_of(self, component, number, leader):
        """The pod of another node, of the group that `leader` leads."""
        for variable in container_of(self.templates[component])["env"]:
            if variable["name"] == "LWS_LEADER_ADDRESS":
                variable["value"] = leader.address
        return self.pod(component, number)

    def test_workers_larger_than_a_node_serve_and_end_as_one(self):
        self.start("leaderworkerset")
        key = self.bring_keys()
        prefill, decode = self.pod("prefill", 2), self.pod("decode", 3)
        self.list_workers()
        router = self.pod("router", 1)
        prefill_node = self.node_of("prefill-node", 4, prefill)
        self.until(lambda: prefill.probe("readinessProbe"), "the prefill worker has its nodes")
        self.assertFalse(decode.probe("startupProbe"), "the decode worker lacks one")
        decode_node = self.node_of("decode-node", 5, decode)
        self.until(lambda: router.probe("readinessProbe"), "the router is ready with a complete group")
        for pod in (prefill, prefill_node, decode, decode_node):
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.assertTrue(pod.probe(kind), f"{kind} of {pod.name}")
            named = {port["containerPort"] for port in pod.container["ports"]}
            self.assertLessEqual(named, pod.open_ports(), pod.name)
            for port in pod.open_ports() - named:
                self.assertTrue(7100 <= port <= 7163, f"{pod.name} listens on {port}")
        route, _ = self.complete(router, key)
        self.assertEqual(route, "prefill=prefill-0 decode=decode-0")
        self.check_connections()
        self.assertIn((decode.address, decode.port_of("nodes")), set(decode_node.connections()))
        decode_node.process.kill()
        self.assertEqual(decode.process.wait(timeout=PATIENCE_S), 1)
        self.assertIn("this worker ends with one of its nodes: node 1", decode.log())
        self.check_end(prefill_node)
        self.assertEqual(prefill.process.wait(timeout=PATIENCE_S), 0, self.logs())

    def test_pod_of_a_whole_node_serves(self):
        self.start("single-node-nvlink")
        key = self.bring_keys()
        pod = self.pod("router", 1)
        self.until(lambda: pod.probe("readinessProbe"), "the pod is ready")
        route, _ = self.complete(pod, key)
        self.assertRegex(route, r"^prefill=p[0-3] decode=d[0-3]$")
        # What workers and UCX listen on is for the pod itself, and kept from all others.
        self.assertIn(ROUTER_PORT, pod.open_ports())
        self.assertEqual(list(allowed_ports(self.objects, pod.template["metadata"]["labels"])),
                         [(None, ROUTER_PORT, ROUTER_PORT)])
        self.check_end(pod)


class Dockerfiles(unittest.TestCase):
    def test_are_linted(self):
        files = [os.path.join(manifests.TREE, "docker", name) for name in ("Dockerfile", "Dockerfile.cuda")]
        done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "hadolint"), *files],
                              capture_output=True, text=True)
        self.assertEqual(done.stdout + done.stderr, "")


def image_environment():
    """What the CPU image sets by itself."""
    with open(os.path.join(manifests.TREE, "docker/Dockerfile")) as file:
        return dict(re.findall(r"^ENV (\w+)=(\S+)$", file.read(), re.MULTILINE))


class ComposedService(Pod):
    """A service of the compose file, in the network of which each is known by its name."""

    NUMBERS = {"router": 101, "prefill": 102, "decode": 103}

    def __init__(self, name, service):
        variables = image_environment() | service["environment"]
        container = {"args": service["command"],
                     "env": [{"name": key, "value": value} for key, value in variables.items()]}
        super().__init__({"spec": {"containers": [container]}}, name, self.address_of(name))
        self.service = service

    @classmethod
    def address_of(cls, name):
        return f"{SUBNET}.{cls.NUMBERS[name]}"

    def address_here(self, text):
        for name in self.NUMBERS:
            text = text.replace(f"={name}:", f"={self.address_of(name)}:")
        return super().address_here(text).replace("/opt/baton/configs/models/baton-tiny", TINY_MODEL)


class ComposeFile(unittest.TestCase):
    def services(self):
        with open(os.path.join(manifests.TREE, "docker/compose.yaml")) as file:
            services = yaml.safe_load(file)["services"]
        self.assertEqual(set(services), {"router", "prefill", "decode"})
        return services

    def test_serves(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        started = {}
        for name, service in self.services().items():
            pod = started[name] = ComposedService(name, service)
            pod.run(folder, config="")
            self.addCleanup(pod.stop)
        router = started["router"]
        [published] = router.service["ports"]
        port = published.split(":")[-1]
        deadline = time.monotonic() + PATIENCE_S
        while get(f"{router.address}:{port}", "/readyz")[0] != 200:
            self.assertLess(time.monotonic(), deadline, "".join(pod.log() for pod in started.values()))
            time.sleep(0.05)
        # As the file's own example.
        request = urllib.request.Request(f"http://{router.address}:{port}/v1/completions",
                                         b'{"prompt": "Once upon a time", "max_tokens": 16}',
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            self.assertIn("decode=d0", reply.headers["x-baton-route"].replace("local=", "decode="))
            self.assertTrue(json.load(reply)["choices"][0]["text"])
        # None is told of the others' end; each has its own time.
        for pod in started.values():
            pod.process.send_signal(signal.SIGTERM)
        for pod in started.values():
            grace_s = manifests.seconds(pod.service["stop_grace_period"])
            self.assertEqual(pod.process.wait(timeout=grace_s), 0, pod.log())

    def test_says_what_the_executable_takes(self):
        services = self.services()
        for name, service in services.items():
            settings = self.settings(service)
            self.assertEqual(manifests.seconds(service["stop_grace_period"]),
                             manifests.seconds(settings["timeouts"]["drain"]) + 15, name)
            self.assertTrue(service["read_only"] and service["cap_drop"] == ["ALL"], name)
        router = self.settings(services["router"])["router"]
        self.assertEqual(services["router"]["ports"], [f"127.0.0.1:{router['port']}:{router['port']}"])

    def settings(self, service):
        environment = image_environment() | service["environment"] | {
            "PATH": os.environ["PATH"], "BATON_MODEL": TINY_MODEL}
        done = subprocess.run([manifests.BATON, *service["command"], "--print-config"],
                              capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return yaml.safe_load(done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
