"""A teacher: the loss by hand arithmetic, the view it sees, and one cache for all students."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from constraints.errors import UnusableInputError
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.training import teacher as teaching
from nas.training.batchwise import Drawn
from nas.training.checkpoint import load_checkpoint, save_checkpoint
from nas.training.decoded import Dataset
from nas.training.evaluation import normaliser
from nas.training.feed import Feed
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe
from nas.training.session import Session
from nas.training.splits import Split
from nas.training.teacher import Member, Teacher, distilled, targets

CPU = torch.device("cpu")
TEXT = "BR/c4-c4s2/c4s2/fc"
RECIPE = Recipe(name="own", phases=(Phase(peak_lr=0.1),), batch_size=32, distillation=0.5, temperature=2.0)


def member(seed: int = 0, text: str = TEXT) -> Member:
    torch.manual_seed(seed)
    return Member(name=f"net {seed}", architecture=text, weights=save(build(parse(text)).state_dict()))


@pytest.fixture
def feed(digits: Dataset, tmp_path: Path) -> Feed:
    """Forty digits of the training part, with a teacher of two networks."""
    chosen = Split(train=np.arange(40), validation=np.arange(40, 60))
    two = Teacher(members=(member(0), member(1)))
    return Feed(dataset=digits, split=chosen, folder=tmp_path, seed=3, teacher=two)


def test_the_loss_is_that_of_hinton_by_hand() -> None:
    # At T = 2 logits of (2 ln 3, 0) are probabilities of 3/4 and 1/4, and (0, 0) of 1/2 each.
    teacher, student = torch.tensor([[2 * math.log(3), 0.0]]), torch.zeros(1, 2)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    found = distilled(torch.tensor(0.7), student, teacher.half(), weight=0.5, temperature=2.0)
    assert float(found) == pytest.approx(0.5 * 0.7 + 0.5 * 4 * divergence, rel=1e-3)
    assert float(distilled(torch.tensor(0.7), teacher, teacher, weight=0.5, temperature=2.0)) == pytest.approx(0.35)


def test_the_targets_are_the_mean_logits_of_what_the_student_sees(feed: Feed) -> None:
    recipe = replace(RECIPE, crop=1, flip=True)
    drawn = recipe.drawn(40, feed.seed, 2)
    assert isinstance(drawn, Drawn)
    seen = recipe.changed(normaliser(feed.mean, feed.std, CPU)(torch.from_numpy(np.array(feed.epoch(2)))), drawn)
    assert feed.teacher is not None
    with torch.no_grad():
        wanted = sum(one.built()(seen) for one in feed.teacher.members) / 2
    found = targets(feed, recipe, 2, drawn, CPU)
    assert found.dtype == np.float16
    assert found.shape == (40, 10)
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=2e-3, atol=2e-3)


def test_two_students_share_one_cache_and_a_damaged_one_is_made_anew(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = targets(feed, RECIPE, 0, None, CPU)
    (kept,) = (feed.folder / feed.key).glob("epoch-0000.logits-*.npy")
    kept.write_bytes(kept.read_bytes()[:-100])
    np.testing.assert_array_equal(targets(feed, RECIPE, 0, None, CPU), first)
    monkeypatch.setattr(teaching, "_logits", lambda *_: pytest.fail("computed twice"))
    np.testing.assert_array_equal(targets(replace(feed), replace(RECIPE, temperature=9.0), 0, None, CPU), first)


def test_where_nothing_can_be_written_they_are_computed_in_memory(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = targets(feed, RECIPE, 0, None, CPU)
    np.testing.assert_array_equal(targets(replace(feed, folder=tmp_path / "file"), RECIPE, 0, None, CPU), wanted)


def session(feed: Feed) -> Session:
    torch.manual_seed(5)
    return Session(build(parse(TEXT)), feed, replace(RECIPE, crop=1, mixup=0.3), 2, 0, CPU, "float32")


def test_a_student_resumes_exactly_and_only_under_its_teacher(feed: Feed, tmp_path: Path) -> None:
    first = session(feed)
    first.curve.append(first.epoch(0))
    save_checkpoint(tmp_path / "c.pt", first.description, first.state())
    whole = first.epoch(1)
    again = session(feed)
    again.restore(load_checkpoint(tmp_path / "c.pt", again.description, CPU))
    assert again.epoch(1).loss == whole.loss
    other = session(replace(feed, teacher=Teacher(members=(member(0),))))
    with pytest.raises(UnusableInputError, match="of another training"):
        load_checkpoint(tmp_path / "c.pt", other.description, CPU)


def test_the_step_mixes_targets_as_labels(feed: Feed) -> None:
    made = session(feed)
    made._show(0)
    step, chosen = made.step, torch.arange(6)
    made.model.eval()  # a batch norm that leaves its averages alone, so that the pass repeats
    step.recipe = replace(step.recipe, mixup=1.0, crop=0)
    assert step.targets is not None
    torch.manual_seed(3)
    share = 1 - torch.rand(())
    images = step.normalise(step.images[chosen])
    logits = made.model(share * images + (1 - share) * images.flip(0))
    entropy = torch.nn.functional.cross_entropy
    sides = [(chosen, share), (chosen.flip(0), 1 - share)]
    wanted = sum(
        part * distilled(entropy(logits, step.labels[i]), logits, step.targets[i], weight=0.5, temperature=2.0)
        for i, part in sides
    )
    torch.manual_seed(3)
    torch.testing.assert_close(step._loss(chosen)(made.model, slice(6)), wanted * (6 / len(step.chosen)))


def test_a_recipe_that_distils_wants_a_teacher_and_a_teacher_its_own_weights(feed: Feed) -> None:
    with pytest.raises(UnusableInputError, match="recipe own distils, and there is no teacher: give --teacher"):
        session(replace(feed, teacher=None)).epoch(0)
    foreign = replace(member(), architecture="BR/c8-c4s2/c4s2/fc")
    with pytest.raises(UnusableInputError, match="unusable teacher: net 0: its weights are not its network's"):
        foreign.built()


def test_a_teacher_is_what_its_networks_compute_however_they_are_called() -> None:
    both = Teacher(members=(member(0), member(1)))
    assert both.name == "net 0 + net 1"
    assert both.hash == Teacher(members=(replace(member(1), name="x"), member(0))).hash
    assert both.hash != Teacher(members=(member(0), member(2))).hash
    assert both.hash != Teacher(members=(member(0), replace(member(1), mean=(0.5,), std=(0.2,)))).hash
