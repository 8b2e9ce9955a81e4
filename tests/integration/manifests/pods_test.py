"""Two routers, two prefill and three decode workers of configs/kubernetes, each in a network of its own: all are
replaced one after the other; workers of another revision of the model come, a node's worth of the old ones is cut
off, and all are replaced at once, while clients stream. No request fails, and each is answered as when nothing
happens, by one revision or the other."""

import collections
import concurrent.futures
import http.client
import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
import unittest

import yaml

import cluster
import manifests
from manifests import config_text, named, of_kind
from pod import PATIENCE_S, TINY_MODEL

REPLICAS = {"router": 2, "prefill": 2, "decode": 3}
CLIENTS = 6
WORDS = "the river code of a king was and house said in his sea stone night could water went is".split()
ROUTER_PORT, ADMIN_PORT = 8000, 8001

Answer = collections.namedtuple("Answer", "body text problem route begin end")


def bodies():
    chance = random.Random(8)
    for seed in range(16):
        yield {"prompt": " ".join(chance.choices(WORDS, k=chance.randint(1, 150))), "max_tokens": 60 + 60 * (seed % 5),
               "ignore_eos": True, "temperature": seed % 2, "seed": seed, "stream": True}


BODIES = list(bodies())


def ask(pod, number):
    """One streamed completion on a connection of its own."""
    begin, text, route = time.monotonic(), "", ""
    connection = http.client.HTTPConnection(pod.address, ROUTER_PORT, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/v1/completions", json.dumps(BODIES[number]),
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        route = reply.getheader("x-baton-route", "")
        if reply.status != 200:
            return Answer(number, text, f"{reply.status} {reply.read()}", route, begin, time.monotonic())
        for line in reply:
            data = line.decode().removeprefix("data: ").strip()
            if data == "[DONE]":
                return Answer(number, text, "", route, begin, time.monotonic())
            event = json.loads(data) if data.startswith("{") else {}
            if "error" in event:
                return Answer(number, text, data, route, begin, time.monotonic())
            text += "".join(choice["text"] for choice in event.get("choices", []))
        return Answer(number, text, "the stream ended early", route, begin, time.monotonic())
    except (OSError, http.client.HTTPException) as error:
        return Answer(number, text, f"{pod.name}: {error!r}", route, begin, time.monotonic())
    finally:
        connection.close()


class Load:
    """Clients of the routers' Service, each with one request after the other."""

    def __init__(self, serving):
        self.answers = []
        self.serving_, self.next_, self.stopped_ = serving, itertools.count(), threading.Event()
        self.threads_ = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads_:
            thread.start()

    def run(self):
        while not self.stopped_.is_set():
            number = next(self.next_)
            routers = self.serving_()
            if not routers:
                self.answers.append(Answer(0, "", "no router is ready", "", time.monotonic(), time.monotonic()))
                time.sleep(1)
                continue
            self.answers.append(ask(routers[number % len(routers)], number % len(BODIES)))

    def stop(self):
        self.stopped_.set()
        for thread in self.threads_:
            thread.join()


class Pods(unittest.TestCase):
    def setUp(self):
        # Rounding makes another model of it, which is not to be mixed with the one before.
        self.weights = "auto"
        self.objects = manifests.render("cpu-dev")
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.cluster = cluster.Cluster(folder, self.objects, self.config)

    def config(self, component):
        """That of the laptop's overlay, but for where its model lies; its routers find workers as those of
        clusters do."""
        template = named(self.objects, "Deployment", f"baton-{component}")["spec"]["template"]
        config = yaml.safe_load(config_text(self.objects, template))
        config["model"] = TINY_MODEL
        config["engine"] = {"weights": self.weights}
        clustered = manifests.render("multi-node-rdma")
        template = named(clustered, "Deployment", "baton-router")["spec"]["template"]
        config["router"]["discovery"] = yaml.safe_load(config_text(clustered, template))["router"]["discovery"]
        config["router"]["discovery"]["service_account"] = self.cluster.account
        # Prompts as short as these would not be handed over.
        config["router"]["policy"] = "least_loaded"
        return yaml.safe_dump(config)

    def routers(self):
        return self.cluster.serving("router")

    def fleet_is_whole(self, joined=REPLICAS["prefill"] * REPLICAS["decode"]):
        """Whether each router sees so many pairs, for one model those of all that prefill and all that decode."""
        for router in self.routers():
            text = router.ask_inside(ADMIN_PORT, "/fleet")
            if not text:  # It ended meanwhile.
                return False
            joins = sum(len(worker.get("joined", [])) for worker in json.loads(text)["fleet"]["workers"])
            if joins != joined:
                return False
        return len(self.routers()) == REPLICAS["router"]

    def resumed(self):
        """Attempts beyond the first that the routers have made."""
        return sum(float(line.split()[-1])
                   for router in self.routers()
                   for line in router.ask_inside(ADMIN_PORT, "/metrics").splitlines()
                   if line.startswith(("baton_retries_total", "baton_resumes_total")))

    def logs(self):
        folder = os.path.dirname(self.cluster.state_file)
        for name in sorted(os.listdir(folder)):
            if name.endswith(".log"):
                with open(os.path.join(folder, name), errors="replace") as file:
                    yield f"== {name}\n{file.read()}"

    def test_replaced_and_cut_off_under_load_fail_nobody(self):
        try:
            self.serve_through_restarts_and_a_loss()
        except BaseException:
            print("".join(self.logs()), flush=True)
            raise

    def serve_through_restarts_and_a_loss(self):
        pods = [self.cluster.create(component) for component, count in REPLICAS.items() for _ in range(count)]
        for pod in pods:
            self.cluster.wait_ready(pod)
        self.cluster.wait_until(self.fleet_is_whole, "the fleet is whole")
        old = self.undisturbed()

        load = Load(self.routers)
        try:
            for component in REPLICAS:
                self.replace([component])
            changed = time.monotonic()
            self.weights = "int8"
            newer = [self.cluster.create(component) for component in ("prefill", "decode")]
            for pod in newer:
                self.cluster.wait_ready(pod)
            joined = REPLICAS["prefill"] * REPLICAS["decode"] + 1
            self.cluster.wait_until(lambda: self.fleet_is_whole(joined), "both revisions are joined")
            self.cut_off(load, newer)
            self.cluster.wait_until(lambda: self.fleet_is_whole(joined), "all are there again")
            self.replace(list(REPLICAS), (REPLICAS["prefill"] + 1) * (REPLICAS["decode"] + 1))
            replaced = time.monotonic()
            self.cluster.wait_until(lambda: any(answer.begin > replaced for answer in load.answers),
                                    "the new revision serves")
        finally:
            load.stop()
        self.check(load.answers, old, changed, self.undisturbed(), replaced)

    def undisturbed(self):
        router = self.routers()[0]
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
            answers = list(threads.map(lambda number: ask(router, number), range(len(BODIES))))
        self.assertEqual([answer.problem for answer in answers], [""] * len(BODIES))
        return [answer.text for answer in answers]

    def replace(self, components, joined=REPLICAS["prefill"] * REPLICAS["decode"]):
        """Restarts workloads at once, as after a change of what they share."""
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as threads:
            for old in threads.map(self.cluster.restart, components):
                self.cluster.wait_ended(old)
        self.cluster.wait_until(lambda: self.fleet_is_whole(joined), "the fleet of new pods is whole")
        print(f"{', '.join(components)}: replaced in {time.monotonic() - begin:.1f} s", flush=True)

    def cut_off(self, load, others):
        prefill, decode = ([pod for pod in self.cluster.serving(component) if pod not in others]
                           for component in ("prefill", "decode"))
        node = prefill[:1] + decode[:2]
        before = self.resumed()
        for pod in node:
            pod.set_plugged(False)
        cut = time.monotonic()
        self.cluster.wait_until(
            lambda: sum(answer.begin > cut for answer in load.answers) >= 2 * CLIENTS, "clients are served again")
        served = time.monotonic()
        # Whoever was cut off waits until the silence is noticed, while others have been served.
        self.cluster.wait_until(lambda: self.resumed() > before, "somebody goes on elsewhere")
        print(f"cut off: served again after {served - cut:.1f} s, {self.resumed() - before:.0f} went on elsewhere",
              flush=True)
        for pod in node:
            pod.set_plugged(True)

    def check(self, answers, old, changed, new, replaced):
        print(f"{len(answers)} requests", flush=True)
        self.assertNotEqual(old, new, "revisions that nobody could tell apart")
        self.assertEqual([answer for answer in answers if answer.problem], [])
        by_whom = collections.Counter()
        for answer in answers:
            right = {"old": old[answer.body], "new": new[answer.body]}
            if answer.begin > replaced:
                del right["old"]
            if answer.end < changed:
                del right["new"]
            self.assertIn(answer.text, right.values(), answer)
            by_whom[answer.text == new[answer.body]] += 1
        print(f"{by_whom[False]} answers of the old revision, {by_whom[True]} of the new one", flush=True)


if __name__ == "__main__":
    if reason := cluster.why_not():
        print(reason)
        sys.exit(77)
    cluster.enter()
    unittest.main(verbosity=2)
