"""What tools/gpu_results.py makes of parts: whole ones, stopped ones, missing ones."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
import gpu_results  # noqa: E402

H100 = "NVIDIA H100 80GB HBM3, 580.65"
CASE = {"op": "wgmma_gemm", "shape": "M 512 N 6144 K 4096 qkv", "bytes": 2e6, "flops": 4e9}


def part(stage, **changes):
    return {"stage": stage, "gpu": H100, "commit": "abc", "started": "2026-01-02T03:04:05", "limit_s": 9,
            "ended": "2026-01-02T03:04:06", "items": [gpu_results.new_item(stage, "all", "ok")]} | changes


def whole():
    return {stage: part(stage) for stage in gpu_results.STAGES}


def results(merged, stage):
    return {row["what"]: row["result"] for row in merged["table"] if row["stage"] == stage}


class MergesParts(unittest.TestCase):
    def test_all_well_succeeds_and_is_named_by_gpu_and_date(self):
        merged = gpu_results.merged(whole())
        self.assertTrue(merged["succeeded"])
        self.assertEqual((merged["gpu"], merged["date"]), (H100, "2026-01-02"))

    def test_a_stage_that_was_not_run_is_a_row(self):
        merged = gpu_results.merged(whole() | {"sanitizers": None})
        self.assertEqual(results(merged, "sanitizers"), {"sanitizers": "not measured: skipped: the stage was not run"})
        self.assertTrue(merged["succeeded"])

    def test_what_timed_out_loses_only_itself(self):
        late = part("sanitizers", items=[gpu_results.new_item("memcheck", "a", "ok"),
                                         gpu_results.new_item("memcheck", "b", "not measured", "timed out")])
        merged = gpu_results.merged(whole() | {"sanitizers": late})
        self.assertEqual(results(merged, "sanitizers"),
                         {"memcheck": "1 of 2 ok", "memcheck: b": "not measured: timed out"})
        self.assertEqual(results(merged, "server"), {"server": "1 of 1 ok"})
        self.assertFalse(merged["succeeded"])

    def test_a_part_that_never_ended_says_so(self):
        merged = gpu_results.merged(whole() | {"tests": part("tests", ended=None)})
        self.assertEqual(results(merged, "tests")["the rest of the stage"], "not measured: did not end")
        self.assertFalse(merged["succeeded"])

    def test_figures_of_another_gpu_are_not_mixed_in(self):
        older = part("server", gpu="NVIDIA H200, 580.65", started="2026-01-01T00:00:00")
        merged = gpu_results.merged(whole() | {"server": older})
        self.assertEqual(results(merged, "server")["server"],
                         "not measured: its figures are of another GPU, NVIDIA H200, 580.65")

    def test_without_a_gpu_what_needs_one_is_no_failure(self):
        item = gpu_results.new_item("gpu", "gpu.rms_norm", "not measured", "no device")
        merged = gpu_results.merged(whole() | {"tests": part("tests", gpu="", items=[item])})
        self.assertEqual(results(merged, "tests")["gpu: gpu.rms_norm"], "not measured: no device")
        self.assertTrue(merged["succeeded"])

    def test_with_a_gpu_a_skipped_test_is_no_success(self):
        item = gpu_results.new_item("gpu", "gpu.rms_norm", "not measured", "skipped: all of its cases")
        self.assertFalse(gpu_results.merged(whole() | {"tests": part("tests", items=[item])})["succeeded"])


class ShowsFigures(unittest.TestCase):
    def row(self, kernels, peers):
        figures = {"kernels": {"rows": [kernels]}, "peers": peers}
        merged = gpu_results.merged(whole() | {"benches": part("benches", figures=figures)})
        return results(merged, "benches")

    def test_a_peer_is_shown_as_a_ratio(self):
        peer = {"op": CASE["op"], "shape": CASE["shape"], "peer": "torch.matmul", "us": 5.0}
        rows = self.row(CASE | {"us": 10.0}, {"rows": [peer]})
        self.assertEqual(rows["wgmma_gemm: M 512 N 6144 K 4096 qkv"],
                         "10.00 us, 200 GB/s, 400.0 TFLOP/s; torch.matmul takes 0.50 times as long")

    def test_a_case_without_a_time_stays_with_the_reason(self):
        rows = self.row(CASE, {"reason": "no PyTorch here"})
        self.assertEqual(rows["wgmma_gemm: M 512 N 6144 K 4096 qkv"], "not measured: did not end")
        self.assertEqual(rows["PyTorch's"], "not measured: no PyTorch here")

    def test_a_case_that_a_host_cannot_do_says_why(self):
        rows = self.row(CASE | {"reason": "cuBLASLt cannot be loaded"}, {"rows": []})
        self.assertEqual(rows["wgmma_gemm: M 512 N 6144 K 4096 qkv"], "not measured: cuBLASLt cannot be loaded")

    def test_a_peer_without_a_time_says_why(self):
        peer = {"op": CASE["op"], "shape": CASE["shape"], "peer": "torch.matmul", "reason": "timed out"}
        rows = self.row(CASE | {"us": 10.0}, {"rows": [peer]})
        self.assertIn("torch.matmul not measured: timed out", rows["wgmma_gemm: M 512 N 6144 K 4096 qkv"])


    def test_the_roofline_is_that_of_the_same_run(self):
        kernels = {"copy_bytes_per_s": 1e12, "rows": [CASE | {"us": 10.0}, CASE | {"shape": "M 1 ", "us": 4.0}]}
        merged = gpu_results.merged(whole() | {"benches": part("benches", figures={"kernels": kernels})})
        rows = results(merged, "benches")
        # The faster product is the roof of both; 2 MB would take 2 us.
        self.assertIn("40 % of the roofline", rows["wgmma_gemm: M 512 N 6144 K 4096 qkv"])
        self.assertIn("100 % of the roofline", rows["wgmma_gemm: M 1 "])

    def test_sums_over_gpus_stand_beside_those_of_nccl(self):
        case = {"op": "sum over 2 GPUs", "shape": "16 rows of 4096"}
        sums = {"rows": [case | {"bytes": 131072, "flops": 65536, "us": 10.0}],
                "peers": [case | {"peer": "NCCL", "us": 25.0}]}
        merged = gpu_results.merged(whole() | {"benches": part("benches", figures={"sums": sums})})
        self.assertEqual(results(merged, "benches")["sum over 2 GPUs: 16 rows of 4096"],
                         "10.00 us, 13 GB/s, 0.0 TFLOP/s; NCCL takes 2.50 times as long")

    def test_a_peer_that_is_not_installed_is_a_row(self):
        rows = self.row(CASE | {"us": 10.0}, {"rows": [], "missing": {"FlashInfer": "flashinfer is not installed"}})
        self.assertEqual(rows["FlashInfer's"], "not measured: flashinfer is not installed")


class ShowsServers(unittest.TestCase):
    def rows(self, stage, server):
        merged = gpu_results.merged(whole() | {stage: part(stage, figures={stage: server})})
        return results(merged, stage)

    def test_a_figure_may_be_two_or_a_reason(self):
        figures = {"decode step, ms": 7.5, "tpot_ms p50 / p99": [8.0, 9.25], "hand-off over cuda_ipc, GB/s": "no path"}
        rows = self.rows("server", {"asked": ["split"], "layouts": {"split": {"figures": figures}}})
        self.assertEqual(rows["split: decode step, ms"], "7.50")
        self.assertEqual(rows["split: tpot_ms p50 / p99"], "8.00 / 9.25")
        self.assertEqual(rows["split: hand-off over cuda_ipc, GB/s"], "not measured: no path")

    def test_every_layout_that_was_asked_for_is_there(self):
        layouts = {"graphs_off": {"figures": {}, "same tokens": False},
                   "tensor_parallel": {"reason": "needs 2 GPUs, there is 1"}}
        rows = self.rows("variants", {"asked": ["graphs_off", "tensor_parallel", "overlap_off"], "layouts": layouts})
        self.assertEqual(rows["graphs_off: tokens"], "DIFFERENT FROM MIXED")
        self.assertEqual(rows["tensor_parallel"], "not measured: needs 2 GPUs, there is 1")
        self.assertEqual(rows["overlap_off"], "not measured: did not end")

    def test_a_stage_without_figures_has_no_rows_of_them(self):
        self.assertEqual(self.rows("server", None), {"server": "1 of 1 ok"})


class ReadsCTest(unittest.TestCase):
    ENTRIES = "  Test #1: gpu.a\n  Test #2: gpu.b\n  Test #3: gpu.c\n  Test #14: gpu.d\n  Test #5: gpu.e\n"
    LOG = """
 1/5 Test  #1: gpu.a ....................   Passed    0.51 sec
 2/5 Test  #2: gpu.b ....................***Failed    0.51 sec
 3/5 Test  #3: gpu.c ....................***Skipped   0.01 sec
 4/5 Test #14: gpu.d ....................***Not Run   0.00 sec
"""

    def states(self, gpu):
        items = gpu_results.test_items("gpu", self.ENTRIES, self.LOG, "", gpu)
        return {i["name"]: (i["state"], i.get("reason", "")) for i in items}

    def test_every_entry_has_a_state(self):
        self.assertEqual(self.states(H100), {
            "gpu.a": ("ok", ""), "gpu.b": ("FAILED", "Failed"),
            "gpu.c": ("not measured", "skipped: all of its cases"),
            "gpu.d": ("not measured", "did not run: not built"), "gpu.e": ("not measured", "timed out")})

    def test_without_a_gpu_skipping_is_for_want_of_it(self):
        self.assertEqual(self.states("")["gpu.c"], ("not measured", "no device"))

    def test_a_case_that_skips_in_an_entry_that_passed_is_named(self):
        items = gpu_results.test_items("gpu", self.ENTRIES, self.LOG, "skipped  gpu.a: Sum.OfTwo (one GPU)\n", H100)
        self.assertEqual(items[-1]["name"], "gpu.a: Sum.OfTwo (one GPU)")


class KeepsFiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.parts = self.folder / "parts"
        self.parts.mkdir()

    def merge(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = gpu_results.merge(self.folder)
        return status, out.getvalue()

    def test_the_merged_file_holds_all_stages(self):
        for stage, content in whole().items():
            gpu_results.write(self.parts / f"{stage}.json", content)
        self.assertEqual(self.merge()[0], 0)
        merged = json.loads((self.folder / "2026-01-02-nvidia-h100-80gb-hbm3.json").read_text())
        self.assertEqual(tuple(merged["stages"]), gpu_results.STAGES)

    def test_without_any_gpu_no_file_is_written(self):
        gpu_results.write(self.parts / "tests.json", part("tests", gpu=""))
        self.assertIn("no file written", self.merge()[1])
        self.assertEqual(list(self.folder.glob("*.json")), [])

    def test_a_part_cut_short_is_one_that_was_not_run(self):
        gpu_results.write(self.parts / "tests.json", part("tests"))
        (self.parts / "build.json").write_text('{"stage": "bu')
        self.assertRegex(self.merge()[1], "^build +build +not measured: skipped: the stage was not run")

    def test_figures_of_a_stage_stopped_from_outside_count(self):
        gpu_results.write(self.parts / "benches.json", part("benches", ended=None, items=[]))
        gpu_results.write(self.parts / "figures-kernels.json", {"rows": [CASE | {"us": 10.0}]})
        self.assertIn("10.00 us", self.merge()[1])

    def test_items_that_arrive_at_once_are_all_kept(self):
        path = self.parts / "sanitizers.json"
        gpu_results.begin(path, "sanitizers", "9", "abc", H100)
        command = [sys.executable, "-B", str(TOOLS / "gpu_results.py"), "item", str(path), "memcheck"]
        running = [subprocess.Popen([*command, str(i), "ok"]) for i in range(8)]
        self.assertEqual([p.wait() for p in running], [0] * 8)
        self.assertEqual({i["name"] for i in gpu_results.read(path)["items"]}, {str(i) for i in range(8)})


if __name__ == "__main__":
    unittest.main()
