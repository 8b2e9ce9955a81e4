"""What can be said of docker's images without building them: their size, what their lists of packages hold, and that
what their steps name is there. The argument is the executable."""

import json
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
CUDA = pathlib.Path("/usr/local/cuda")
MOST_MB = 2000
BATON = sys.argv.pop() if len(sys.argv) > 1 else ""


def output_of(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def instructions(name):
    """(instruction, rest) of a Dockerfile, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


class Size(unittest.TestCase):
    @unittest.skipUnless(BATON and (CUDA / "lib64/libnccl.so.2").exists(), "no CUDA toolkit with NCCL here")
    @unittest.skipUnless(list(pathlib.Path("/var/lib/apt/lists").glob("*Packages*")), "no package lists of apt here")
    def test_the_cuda_image_stays_under_2_gb(self):
        printed = output_of("docker/size", "cuda", BATON, str(CUDA))
        print(printed, end="", flush=True)
        whole = int(re.search(r"in all (\d+) MB", printed)[1])
        self.assertTrue(600 < whole < MOST_MB, printed)


class Sbom(unittest.TestCase):
    LISTS = ("docker/cuda-requirements.txt", "docker/cuda-sources.txt")

    def test_names_all_packages_and_what_else_is_fetched(self):
        document = json.loads(output_of("docker/sbom", "baton", "1.2", *self.LISTS))
        self.assertEqual((document["spdxVersion"], document["dataLicense"]), ("SPDX-2.3", "CC0-1.0"))
        urls = [package["externalRefs"][0]["referenceLocator"] for package in document["packages"]]
        installed = output_of("dpkg-query", "-W", "-f", "${Package}\n").splitlines()
        self.assertEqual(len([url for url in urls if url.startswith("pkg:deb/debian/")]), len(installed))
        wanted = [line for line in (ROOT / self.LISTS[0]).read_text().splitlines() if "==" in line]
        for line in wanted:
            self.assertIn("pkg:pypi/" + line.replace("==", "@"), urls)
        self.assertTrue([url for url in urls if re.fullmatch(r"pkg:github/openucx/ucx@[0-9a-f]{40}", url)], urls)
        self.assertIn("pkg:generic/baton@1.2", urls)

    def test_relates_what_it_names(self):
        document = json.loads(output_of("docker/sbom", "baton", "1.2", *self.LISTS))
        ids = [package["SPDXID"] for package in document["packages"]]
        self.assertEqual(len(set(ids)), len(ids))
        related = [relation["relatedSpdxElement"] for relation in document["relationships"]]
        self.assertEqual(sorted(related), sorted(ids))
        again = json.loads(output_of("docker/sbom", "baton", "1.2", *self.LISTS))
        self.assertEqual(again["documentNamespace"], document["documentNamespace"])
        other = json.loads(output_of("docker/sbom", "baton", "1.3", *self.LISTS))
        self.assertNotEqual(other["documentNamespace"], document["documentNamespace"])


class Steps(unittest.TestCase):
    FILES = ("Dockerfile", "Dockerfile.cuda")

    def test_copy_what_is_there(self):
        for name in self.FILES:
            stages, ignored = set(), set((DOCKER / f"{name}.dockerignore").read_text().split())
            for instruction, rest in instructions(name):
                if instruction == "FROM":
                    stages.update(re.findall(r" AS (\w+)", rest))
                if instruction != "COPY":
                    continue
                words = rest.split()
                if words[0].startswith("--from="):
                    self.assertIn(words[0].removeprefix("--from="), stages, name)
                    continue
                for source in words[:-1]:
                    self.assertTrue((ROOT / source).exists(), f"{name}: {source}")
                    self.assertNotIn(source.split("/")[0], ignored, name)

    def test_install_sets_that_there_are(self):
        listed = {line.split()[0] for line in (ROOT / "tools/packages.txt").read_text().splitlines()
                  if line and not line.startswith("#")}
        for name in self.FILES:
            text = "\n".join(rest for instruction, rest in instructions(name) if instruction == "RUN")
            sets = [one for found in re.findall(r"install_packages ((?:[a-z-]+ ?)+)", text) for one in found.split()]
            self.assertIn("runtime", sets)
            self.assertLessEqual(set(sets), listed, name)

    def test_fetch_the_commit_that_the_list_of_sources_says(self):
        [step] = [rest for instruction, rest in instructions("Dockerfile.cuda")
                  if instruction == "RUN" and "git fetch" in rest]
        command = step.split("&& git init")[0] + '&& echo "$url $commit"'
        printed = output_of("sh", "-c", command.replace("../", "docker/"))
        self.assertRegex(printed, r"^https://github\.com/openucx/ucx [0-9a-f]{40}\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
