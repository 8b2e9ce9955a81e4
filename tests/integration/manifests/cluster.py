"""As much of a cluster as the pods of configs/kubernetes notice: each has an address on a bridge, and its network,
shared memory and processes to itself; kubelets probe them and end them as told; an API server tells of the
EndpointSlices; a Service knows which routers take requests. Times that only make room for slow machines are
shorter."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

import manifests
from manifests import container_of, matches, named, of_kind
from pod import PATIENCE_S, Pod, get

NODE = "10.77.0.1"
API_SERVER = f"{NODE}:6443"
NAMESPACE = "baton"
PROBE_PERIOD_S = 0.1
# In place of minReadySeconds, within which routers should find whoever is new.
MIN_READY_S = 1


def why_not():
    """Why this host cannot have networks of its own; empty when it can."""
    made = subprocess.run(["unshare", "--net", "sh", "-c", "ip link add veth0 type veth peer name veth1"
                           " && ip link add node type bridge"], capture_output=True, text=True)
    return "" if made.returncode == 0 else "no network namespaces with bridges: " + made.stderr.strip()


def enter():
    """Has the calling script run anew in networks and mounts of its own, which go with it, and with it all
    processes that it started."""
    if os.environ.get("BATON_NODE") != "entered":
        os.environ["BATON_NODE"] = "entered"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                              "--mount-proc", sys.executable, *sys.argv])
    run("mount -t tmpfs tmpfs /run")
    run("ip link set lo up")
    run("ip link add node type bridge")
    run(f"ip address add {NODE}/24 dev node")
    run("ip link set node up")


def run(command):
    subprocess.run(command.split(), check=True)


class IsolatedPod(Pod):
    """A pod with namespaces of its own, in which its process is the first."""

    COMMAND = ["unshare", "--ipc", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
               "sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "pod"]

    def __init__(self, template, name, number):
        super().__init__(template, name, f"10.77.0.{number}")
        self.cable = f"veth{number}"
        self.ready = self.terminating = False
        self.exit_code = None
        run(f"ip netns add {name}")
        run(f"ip link add {self.cable} type veth peer name eth0 netns {name}")
        run(f"ip link set {self.cable} master node up")
        run(f"ip -n {name} address add {self.address}/24 dev eth0")
        for device in ("lo", "eth0"):
            run(f"ip -n {name} link set {device} up")

    def address_here(self, text):
        return text

    def set_plugged(self, plugged):
        """Nothing passes while it is not, and nobody is told so."""
        run(f"ip link set {self.cable} {'up' if plugged else 'down'}")

    def terminate(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            os.kill(int(file.read()), signal.SIGTERM)

    def ask_inside(self, port, path):
        """What a port that is on the pod's loopback answers, as through `kubectl port-forward`."""
        answers = []

        def ask():
            with open(f"/run/netns/{self.name}") as network:
                if ctypes.CDLL(None).setns(network.fileno(), 0) == 0:
                    answers.append(get(f"127.0.0.1:{port}", path)[1])

        thread = threading.Thread(target=ask)  # The network is the thread's, and goes with it.
        thread.start()
        thread.join()
        return answers[0]

    @property
    def pre_stop_s(self):
        return self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)

    @property
    def component(self):
        return self.template["metadata"]["labels"]["app.kubernetes.io/component"]


class Cluster:
    """*Threads*: a kubelet for each pod; `lock_` guards what they know of pods."""

    def __init__(self, folder, objects, config):
        """`config(component)`: what the pods of a workload find as their configuration."""
        self.folder_, self.objects_, self.config_ = folder, objects, config
        self.deployments_ = {
            deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: deployment
            for deployment in of_kind(objects, "Deployment")}
        self.pods = []
        self.made_ = 0
        self.lock_ = threading.RLock()
        self.account = os.path.join(folder, "serviceaccount")
        self.start_api_server()

    def start_api_server(self):
        certificate, key = (os.path.join(self.folder_, name) for name in ("api.pem", "api.key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-subj", "/CN=kubernetes", "-addext", f"subjectAltName=IP:{NODE}", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        os.mkdir(self.account)
        with open(certificate) as file:
            for name, text in (("ca.crt", file.read()), ("namespace", NAMESPACE), ("token", "t1")):
                with open(os.path.join(self.account, name), "w") as out:
                    out.write(text)
        self.publish()
        self.api_server_ = subprocess.Popen(
            [sys.executable, os.path.join(manifests.TREE, "tests/integration/kubernetes/api_server.py"),
             API_SERVER, certificate, key, self.state_file], stderr=subprocess.DEVNULL)

    @property
    def state_file(self):
        return os.path.join(self.folder_, "state.json")

    def publish(self):
        """The EndpointSlices of the headless Services, as the API server shall tell of them."""
        with self.lock_:
            slices = {}
            for service in of_kind(self.objects_, "Service"):
                if service["spec"].get("clusterIP") == "None":
                    slices[service["metadata"]["name"] + "-1"] = self.slice_of(service)
            state = {"namespace": NAMESPACE, "token": "t1", "forbidden": False, "oldest": 0, "generation": 0,
                     "services": [made["service"] for made in reversed(slices.values())], "slices": slices}
            with open(self.state_file + ".new", "w") as out:
                json.dump(state, out)
            os.rename(self.state_file + ".new", self.state_file)

    def slice_of(self, service):
        selector = {"matchLabels": service["spec"]["selector"]}
        return {"service": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"],
                "endpoints": [{"address": pod.address, "ready": pod.ready and not pod.terminating,
                               "terminating": pod.terminating}
                              for pod in self.pods if matches(selector, pod.template["metadata"]["labels"])]}

    def create(self, component):
        """A new pod of a workload; it starts, and is ready once its probes say so."""
        template = self.deployments_[component]["spec"]["template"]
        with self.lock_:
            self.made_ += 1
            pod = IsolatedPod(template, f"baton-{component}-{self.made_}", self.made_ + 1)
            self.pods.append(pod)
        config = os.path.join(self.folder_, f"{pod.name}.yaml")
        with open(config, "w") as out:
            out.write(self.config_(component))
        host, port = API_SERVER.split(":")
        pod.run(self.folder_, config, {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
                ["ip", "netns", "exec", pod.name, *pod.COMMAND])
        threading.Thread(target=self.follow, args=(pod,), daemon=True).start()
        return pod

    def follow(self, pod):
        while pod.process.poll() is None:
            self.set(pod, ready=pod.probe("readinessProbe"))
            time.sleep(PROBE_PERIOD_S)
        with self.lock_:
            pod.exit_code = pod.process.returncode
            self.pods.remove(pod)
            self.publish()

    def set(self, pod, **changes):
        with self.lock_:
            if any(getattr(pod, name) != value for name, value in changes.items()):
                vars(pod).update(changes)
                self.publish()

    def delete(self, pod):
        """Begins to end a pod: from now on it is known to end, and is told after its preStop."""
        self.set(pod, terminating=True)
        timer = threading.Timer(pod.pre_stop_s, pod.terminate)
        timer.daemon = True
        timer.start()

    def serving(self, component):
        """The pods of a workload that its Service sends to."""
        with self.lock_:
            return [pod for pod in self.pods
                    if pod.component == component and pod.ready and not pod.terminating]

    def wait_until(self, reached, what):
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < deadline, f"not in {PATIENCE_S} s: {what}"
            time.sleep(0.05)

    def wait_ready(self, pod):
        self.wait_until(lambda: pod in self.serving(pod.component), f"{pod.name} is ready")

    def restart(self, component):
        """Replaces all pods of a workload one after the other, as its Deployment says; returns the old ones,
        some of which may have to end yet."""
        old = self.serving(component)
        surge = self.deployments_[component]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        for pod in old:
            if not surge:
                self.delete(pod)
            new = self.create(component)
            self.wait_ready(new)
            time.sleep(MIN_READY_S)
            if surge:
                self.delete(pod)
        return old

    def wait_ended(self, pods):
        for pod in pods:
            grace_s = pod.template["spec"]["terminationGracePeriodSeconds"]
            pod.process.wait(timeout=grace_s)
            self.wait_until(lambda pod=pod: pod not in self.pods, f"{pod.name} is gone")
            assert pod.exit_code == 0, f"{pod.name} ended with {pod.exit_code}"
