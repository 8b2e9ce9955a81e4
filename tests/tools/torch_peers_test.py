"""What bench/kernels/torch_peers.py asks of its peers, told by stand-ins: there is no PyTorch here."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/kernels"))
import torch_peers  # noqa: E402

DECODE = {"op": "paged_attention", "shape": "S 3 T 1 kv 40 H 32/8 D 128"}
CHUNK = {"op": "paged_prefill", "shape": "64 of 256, heads 32/8 of 128, blocks of 32"}


class Torch(types.ModuleType):
    """PyTorch, as far as shapes go."""
    __version__ = "2.0"
    int32 = bfloat16 = uint8 = "type"

    def __init__(self):
        super().__init__("torch")
        self.cuda = types.SimpleNamespace(empty_cache=lambda: None)

    @staticmethod
    def tensor(values, **_):
        return values

    @staticmethod
    def empty(*_, **__):
        return []

    @staticmethod
    def randn(*extents, **_):
        return extents


class FlashInfer:
    """Keeps what it was asked."""
    __version__ = "0.9"

    def __init__(self):
        self.plans = []

    def BatchDecodeWithPagedKVCacheWrapper(self, *_, **__):  # noqa: N802
        return self

    BatchPrefillWithPagedKVCacheWrapper = BatchDecodeWithPagedKVCacheWrapper

    def plan(self, *tables, **options):
        self.plans.append((tables, options))

    def run(self, q, kv):
        return q, kv


class ReadsShapes(unittest.TestCase):
    def test_blocks_are_of_sixteen_tokens_unless_the_shape_says_so(self):
        decode = {"S": 3, "T": 1, "kv": 40, "D": 96}
        self.assertEqual(torch_peers.attention_of("S 3 T 1 kv 40 H 32/8 D 96"), decode | {"P": 16})
        self.assertEqual(torch_peers.attention_of("S 3 T 1 kv 40 H 32/8 D 96 P 64"), decode | {"P": 64})

    def test_a_window_has_no_peer(self):
        self.assertIsNone(torch_peers.attention_of("S 3 T 1 kv 40 H 32/8 D 96 window 16"))


class AsksFlashInfer(unittest.TestCase):
    def setUp(self):
        self.torch, self.inputs = Torch(), []
        attention = types.ModuleType("torch.nn.attention")
        attention.SDPBackend = types.SimpleNamespace(CUDNN_ATTENTION=1, FLASH_ATTENTION=2)
        modules = {"torch": self.torch, "torch.nn": types.ModuleType("torch.nn"), "torch.nn.attention": attention}
        sys.modules.update(modules)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in modules])
        real = torch_peers.microseconds, torch_peers.time_attention
        self.addCleanup(lambda: vars(torch_peers).update(microseconds=real[0], time_attention=real[1]))
        torch_peers.microseconds = lambda _, prepare, run, __: self.inputs.append(prepare()) or 5.0
        torch_peers.time_attention = lambda *_: 7.0

    def measure(self, flashinfer, cases):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = pathlib.Path(folder) / "peers.json"
            torch_peers.measure(self.torch, flashinfer, cases, path)
            return json.loads(path.read_text())

    def test_a_decode_has_the_blocks_of_all_sequences_apart(self):
        flashinfer = FlashInfer()
        self.measure(flashinfer, [DECODE])
        tables, _ = flashinfer.plans[0]
        self.assertEqual(tables, ([0, 3, 6, 9], [0, 3, 6, 1, 4, 7, 2, 5, 8], [8, 8, 8], 32, 8, 128, 16))
        self.assertEqual(self.inputs[-1], [(3, 32, 128), (9, 8, 16, 128), (9, 8, 16, 128)])

    def test_a_chunk_is_behind_its_context(self):
        flashinfer = FlashInfer()
        self.measure(flashinfer, [CHUNK])
        tables, options = flashinfer.plans[0]
        self.assertEqual(tables, ([0, 64], [0, 8], list(range(8)), [32], 32, 8, 128, 32))
        self.assertTrue(options["causal"])

    def test_it_comes_after_all_others_and_says_its_version(self):
        measured = self.measure(FlashInfer(), [DECODE, CHUNK])
        self.assertEqual([row["peer"] for row in measured["rows"]],
                         ["SDPA (cuDNN)", "SDPA (flash)"] * 2 + ["FlashInfer"] * 2)
        self.assertEqual(measured["flashinfer"], "0.9")
        self.assertEqual(measured["rows"][-1]["us"], 5.0)

    def test_where_it_is_not_installed_that_is_said(self):
        measured = self.measure(None, [DECODE])
        self.assertEqual(measured["missing"], {"FlashInfer": "flashinfer is not installed"})

    def test_what_it_fails_with_is_the_reason(self):
        flashinfer = FlashInfer()
        flashinfer.plan = lambda *_, **__: 1 / 0
        self.assertEqual(self.measure(flashinfer, [DECODE])["rows"][-1]["reason"], "division by zero")


if __name__ == "__main__":
    unittest.main()
