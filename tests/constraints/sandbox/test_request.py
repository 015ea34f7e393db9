"""A request means the same on both sides of the pipe."""

from pathlib import Path

from constraints.rules import parse_all
from constraints.sandbox.request import Job, Limits, Request, Target

TARGET = Target(text="net.py:Net", file=Path("net.py"), module="", name="Net")


def test_a_request_of_defaults_reads_back() -> None:
    request = Request(target=TARGET, require=parse_all(["params < 3"]))
    assert Request.from_dict(Job.from_json(request.job().to_json()).arguments) == request


def test_a_request_with_every_option_reads_back() -> None:
    request = Request(
        target=Target(text="a.b:c", file=None, module="a.b", name="c"),
        input=(1, 8),
        arguments={"width": 3, "names": ["x"]},
        require=parse_all(["params < 3", "relus > 0.25"], None),
        classes=10,
        verify=True,
        fixes=False,
        augmentation=TARGET,
        mean=(0.5, 0.25, 0.125),
        limits=Limits(seconds=1.5, memory_bytes=10**9),
    )
    assert Request.from_dict(Job.from_json(request.job().to_json()).arguments) == request
