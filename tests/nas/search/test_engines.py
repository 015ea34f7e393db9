from __future__ import annotations

from nas.config import LaunchConfig
from nas.cpu import cpu_class
from nas.search.engines import machine_name


def test_what_trains_is_named() -> None:
    assert machine_name(LaunchConfig(device="cpu")) == cpu_class()
    assert machine_name(LaunchConfig(engine="ray")) == "Ray cluster"
