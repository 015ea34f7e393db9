"""No module of the checker needs, directly or through others, itself; the package alone loads no torch."""

import subprocess
import sys
from graphlib import TopologicalSorter

from tests.test_architecture import ROOT, imports


def test_no_import_circle() -> None:
    graph = {}
    for file in ROOT.glob("constraints/**/*.py"):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        if not module.endswith("__init__"):  # the package's names load on first use
            graph[module] = {name for _, name in imports(file)}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_package_and_its_report_load_no_torch() -> None:
    code = "import sys, constraints; constraints.Report; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
