"""What stages tools/run_gpu_tests goes through, with a GPU and a kernels' benchmark made of scripts."""

import json
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

SMI = """#!/bin/sh
if [ "$1" = -L ]; then
  for i in $(seq "${GPUS:-1}"); do echo "GPU $i: NVIDIA H100"; done
else
  echo "NVIDIA H100 80GB HBM3, 580.65"
fi
"""
BENCH = """#!/bin/sh
while [ "$1" != --json ]; do shift; done
cat >"$2" <<'END'
{"gpu": "NVIDIA H100", "copy_bytes_per_s": 3e12, "rows": [
 {"op": "gather_rows", "shape": "1 of 64 rows of 4096", "bytes": 16384, "flops": 0, "us": 2.5, "spread": 0.1},
 {"op": "attention, decode", "shape": "S 1 T 1 kv 1024 H 32/8 D 128", "bytes": 4e6, "flops": 1e7}]}
END
exit "${BENCH_STATUS:-0}"
"""
SANITIZER = """#!/bin/sh
case "$*" in *racecheck*gpu_b_test) echo "a race"; exit 9 ;; esac
"""


SUMS = """#!/bin/sh
[ -z "$NO_NCCL" ] || { echo "not measured: NCCL cannot be loaded"; exit 77; }
while [ "$1" != --json ]; do shift; done
cat >"$2" <<'END'
{"rows": [{"op": "sum over 2 GPUs", "shape": "1 rows of 4096", "bytes": 8192, "flops": 4096, "us": 10}],
 "peers": [{"op": "sum over 2 GPUs", "shape": "1 rows of 4096", "peer": "NCCL", "us": 20}]}
END
"""

# Tells where it is to look for libraries, first and then.
ON_DEVICE = """#!/usr/bin/env python3
import json, os, sys
first, _, others = os.environ["LD_LIBRARY_PATH"].partition(":")
results = {"asked": ["mixed"], "layouts": {"mixed": {"figures": {first: others}}}}
json.dump(results, open(sys.argv[sys.argv.index("--json") + 1], "w"))
"""


class GoesThroughStages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.script("host/nvidia-smi", SMI)
        self.script("build/bin/bench/kernels.cuda", BENCH)

    def script(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run_stages(self, stages, cwd=ROOT, **environment):
        """The exit status and the table, by what."""
        path = f"{self.folder}/host:/usr/bin:/bin"
        result = subprocess.run(
            ["tools/run_gpu_tests", "release", self.folder / "build", self.folder / "results", "1", stages], cwd=cwd,
            env=os.environ | {"PATH": path, "BATON_COMMIT": "abc"} | environment,
            capture_output=True, text=True, check=False, timeout=50)
        rows = re.findall(r"^(\w+)  +(.+?)  +(\S.*)$", result.stdout, re.M)
        return result.returncode, {what: text for stage, what, text in rows if stage in stages}

    def test_one_gpu_leaves_sums_over_several_unmeasured(self):
        status, table = self.run_stages("benches")
        self.assertEqual(status, 0)
        self.assertTrue(table["gather_rows: 1 of 64 rows of 4096"].startswith("2.50 us, 7 GB/s"))
        self.assertEqual(table["benches: peer_sum beside NCCL's sum"], "not measured: there is one GPU")

    def test_two_gpus_have_sums_beside_nccls(self):
        self.script("build/bin/bench/collective.cuda", SUMS)
        status, table = self.run_stages("benches", GPUS="2")
        self.assertEqual(status, 0)
        self.assertIn("NCCL takes 2.00 times as long", table["sum over 2 GPUs: 1 rows of 4096"])

    def test_sums_beside_an_nccl_that_is_not_there_say_so(self):
        self.script("build/bin/bench/collective.cuda", SUMS)
        status, table = self.run_stages("benches", GPUS="2", NO_NCCL="1")
        self.assertEqual(status, 0)
        self.assertEqual(table["benches: peer_sum beside NCCL's sum"], "not measured: NCCL cannot be loaded")

    def test_what_needs_two_gpus_is_no_failure_of_one(self):
        self.script("build/CTestTestfile.cmake",
                    'add_test(gpu.group "/bin/false")\nset_tests_properties(gpu.group PROPERTIES LABELS "gpu")\n'
                    'add_test(gpu.sample "/bin/true")\nset_tests_properties(gpu.sample PROPERTIES LABELS "gpu")\n'
                    'add_test(kernels.a "/bin/true")\nset_tests_properties(kernels.a PROPERTIES LABELS "kernels")\n')
        status, table = self.run_stages("tests")
        self.assertEqual(status, 0)
        self.assertEqual(table["gpu: gpu.group"], "not measured: there is one GPU")
        self.assertEqual(self.run_stages("tests", GPUS="2")[1]["gpu: gpu.group"], "FAILED: Failed")

    def test_without_googletest_the_tests_say_what_to_carry(self):
        status, table = self.run_stages("tests")
        self.assertEqual(status, 1)
        self.assertIn("./dev gpu-test --pack makes build/googletest", table["tests: all"])

    def test_a_server_is_unpacked_without_xz_and_finds_its_own_libraries_first(self):
        self.script("tree/bench/serving/on_device.py", ON_DEVICE)
        (self.folder / "tree/tools").symlink_to(ROOT / "tools")
        (self.folder / "tree/build").mkdir()
        with tarfile.open(self.folder / "tree/build/gpu-server.tar.xz", "w:xz") as packed:
            packed.add(self.folder / "host", "lib")
        for command in pathlib.Path("/usr/bin").iterdir():
            if command.name != "xz":
                (self.folder / "usr" / command.name).parent.mkdir(exist_ok=True)
                (self.folder / "usr" / command.name).symlink_to(command)
        status, table = self.run_stages("server", cwd=self.folder / "tree", LD_LIBRARY_PATH="/theirs",
                                        PATH=f"{self.folder}/host:{self.folder}/usr")
        self.assertEqual(status, 0)
        unpacked = f"{self.folder}/build/server/lib"
        self.assertTrue(table["mixed: " + unpacked].startswith("not measured: /theirs"), table)
        self.assertTrue((self.folder / "build/server/lib/nvidia-smi").exists())

    def test_what_is_written_is_named_by_day_and_gpu_and_holds_the_table(self):
        self.run_stages("benches")
        written, = (self.folder / "results").glob("*-nvidia-h100-80gb-hbm3.json")
        self.assertRegex(written.name, r"^\d{4}-\d\d-\d\d-")
        self.assertIn("not measured: skipped: the stage was not run",
                      [row["result"] for row in json.loads(written.read_text())["table"] if row["what"] == "server"])

    def test_a_benchmark_that_fails_keeps_what_it_measured(self):
        status, table = self.run_stages("benches", BENCH_STATUS="3")
        self.assertEqual(status, 1)
        self.assertEqual(table["benches: kernels"], "FAILED: exit code 3")
        self.assertIn("2.50 us", table["gather_rows: 1 of 64 rows of 4096"])

    def test_a_race_fails_only_its_test(self):
        self.script("host/compute-sanitizer", SANITIZER)
        for test in ("a", "b"):
            self.script(f"build/bin/gpu_{test}_test", "#!/bin/sh\n")
        status, table = self.run_stages("sanitizers")
        self.assertEqual(status, 1)
        self.assertEqual(table["memcheck"], "2 of 2 ok")
        self.assertEqual(table["racecheck"], "1 of 2 ok")
        self.assertEqual(table["racecheck: gpu_b_test"], "FAILED: exit code 9")

    def test_sanitizers_leave_out_what_needs_two_gpus_where_there_is_one(self):
        self.script("host/compute-sanitizer", SANITIZER)
        for test in ("a", "group"):
            self.script(f"build/bin/gpu_{test}_test", "#!/bin/sh\n")
        self.assertEqual(self.run_stages("sanitizers")[1]["memcheck"], "1 of 1 ok")
        self.assertEqual(self.run_stages("sanitizers", GPUS="2")[1]["memcheck"], "2 of 2 ok")

    def test_stages_have_less_than_twenty_minutes_and_calls_less_than_ten(self):
        text = (ROOT / "tools/run_gpu_tests").read_text()
        limits = {name: int(seconds) for name, seconds in re.findall(r"\[(\w+)\]=(\d+)", text)}
        self.assertEqual(len(limits), 6)
        self.assertLess(sum(limits.values()), 1200)
        for call in (("build",), ("tests", "sanitizers", "benches"), ("server", "variants")):
            self.assertLess(sum(limits[stage] for stage in call), 600)

    def test_an_unknown_stage_is_refused(self):
        self.assertEqual(self.run_stages("bench")[0], 2)


if __name__ == "__main__":
    unittest.main()
