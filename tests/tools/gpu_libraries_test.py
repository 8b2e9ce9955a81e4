"""Where tools/gpu_libraries.py finds what is loaded on demand, among packages and a toolkit made of empty files."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/gpu_libraries.py"


class FindsLibraries(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.file("cuda/bin/nvcc")

    def file(self, name):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).touch()

    def run_tool(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder / "site"),
                       "CUDACXX": str(self.folder / "cuda/bin/nvcc")}
        return subprocess.run([sys.executable, "-B", "-s", TOOL, *arguments], env=environment, capture_output=True,
                              text=True, check=True).stdout.strip()

    def test_the_toolkit_comes_before_packages_and_others_are_left_out(self):
        for name in ("cuda/lib64/libcublasLt.so.13", "site/nvidia/nccl/lib/libnccl.so.2",
                     "site/nvidia/cu13/lib/libcublasLt.so.13", "site/nvidia/cudnn/lib/libcudnn.so.9"):
            self.file(name)
        self.assertEqual(self.run_tool(), ":".join(
            str(self.folder / name) for name in ("cuda/lib64", "site/nvidia/cu13/lib", "site/nvidia/nccl/lib")))

    def test_nccls_package_is_named_where_it_has_a_header(self):
        self.file("site/nvidia/nccl/lib/libnccl.so.2")
        self.assertEqual(self.run_tool("--nccl"), "")
        self.file("site/nvidia/nccl/include/nccl.h")
        self.assertEqual(self.run_tool("--nccl"), str(self.folder / "site/nvidia/nccl"))

    def test_a_host_with_neither_has_none(self):
        self.assertEqual(self.run_tool(), "")
        self.assertEqual(self.run_tool("--nccl"), "")


if __name__ == "__main__":
    unittest.main()
