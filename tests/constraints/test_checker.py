"""``check``: metrics of the example models, verdicts, user-defined metrics, the probe, pytest's display."""

import json
import multiprocessing
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from torch import nn

import constraints
from constraints import Report, UnusableInputError, check, metric, rules
from constraints.errors import ModelFailedError

SCHEMA = json.loads((Path(constraints.__file__).parent / "report.schema.json").read_text())


def conv(i: int, o: int, k: int = 3, *, s: int = 1, d: int = 1, g: int = 1) -> nn.Sequential:
    padding = d * (k // 2)
    return nn.Sequential(nn.Conv2d(i, o, k, s, padding, d, g, bias=False), nn.BatchNorm2d(o), nn.ReLU())


def chain() -> nn.Sequential:
    """A network in the assignment's form that keeps every rule.

    By hand: fields 3 5 7 | 11 19 23 | 31 31 39 47 | 63, parameters weights plus two per norm channel.
    """
    return nn.Sequential(
        *(conv(3, 8), conv(8, 8), conv(8, 16, s=2)),
        *(conv(16, 16), conv(16, 16, d=2), conv(16, 16, s=2)),
        *(conv(16, 16, g=16), conv(16, 16, 1), conv(16, 16), conv(16, 32, s=2)),
        *(conv(32, 32), conv(32, 32), conv(32, 10)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


PARAMS = (
    (27 * 8 + 16) + (72 * 8 + 16) + (72 * 16 + 32)
    + 3 * (144 * 16 + 32)
    + (9 * 16 + 32) + (16 * 16 + 32) + (144 * 16 + 32) + (144 * 32 + 64)
    + 2 * (288 * 32 + 64) + (288 * 10 + 20)
)  # fmt: skip
FIELD = 3 + 2 + 2 + 2 * 2 + 2 * 2 * 2 + 2 * 2 + 4 * 2 + 4 * 2 + 4 * 2 + 3 * 8 * 2


def test_a_good_network_keeps_the_assignment() -> None:
    report = check(chain(), classes=10)
    assert report.ok, report
    assert report.metrics["params"] == PARAMS
    assert report.metrics["receptive_field_hw"] == [FIELD, FIELD]
    assert report.metrics["convs_per_stage"] == [3, 3, 3, 3]
    assert (report.input, report.output) == ((3, 32, 32), (10,))
    assert [v.name for v in report.constraints][-1] == "classes"


@pytest.mark.parametrize(("limit", "ok"), [(PARAMS - 1, False), (PARAMS, False), (PARAMS + 1, True)])
def test_a_limit_just_under_at_and_just_over(limit: int, ok: bool) -> None:
    assert check(chain(), require=[f"params < {limit}"], fixes=False).ok is ok


def test_an_expression_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = rules.parse

    def counting(expression: str, known: Iterable[str] = ()) -> rules.Constraint:
        parsed.append(expression)
        return parse(expression, known)

    monkeypatch.setattr(rules, "parse", counting)
    expressions = [f"receptive_field > {FIELD}", "params < 1k", "max_pools == 0"]
    report = check(chain(), require=expressions)
    assert [v.ok for v in report.constraints] == [False, False, True]
    assert "receptive_field" in str(report)
    assert parsed == expressions


def test_the_json_keeps_the_schema_and_reads_back() -> None:
    report = check(chain(), verify=True)
    document = json.loads(report.to_json())
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert Report.from_dict(document).to_dict() == document
    assert document["ok"] is True
    assert document["constraints"][0]["expr"] == "receptive_field > 44"


def test_the_schema_refuses_a_missing_metric() -> None:
    document = json.loads(check(chain(), fixes=False).to_json())
    del document["metrics"]["macs"]
    assert not Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize(("end", "name"), [(nn.Softmax(1), "softmax"), (nn.LogSoftmax(1), "log_softmax")])
def test_a_softmax_at_the_end_is_named(end: nn.Module, name: str) -> None:
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(nn.Conv2d(3, 10, 1), *head, end)
    report = check(net, (3, 4, 4), [], classes=10)
    assert report.ok
    assert report.warnings == (f"the network ends in {name} (3): a loss such as cross_entropy expects logits",)
    inner = nn.Sequential(nn.Conv2d(3, 10, 1), end, *head)
    assert check(inner, (3, 4, 4), []).warnings == ()


def test_a_metric_of_ones_own() -> None:
    @metric
    def relus(model: nn.Module, trace: Any) -> int:
        """Count the ReLU modules."""
        return sum(isinstance(m, nn.ReLU) for m in model.modules())

    report = check(chain(), require=["relus == 13"], metrics=[relus])
    assert report.ok, report
    assert report.metrics["relus"] == 13
    assert relus.definition == "Count the ReLU modules."


def test_a_metric_that_fails_says_which() -> None:
    @metric
    def broken(model: nn.Module, trace: Any) -> int:
        raise KeyError("gone")

    with pytest.raises(ModelFailedError, match="metric 'broken' raised KeyError: 'gone'"):
        check(nn.Conv2d(3, 3, 1), require=[], metrics=[broken])


def test_a_metric_may_not_take_a_built_in_name() -> None:
    def params(model: nn.Module, trace: Any) -> int:
        return 0

    with pytest.raises(ValueError, match="a built-in metric has this name: 'params'"):
        metric(params)


def test_verify_measures_what_the_trace_says() -> None:
    report = check(chain(), require=[], verify=True)
    assert report.verified is not None
    assert report.verified["receptive_field_hw"] == [FIELD, FIELD]
    assert report.ok
    assert f"gradients measure {FIELD}x{FIELD} on inputs of 3x256x32 and 3x32x256" in report.constraints[0].why


def test_verify_distinguishes_phases_of_upsampling() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.Conv2d(4, 4, 3, padding=1))
    assert check(model, require=[], verify=True).ok


def test_what_cannot_be_verified_is_a_warning() -> None:
    fixed = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 32 * 32, 10))
    report = check(fixed, require=[], verify=True)
    assert report.verified is None or report.verified["agrees"]
    assert report.ok


def test_the_model_and_the_random_state_are_left_alone() -> None:
    model = chain().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    check(model, require=["dilated_convs >= 3", "params < 10k"])
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_unusable_input_is_named() -> None:
    with pytest.raises(UnusableInputError, match=r"^not an nn.Module: 3"):
        check(3)  # type: ignore[arg-type]
    with pytest.raises(UnusableInputError, match="unknown metric: 'parms'"):
        check(chain(), require="parms < 3")


def test_what_the_model_raises_is_in_the_report() -> None:
    report = check(nn.Conv2d(4, 4, 1), require=["params < 200"])
    assert not report.ok
    assert report.failed.startswith("the model's code raised at forward: RuntimeError: Given groups=1, weight of size")
    assert (report.metrics["params"], report.metrics["macs"]) == (4 * 4 + 4, None)
    assert [(v.name, v.ok) for v in report.constraints] == [("params", True), ("runs", False)]
    assert "Traceback" in report.traceback
    assert Report.from_dict(json.loads(report.to_json())).failed == report.failed
    Draft202012Validator(SCHEMA).validate(json.loads(report.to_json()))
    assert "MACs unknown" in str(report)


def printed_by_pytest(*arguments: str, folder: Path) -> str:
    """What a run of its own prints, in a copy of this process, which has loaded torch."""
    file = folder / "printed.txt"

    def run() -> None:
        os.chdir(folder)
        sys.stdout = file.open("w", encoding="utf-8")
        pytest.main([*arguments])
        sys.stdout.flush()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return file.read_text(encoding="utf-8")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a fork breaks libraries")
def test_pytest_shows_the_whole_report(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from torch import nn\nfrom constraints import check\n"
        "def test_it():\n    report = check(nn.Conv2d(3, 4, 3))\n    assert report.ok, report\n"
    )
    shown = printed_by_pytest("-q", "-p", "no:cacheprovider", str(tmp_path), folder=tmp_path)
    assert "receptive_field > 44" in shown
    assert "3 is 41 below 44, must be > 44" in shown
    assert "params 112 (112 trainable)" in shown


def test_a_report_reads_as_its_table() -> None:
    report = check(chain())
    assert str(report) == repr(report)[:]
    assert "all 8 constraints hold" in str(report)
