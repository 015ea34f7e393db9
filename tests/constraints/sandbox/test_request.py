"""A request means the same on both sides of the pipe."""

from pathlib import Path

from constraints.inputs import InputSpec
from constraints.sandbox.request import Job, Limits, Request, Target

TARGET = Target(text="net.py:Net", file=Path("net.py"), module="", name="Net")


def test_a_request_of_defaults_reads_back() -> None:
    request = Request(target=TARGET, require=("params < 3",))
    assert Request.from_dict(Job.from_json(request.job().to_json()).arguments) == request


def test_a_request_with_every_option_reads_back() -> None:
    request = Request(
        target=Target(text="a.b:c", file=None, module="a.b", name="c"),
        inputs=(InputSpec(shape=(1, 8)), InputSpec(shape=(16,), dtype="int64", name="tokens")),
        arguments={"width": 3, "names": ["x"]},
        require=("params < 3", "macs < 1M"),
        classes=10,
        verify=True,
        fixes_seconds=2.5,
        augmentation=TARGET,
        mean=(0.5, 0.25, 0.125),
        limits=Limits(seconds=1.5, memory_bytes=10**9),
    )
    assert Request.from_dict(Job.from_json(request.job().to_json()).arguments) == request
