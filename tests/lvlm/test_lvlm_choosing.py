"""How neurons of read tokens are chosen: attribution is the derivative of the answer, and what is chosen works."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from core.avatars.drawing import draw
from core.avatars.galleries import PICTURE_SIZE
from core.avatars.world import plain_avatars
from core.config import Edit, InputError
from core.lvlm import choosing
from core.lvlm.ability import shipped_set
from core.lvlm.answering import logits, tokens_of
from core.lvlm.audit import ask_protocol, own_tokens
from core.lvlm.choosing import Probe, attribution, choose
from core.lvlm.default import questions as asked
from core.lvlm.methods.neuron_edit import switch
from core.lvlm.models import load_lvlm
from core.lvlm.numbers import gap_estimate
from core.lvlm.questions import Question
from core.lvlm.spec import TokenEditChoice
from core.lvlm.sweep import sweep
from core.lvlm.token_method import TokenEdit
from core.saes.checkpoint import load_sae


@cache
def model():
    return load_lvlm(device="cpu")


@cache
def sae():
    return load_sae("default-image-residual").sae


@cache
def probe() -> Probe:
    people = plain_avatars(1002, 2016)[:54]
    return Probe.of(model(), [draw(one, PICTURE_SIZE) for one in people], [one.gender for one in people])


def question(word: str) -> Question:
    return Question(word, asked.PERSON_TEMPLATES[0].format(asked.phrase(word)), asked.ANSWERS, asked.ANSWERS)


def leans(edit, one: Question) -> np.ndarray:
    found = []
    for chunk in probe().chunks:
        yes, no = tokens_of(chunk, [one])[0, :2]
        row = logits(chunk, [[one.text]] * len(chunk), edit)[:, 0]
        found.append(row[:, yes] - row[:, no])
    return np.concatenate(found).astype(np.float64)


@pytest.mark.parametrize("where", [None, (0,)])
def test_attribution_is_the_derivative_along_switching_off(where: tuple[int, ...] | None) -> None:
    one = question("doctor")
    pulls = attribution(probe(), sae(), [one], where)
    before = leans(None, one)
    means = [before[probe().labels == g].mean() for g in (0, 1)]
    high, low = int(np.argmax(means)), int(np.argmin(means))
    for j in [*np.argsort(-np.abs(pulls))[:4], 17]:
        step = 0.01
        moved = (leans(switch(sae(), Edit((int(j),), strength=step), where), one) - before) / step
        apart = moved[probe().labels == high].mean() - moved[probe().labels == low].mean()
        # switching off takes away what the neuron adds
        assert -apart == pytest.approx(pulls[j], abs=0.05 * abs(pulls).max())
    assert np.argmax(pulls) == 1, "the neuron that the rule finds"


def test_every_way_of_choosing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "CANDIDATES", 4)
    asked_words = [question("doctor")]
    tokens = own_tokens(model(), load_sae("default-image-residual"))

    def chosen(**choice) -> tuple[TokenEdit, list[str]]:
        return choose(TokenEditChoice.from_json(choice), sae(), probe(), asked_words, tokens, [4, 7])

    assert 1 in chosen(select="rule", tau=0.5)[0].edit.neurons
    assert chosen(neurons=[3, 17], strength=0.5)[0].edit == Edit((3, 17), strength=0.5)
    assert chosen(label_set="ab")[0].edit.neurons == (4, 7)
    by_pull, _ = chosen(select="attribution", size=3)
    assert len(by_pull.edit.neurons) == 3 and 1 in by_pull.edit.neurons
    smallest, _ = chosen(select="smallest", size=3)
    assert 1 in smallest.edit.neurons and smallest.tokens == (0,)
    assert chosen(neurons=[1], tokens=[0, 5], hold="probe mean")[0].tokens == (0, 5)
    with pytest.raises(InputError, match="needs pictures of the probe half"):
        choose(TokenEditChoice.from_json({"select": "rule"}), sae(), None, asked_words, tokens)


def test_the_sweep_begins_at_the_model_and_ends_at_the_edit() -> None:
    few = probe()
    words = ("doctor", "nurse", "judge")
    asked_of = ask_protocol(model(), few.chunks, "direct", words, 0)
    seen = shipped_set(model(), 12)
    edit = TokenEdit(Edit((1,)), (0,))
    evidence = few.evidence(sae())
    points = sweep(asked_of, seen, few.labels, 2, evidence, edit, "strength", (0.0, 0.5, 1.0))
    whole = asked_of.prob()
    first = gap_estimate(whole[..., 0] / whole.sum(2), few.labels, 2, 0)
    assert points[0].gap == first and points[0].gap.estimate > points[1].gap.estimate > points[2].gap.estimate
    assert all(one.ability.estimate >= 0.95 for one in points)
    blended = sweep(asked_of, seen, few.labels, 2, evidence, edit, "alpha", (0.0, 1.0))
    assert blended[0].gap == first and blended[1].gap.estimate < 0.5 * first.estimate


def test_codes_of_pictures_are_means_over_their_tokens() -> None:
    codes = probe().codes(sae(), None).toarray()
    x = torch.cat([part for one in probe().chunks for part in one.tokens.values()])
    np.testing.assert_allclose(codes, sae().encode(x).mean(1).numpy(), rtol=1e-4, atol=1e-4)
    alone = probe().codes(sae(), (0,)).toarray()
    np.testing.assert_allclose(alone, sae().encode(x[:, 0]).numpy(), rtol=1e-4, atol=1e-4)
