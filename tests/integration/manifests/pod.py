"""A pod's process, started and probed as the kubelet would."""

import os
import subprocess
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import manifests
from manifests import arguments_of, container_of, environment_of

PATIENCE_S = 120
TINY_MODEL = os.path.join(manifests.TREE, "configs/models/baton-tiny")


def get(address, path, timeout=PATIENCE_S):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


class Pod:
    def __init__(self, template, name, address, objects=()):
        """`objects`: where the ConfigMaps are that its variables come from."""
        self.template, self.name, self.address, self.objects = template, name, address, objects
        self.container = container_of(template)

    def run(self, folder, config, environment=(), command=()):
        """Starts the container's process with the file `config` as its configuration and more environment;
        `command` is what runs it."""
        words = [self.address_here(word).replace("/etc/baton/baton.yaml", config)
                 for word in arguments_of(self.container, self.name, self.objects)]
        variables = {key: "cpu" if key.endswith("_DEVICE") else self.address_here(value)
                     for key, value in environment_of(self.container, self.name, self.objects).items()}
        sanitizers = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
        self.log_path = os.path.join(folder, f"{self.name}.log")
        with open(self.log_path, "wb") as log:
            # Nothing is inherited but what a container has as well.
            self.process = subprocess.Popen(
                [*command, manifests.BATON, *words], stdout=log, stderr=log, cwd=folder,
                env={"PATH": os.environ["PATH"]} | sanitizers | variables | dict(environment))

    def address_here(self, text):
        return text.replace("0.0.0.0", self.address)

    def probe(self, kind):
        """Whether a probe of the container is content."""
        probe = self.container[kind]
        if "httpGet" in probe:
            port = self.port_of(probe["httpGet"]["port"])
            status, _ = get(f"{self.address}:{port}", probe["httpGet"]["path"])
            return status is not None and 200 <= status < 400
        with grpc.insecure_channel(f"{self.address}:{probe['grpc']['port']}") as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", "")),
                    timeout=10)
            except grpc.RpcError:
                return False
            return answer.status == health_pb2.HealthCheckResponse.SERVING

    def port_of(self, name):
        return next(port["containerPort"] for port in self.container["ports"] if port["name"] == name)

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
