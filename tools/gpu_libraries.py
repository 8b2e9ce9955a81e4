#!/usr/bin/env python3
"""Where a GPU host has what Baton loads on demand: CUDA's own folder, and the packages that PyTorch brings along.

    tools/gpu_libraries.py           # the folders with NCCL or cuBLASLt, as LD_LIBRARY_PATH has them
    tools/gpu_libraries.py --nccl    # the package of NCCL, which has include/nccl.h; nothing where there is none
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

LOADED = ("libnccl.so.2", "libcublasLt.so.*")


def packages() -> list[Path]:
    """NVIDIA's packages from PyPI, of the Python that runs this."""
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations or []) if spec else []
    return sorted(folder for root in roots for folder in Path(root).glob("*") if folder.is_dir())


def toolkit() -> Path:
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    return Path(nvcc).resolve().parents[1]


def folders() -> list[Path]:
    candidates = [toolkit() / "lib64"] + [package / "lib" for package in packages()]
    return [folder for folder in candidates if any(any(folder.glob(name)) for name in LOADED)]


def nccl() -> Path | None:
    return next((package for package in packages() if (package / "include/nccl.h").exists()), None)


def main(arguments: list[str]) -> None:
    if arguments == ["--nccl"]:
        print(nccl() or "")
    elif not arguments:
        print(":".join(map(str, folders())))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
