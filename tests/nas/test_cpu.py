from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nas import cpu


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse2 avx avx2 avx512f avx512bw avx512_bf16", "AVX-512 with bfloat16"),
        ("fpu sse2 avx avx2 avx512f avx512bw", "AVX-512"),
        ("fpu sse2 avx avx2", "AVX2"),
        ("fpu sse2 avx", platform.machine()),
        ("fpu avx2x notavx512f", platform.machine()),
    ],
)
def test_the_class_follows_from_the_flags(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: a CPU with avx512_bf16 in its name\nflags\t\t: {flags}\n")
    monkeypatch.setattr(cpu, "_FEATURES", file)
    assert cpu.cpu_class() == expected


def test_without_such_a_file_it_is_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_FEATURES", tmp_path / "none")
    assert cpu.cpu_class() == platform.machine()


def test_it_agrees_with_torch() -> None:
    import torch

    found = torch.cpu.get_capabilities()
    names = {"AVX-512 with bfloat16": "avx512_bf16", "AVX-512": "avx512_f", "AVX2": "avx2"}
    assert cpu.cpu_class() == next((name for name, key in names.items() if found.get(key)), platform.machine())


def test_it_needs_no_torch() -> None:
    code = "import sys, nas.cpu; nas.cpu.cpu_class(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
