"""What `./dev gpu-test` builds with, on hosts that lack this or that: cmake, ninja and make are scripts."""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ("awk", "bash", "dirname", "env", "grep", "mkdir", "nproc", "python3", "readlink", "sed", "touch")
# Configures a folder for the generator that it is told.
CMAKE = """#!/bin/bash
echo "cmake $*" >>"$CALLS"
while [[ $# -gt 0 ]]; do
  [[ $1 != -B ]] || folder=$2
  [[ $1 != -G ]] || generator=$2
  shift
done
mkdir -p "$folder"
[[ ${generator:-} == "Unix Makefiles" ]] && touch "$folder/Makefile" || touch "$folder/build.ninja"
"""
MAKE = """#!/bin/bash
echo "make $*" >>"$CALLS"
"""
NINJA = """#!/bin/bash
echo "ninja $*" >>"$CALLS"
"""


class Builds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name)
        (self.tree / "tools").mkdir()
        self.script("dev", (ROOT / "dev").read_text().replace("/usr/src/googletest", str(self.tree / "packaged")))
        self.script("tools/gpu_libraries.py", "#!/bin/bash\necho /packages/nccl\n")
        self.script("tools/install_packages", "#!/bin/bash\necho \"install $*\" >>\"$CALLS\"\nexit 1\n")
        (self.tree / "CMakePresets.json").touch()
        (self.tree / "build/googletest").mkdir(parents=True)
        for command in NEEDED:
            found = next(p for p in (pathlib.Path("/usr/bin") / command, pathlib.Path("/bin") / command) if p.exists())
            (self.tree / "bin" / command).parent.mkdir(exist_ok=True)
            (self.tree / "bin" / command).symlink_to(found)
        self.script("bin/cmake", CMAKE)

    def script(self, name, text):
        path = self.tree / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def compile(self, what):
        """The exit status, what was called, and all that was said."""
        calls = self.tree / "calls"
        calls.write_text("")
        result = subprocess.run([self.tree / "dev", "gpu-test", "--compile", what], capture_output=True, text=True,
                                check=False, timeout=50, env={"PATH": str(self.tree / "bin"), "CALLS": str(calls),
                                                              "HOME": os.environ.get("HOME", "/"), "DEV_JOBS": "2"})
        return result.returncode, calls.read_text().splitlines(), result.stdout + result.stderr

    def test_ninja_builds_where_it_is(self):
        self.script("bin/ninja", NINJA)
        self.script("bin/make", MAKE)
        status, calls, _ = self.compile("gpu")
        self.assertEqual(status, 0)
        self.assertNotIn("-G", calls[0])
        self.assertEqual(calls[-1], "ninja -C build/gpu -j 2 baton_gpu_tests baton_benches")

    def test_make_builds_where_ninja_is_not(self):
        self.script("bin/make", MAKE)
        status, calls, _ = self.compile("gpu")
        self.assertEqual(status, 0)
        self.assertIn("-G Unix Makefiles", calls[0])
        self.assertIn(f"-DBATON_GOOGLETEST={self.tree.resolve()}/build/googletest", calls[0])
        self.assertIn("-DCMAKE_PREFIX_PATH=/packages/nccl", calls[0])
        self.assertEqual(calls[-1], "make -C build/gpu -j 2 baton_gpu_tests baton_benches")
        self.assertEqual(self.compile("all")[1][-1], "make -C build/gpu -j 2 all baton_benches")

    def test_without_googletest_benchmarks_are_built_and_it_is_said_what_to_carry(self):
        self.script("bin/make", MAKE)
        (self.tree / "build/googletest").rmdir()
        status, calls, said = self.compile("all")
        self.assertEqual(status, 0)
        self.assertEqual(calls[0], "install gpu-test")
        self.assertIn("-DBATON_TESTS=OFF", calls[1])
        self.assertIn("carry build/googletest here, which ./dev gpu-test --pack makes", said)

    def test_a_host_with_neither_is_told_so(self):
        status, _, said = self.compile("all")
        self.assertEqual(status, 2)
        self.assertIn("there is neither ninja nor make", said)


if __name__ == "__main__":
    unittest.main()
