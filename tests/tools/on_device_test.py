"""What bench/serving/on_device.py starts and reports, with a server, a GPU and a Multi-Process Service made of scripts."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/serving"))
import on_device  # noqa: E402

# Answers as its layout tells it to: DIFFERENT makes a split give other tokens. Keeps its arguments and its environment.
BATON = r"""#!/usr/bin/env python3
import http.server, json, os, sys, time
folder = os.environ["FAKE_FOLDER"]
if sys.argv[1] == "bench":
    options = dict(zip(sys.argv[2::1], sys.argv[3::1]))
    pair = {"p50": 2.0, "p99": 4.0}
    run = {"requests": {"failed": 0}, "errors": {}, "ttft_ms": pair, "tpot_ms": pair, "itl_ms": pair,
           "throughput": {"prompt_tokens_per_s": 5.0}}
    open(options["--json"], "w").write(json.dumps({"run": run}))
    # A load that never ends has begun before what is measured beside it is through.
    begun = folder + "/begun"
    if "--duration" in options:
        open(begun, "w").close()
    elif options["--concurrency" if "--concurrency" in options else "--rate"] == "16":
        while not os.path.exists(begun):
            time.sleep(0.01)
        os.remove(begun)
    sys.exit(0)
settings = sys.argv[2:]
with open(folder + "/servers", "a") as servers:
    servers.write(json.dumps({"settings": settings, "pipe": os.environ.get("CUDA_MPS_PIPE_DIRECTORY")}) + "\n")
if "workers.one_process=true" in settings and os.environ.get("NO_GREEN_CONTEXTS"):
    print("[error] the driver has no green contexts")
    sys.exit(1)
split = "workers.prefill.count=1" in settings
off = 1 if split and os.environ.get("DIFFERENT") else 0

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        kind = os.environ.get("FAKE_PATH", "shm")
        self.answer('baton_transport_info{kind="%s",staged="%s",worker="p0"} 1\n' % (kind, "false" if kind == "cuda_ipc" else "true")
                    + 'baton_transport_bytes_per_second{worker="p0"} 3e9\n')
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        logprobs = [-(len(asked["prompt"]) + i + off) / 8 for i in range(asked["max_tokens"])]
        self.answer(json.dumps({"choices": [{"logprobs": {"token_logprobs": logprobs}}]}))

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if os.environ.get("NO_CUBLASLT"):
    print("[warning] cuda:0 multiplies by Baton's own kernels, which are slow for prompts: libcublasLt.so.13: no such file")
print(f"baton ready: http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""

SMI = "#!/bin/sh\nfor i in $(seq ${GPUS:-1}); do echo \"GPU $i: NVIDIA H100\"; done\n"
# Told to start or to end; its folder is the caller's.
SERVICE = r"""#!/bin/sh
if [ "$1" = -d ]; then
  [ -z "$NO_SERVICE" ] || { echo "no permission" >&2; exit 1; }
  echo "start $CUDA_MPS_PIPE_DIRECTORY" >>"$FAKE_FOLDER/service"
else
  echo "$(cat) $CUDA_MPS_PIPE_DIRECTORY" >>"$FAKE_FOLDER/service"
fi
"""


class MeasuresLayouts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.script("baton", BATON)
        self.script("nvidia-smi", SMI)

    def script(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run_layouts(self, layouts, *, device="cuda", **environment):
        """The exit status and what was written."""
        result = subprocess.run(
            [sys.executable, "-B", ROOT / "bench/serving/on_device.py", "--baton", self.folder / "baton", "--device", device,
             "--shape", "tiny", "--layouts", layouts, "--ucx", "built without CUDA", "--json", self.folder / "out.json"],
            env=os.environ | {"PATH": f"{self.folder}:/usr/bin:/bin", "FAKE_FOLDER": str(self.folder)} | environment,
            capture_output=True, text=True, check=False, timeout=50)
        self.assertTrue((self.folder / "out.json").exists(), result.stderr)
        return result.returncode, json.loads((self.folder / "out.json").read_text())["layouts"]

    def servers(self):
        return [json.loads(line) for line in (self.folder / "servers").read_text().splitlines()]

    def test_a_split_has_the_tokens_of_mixed_and_says_how_kv_went(self):
        status, layouts = self.run_layouts("mixed,split")
        self.assertEqual(status, 0)
        self.assertTrue(layouts["split"]["same tokens"])
        self.assertEqual(layouts["split"]["figures"]["hand-off over shm, staged, GB/s"], 3.0)
        self.assertEqual(layouts["split"]["figures"]["hand-off over cuda_ipc, GB/s"],
                         "the workers have no such path; their UCX was built without CUDA")

    def test_a_path_between_gpus_is_the_one_that_is_measured(self):
        figures = self.run_layouts("mixed,split", FAKE_PATH="cuda_ipc")[1]["split"]["figures"]
        self.assertEqual({name: value for name, value in figures.items() if "hand-off" in name},
                         {"hand-off over cuda_ipc, GB/s": 3.0})
        self.assertNotIn("products by cuBLASLt", figures)

    def test_other_tokens_are_a_failure(self):
        status, layouts = self.run_layouts("mixed,split", DIFFERENT="1")
        self.assertEqual(status, 1)
        self.assertFalse(layouts["split"]["same tokens"])

    def test_halves_of_two_processes_run_under_a_service_of_their_own(self):
        self.script("nvidia-cuda-mps-control", SERVICE)
        status, layouts = self.run_layouts("mixed,split_service")
        self.assertEqual(status, 0)
        self.assertTrue(layouts["split_service"]["same tokens"])
        mixed, split = self.servers()
        self.assertIn("workers.prefill.sm_percent=50", split["settings"])
        self.assertIsNone(mixed["pipe"])
        self.assertEqual((self.folder / "service").read_text(), f"start {split['pipe']}\nquit {split['pipe']}\n")

    def test_a_host_without_the_service_is_no_failure(self):
        status, layouts = self.run_layouts("mixed,split_service")
        self.assertEqual(status, 0)
        self.assertEqual(layouts["split_service"], {"reason": "needs nvidia-cuda-mps-control, which is not here"})

    def test_a_service_that_does_not_start_says_why(self):
        self.script("nvidia-cuda-mps-control", SERVICE)
        status, layouts = self.run_layouts("split_service", NO_SERVICE="1")
        self.assertEqual(status, 0)
        self.assertEqual(layouts["split_service"]["reason"],
                         "needs the Multi-Process Service, which does not start: no permission")

    def test_a_server_that_does_not_start_leaves_the_other_layouts(self):
        status, layouts = self.run_layouts("one_process,graphs_off", NO_GREEN_CONTEXTS="1")
        self.assertEqual(status, 1)
        self.assertIn("the driver has no green contexts", layouts["one_process"]["reason"])
        self.assertIn("figures", layouts["graphs_off"])

    def test_ranks_need_as_many_gpus(self):
        self.assertEqual(self.run_layouts("tensor_parallel")[1]["tensor_parallel"], {"reason": "needs 2 GPUs, there is 1"})
        self.assertIn("figures", self.run_layouts("tensor_parallel", GPUS="2")[1]["tensor_parallel"])

    def test_figures_of_slow_products_say_so(self):
        figures = self.run_layouts("graphs_off", NO_CUBLASLT="1")[1]["graphs_off"]["figures"]
        self.assertEqual(figures["products by cuBLASLt"], "libcublasLt.so.13: no such file")

    def test_halves_are_of_gpus_alone(self):
        self.run_layouts("one_process", device="cpu")
        self.assertNotIn("workers.prefill.sm_percent=50", self.servers()[0]["settings"])


class IsReported(unittest.TestCase):
    def test_every_layout_has_a_row_among_the_results(self):
        rows = (ROOT / "bench/results/gpu.md").read_text()
        self.assertEqual([name for name in on_device.LAYOUTS if f"`{name}" not in rows], [])


if __name__ == "__main__":
    unittest.main()
