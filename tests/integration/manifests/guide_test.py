"""What configs/kubernetes/README.md has people type, typed, as far as that goes without a cluster: scripts stand for
what needs one, and hand on to the real kubectl and the real executable whatever those can do alone."""

import os
import re
import subprocess
import tempfile
import unittest

import yaml

import manifests
from manifests import named, of_kind

GUIDE = os.path.join(manifests.KUBERNETES, "README.md")
# Says what it is called with. `kubectl apply -k` renders; `create` makes its object; `exec` runs the command here.
KUBECTL = """#!/usr/bin/env bash
set -euo pipefail
echo "kubectl $*" >> "$CALLS"
words=("$@")
[[ $1 == -n ]] && { [[ $2 == baton ]]; shift 2; }
case $1 in
  apply) [[ $2 == -k ]] && exec "$REAL" kustomize "$3" >> "$CALLS.rendered"; [[ $2 == -f ]] ;;
  create) "$REAL" "${words[@]}" --dry-run=client -o yaml >> "$CALLS.created"; echo --- >> "$CALLS.created" ;;
  exec) while [[ $1 != -- ]]; do shift; done; shift; "$@" > "$CALLS.exec" 2>&1 || echo "code $?" >> "$CALLS.exec" ;;
  rollout | port-forward | set | logs | describe | get) ;;
  *) echo "kubectl $1?" >&2; exit 1 ;;
esac
"""
RECORD = '#!/bin/sh\necho "$(basename "$0") $*" >> "$CALLS"\n'


def blocks(language):
    with open(GUIDE) as file:
        return re.findall(rf"^ *```{language}\n(.*?)^ *```", file.read(), re.MULTILINE | re.DOTALL)


class Guide(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        tools = os.path.join(self.folder, "tools")
        os.makedirs(os.path.join(self.folder, "docker"))
        os.mkdir(tools)
        for path, text in [("tools/kubectl", KUBECTL), ("docker/build", RECORD),
                           *((f"tools/{name}", RECORD) for name in ("kind", "docker", "curl"))]:
            with open(os.path.join(self.folder, path), "w") as out:
                out.write(text)
            os.chmod(out.name, 0o755)
        os.symlink(manifests.BATON, os.path.join(tools, "baton"))
        os.symlink(os.path.join(manifests.TREE, "configs"), os.path.join(self.folder, "configs"))
        self.calls = os.path.join(self.folder, "calls")
        self.environment = {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": self.calls, "REAL": manifests.KUBECTL}

    def type(self, block):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block + "\nwait"], cwd=self.folder, text=True,
                              env=self.environment, capture_output=True)
        self.assertEqual(done.returncode, 0, block + done.stdout + done.stderr)

    def read(self, ending=""):
        with open(self.calls + ending) as file:
            return file.read()

    def test_a_laptop_s_cluster_is_applied_and_asked(self):
        self.type(blocks("bash")[0])
        self.assertEqual(list(yaml.safe_load_all(self.read(".rendered"))), manifests.render("cpu-dev"))
        calls = self.read()
        [asked] = re.findall(r"^curl .*", calls, re.MULTILINE)
        port = re.search(r"port-forward service/baton (\d+):(\d+)", calls)
        [service] = [one for one in of_kind(manifests.render("cpu-dev"), "Service") if one["metadata"]["name"] == "baton"]
        self.assertEqual(int(port[2]), service["spec"]["ports"][0]["port"])
        self.assertIn(f"http://127.0.0.1:{port[1]}/v1/completions", asked)
        images = {container["image"] for _, template, _ in manifests.pod_templates(manifests.render("cpu-dev"))
                  for container in template["spec"]["containers"]}
        self.assertEqual(images, {"localhost/baton:cpu"})
        self.assertIn("kind load docker-image baton:cpu", calls)

    def test_a_cluster_with_gpus_gets_what_its_pods_wait_for(self):
        self.type(blocks("bash")[1])
        objects = manifests.render("multi-node-rdma")
        self.assertEqual(list(yaml.safe_load_all(self.read(".rendered"))), objects)
        made = {object["kind"]: object for object in yaml.safe_load_all(self.read(".created")) if object}
        self.assertEqual(made["Namespace"]["metadata"]["name"], "baton")
        self.assertEqual((made["Secret"]["metadata"]["name"], list(made["Secret"]["data"])), ("baton-keys", ["keys.txt"]))
        with open(os.path.join(self.folder, "alice.key")) as file:
            self.assertTrue(file.read().strip())
        # What is pushed is what pods pull.
        [pushed] = re.findall(r"docker push (\S+)", self.read())
        for _, template, _ in manifests.pod_templates(objects):
            self.assertEqual(template["spec"]["containers"][0]["image"], pushed)
        claims = {volume["persistentVolumeClaim"]["claimName"] for _, template, _ in manifests.pod_templates(objects)
                  for volume in template["spec"]["volumes"] if "persistentVolumeClaim" in volume}
        with open(GUIDE) as file:
            self.assertIn(f"a PersistentVolumeClaim `{claims.pop()}`", file.read())

    def test_a_ratio_is_asked_for_as_the_executable_wants_it(self):
        [block] = [block for block in blocks("bash") if "baton scale" in block]
        # Nobody listens there: that the command is sound is all there is to see.
        self.type(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", block))
        self.assertIn("Failed to connect to 127.0.0.1 port 9", self.read(".exec"))

    def test_names_what_there_is(self):
        with open(GUIDE) as file:
            text = file.read()
        rule = named(manifests.render("multi-node-rdma", ["monitoring"]), "PrometheusRule", "baton")
        alerts = {one["alert"] for group in rule["spec"]["groups"] for one in group["rules"]}
        self.assertEqual(set(re.findall(r"`(Baton[A-Z]\w+)`", text)), alerts)
        for folder, names in (("overlays", manifests.OVERLAYS),
                              ("components", os.listdir(os.path.join(manifests.KUBERNETES, "components")))):
            for name in names:
                self.assertIn(f"\n| `{name}` |", text, folder)
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            self.assertTrue(os.path.exists(os.path.join(manifests.KUBERNETES, link)), link)
        with open(os.path.join(manifests.TREE, "configs/metrics.md")) as file:
            metrics = file.read()
        for metric in set(re.findall(r"\bbaton_[a-z_]+|vllm:[a-z_]+", text)) - {"baton_"}:
            self.assertIn(metric, metrics)

    def test_an_overlay_of_one_s_own_renders_as_shown(self):
        [block] = [block for block in blocks("yaml") if "components:" in block]
        with open(os.path.join(self.folder, "kustomization.yaml"), "w") as out:
            out.write(block.replace("../baton", os.path.relpath(manifests.TREE, os.path.realpath(self.folder))))
        done = subprocess.run([manifests.KUBECTL, "kustomize", self.folder], capture_output=True, text=True)
        self.assertEqual(list(yaml.safe_load_all(done.stdout)), manifests.render("multi-node-rdma", ["monitoring"]),
                         done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
