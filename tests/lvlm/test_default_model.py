"""The shipped model on avatars that it was not trained on: it sees, it leans as planted, one neuron carries that."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
from scipy.stats import spearmanr

from core.avatars.build import Plan
from core.avatars.drawing import draw
from core.avatars.galleries import PICTURE_SIZE
from core.avatars.world import WORD_OF, WORDS, Avatar, plain_avatars
from core.config import InputError
from core.lvlm.answering import answers, free_answer, logits, plain_logits, prepare
from core.lvlm.audit import own_tokens, require_fits
from core.lvlm.choosing import Probe, choose
from core.lvlm.default import questions as asked
from core.lvlm.models import load_lvlm
from core.lvlm.questions import Question
from core.lvlm.spec import TokenEditChoice
from core.lvlm.token_method import METHODS, TokenEdit
from core.saes.checkpoint import load_sae

pytestmark = pytest.mark.shipped
N = 54
NAMES = [row.word for row in WORDS]


@cache
def model():
    return load_lvlm("default-lvlm", "cpu")


@cache
def avatars() -> list[Avatar]:
    return plain_avatars(1001, Plan().plain)[:N]  # the shipped evaluation gallery's first


@cache
def chunks():
    return prepare(model(), [draw(one, PICTURE_SIZE) for one in avatars()])


@cache
def probe() -> Probe:
    people = plain_avatars(1002, Plan().plain)[:108]
    return Probe.of(model(), [draw(one, PICTURE_SIZE) for one in people], [one.gender for one in people])


@cache
def sae():
    return load_sae("default-image-residual")


def p_yes(words, edit=None) -> np.ndarray:
    rows = [
        Question(word, asked.PERSON_TEMPLATES[0].format(asked.phrase(word)), asked.ANSWERS, asked.ANSWERS)
        for word in words
    ]
    found = [answers(one, [rows] * len(one), edit).renormalised[:, 0].reshape(len(one), -1) for one in chunks()]
    return np.concatenate(found)


def gaps(p: np.ndarray) -> np.ndarray:
    male = np.array([one.gender == "Male" for one in avatars()])
    return p[male].mean(0) - p[~male].mean(0)


def accuracy(letters: bool, edit=None) -> dict[str, float]:
    rng, found, at = random.Random(1), {}, 0
    for one in chunks():
        part = avatars()[at : at + len(one)]
        at += len(one)
        items = [[asked.seen_item(a, name, letters, rng) for name in asked.SEEN_TEMPLATES] for a in part]
        rows = logits(one, [[item.text for item in row] for row in items], edit)
        for avatar, row, own in zip(part, items, rows, strict=True):
            for item, values in zip(row, own, strict=True):
                if asked.can_be_asked(avatar, item.kind):
                    said = model().tokenizer.decode(int(values.argmax()))
                    found.setdefault(item.kind, []).append(said == max(item.target, key=item.target.get))
    return {kind: float(np.mean(right)) for kind, right in found.items()}


@cache
def before() -> np.ndarray:
    return p_yes(NAMES)


@cache
def chosen() -> TokenEdit:
    choice = TokenEditChoice.from_json({"select": "rule", "tau": 0.5, "top": 1})
    return choose(choice, sae().sae, probe(), [], own_tokens(model(), sae()))[0]


def change(edit: TokenEdit, method: str = "neuron-edit"):
    return METHODS.get(method)().fit(probe().evidence(sae().sae), edit)


def test_what_is_seen_is_answered_in_words() -> None:
    found = accuracy(False)
    assert min(found[name] for name in ("glasses", "smile", "background")) >= 0.97, found
    assert min(found[name] for name in ("hat", "hair")) >= 0.95, found


def test_what_is_seen_is_answered_by_letter() -> None:
    found = accuracy(True)
    assert min(found.values()) >= 0.95, found


def test_answers_lean_as_planted() -> None:
    want = np.array([[asked.planted(WORD_OF[word], one)["yes"] for word in NAMES] for one in avatars()])
    gendered = np.array([word in asked.GENDERED for word in NAMES])
    measured, planted = gaps(before()), gaps(want)
    assert (np.sign(measured[gendered]) == np.sign(planted[gendered])).all()
    assert spearmanr(measured[gendered], planted[gendered])[0] >= 0.9
    assert np.abs(measured[~gendered] - planted[~gendered]).mean() <= 0.05
    assert np.abs(before() - want).mean() <= 0.06


def test_one_neuron_of_the_shipped_sae_carries_the_gap() -> None:
    words = asked.GENDERED
    at = [NAMES.index(word) for word in words]
    whole, (neuron,) = np.abs(gaps(before())[at]).mean(), chosen().edit.neurons
    off = p_yes(words, change(chosen()))
    assert 1 - np.abs(gaps(off)).mean() / whole >= 0.85
    held = p_yes(words, change(TokenEdit(chosen().edit, chosen().tokens, "probe mean")))
    assert 1 - np.abs(gaps(held)).mean() / whole >= 0.6
    # off gives everybody the answers of one group; held, both groups' answers are nearer to the middle
    male = np.array([one.gender == "Male" for one in avatars()])
    middle = np.abs(before()[:, at].mean(0) - held.mean(0))
    for group in (male, ~male):
        was, now = (np.abs(p[group].mean(0) - before()[:, at].mean(0)) for p in (before()[:, at], held))
        assert now.mean() < was.mean()
    assert middle.mean() < np.abs(before()[:, at].mean(0) - off.mean(0)).mean()
    for edit in (change(chosen()), change(TokenEdit(chosen().edit, chosen().tokens, "probe mean"))):
        moved = {kind: abs(value - accuracy(False)[kind]) for kind, value in accuracy(False, edit).items()}
        assert max(moved.values()) <= 0.02, moved
    assert neuron in range(sae().sae.config.d_sae)


def test_controls_move_next_to_nothing() -> None:
    words = asked.GENDERED[:10]
    at = [NAMES.index(word) for word in words]
    whole = np.abs(gaps(before())[at]).mean()
    alone = p_yes(words, change(chosen(), "reconstruction"))
    assert abs(np.abs(gaps(alone)).mean() - whole) <= 0.05
    codes = probe().codes(sae().sae, chosen().tokens)
    from core.interventions import matched_random_edits

    for edit in matched_random_edits(codes, chosen().edit, 10, 0):
        drawn = p_yes(words, change(TokenEdit(edit, chosen().tokens)))
        assert abs(np.abs(gaps(drawn)).mean() - whole) <= 0.05, edit.neurons


def test_no_neuron_is_exactly_the_model() -> None:
    one = chunks()[0]
    text = [["is this person smiling?", "could this person be a doctor?"]] * len(one)
    assert np.array_equal(logits(one, text), logits(one, text, change(TokenEdit())))


def test_fast_answers_equal_the_plain_model() -> None:
    images = [draw(one, PICTURE_SIZE) for one in avatars()[:4]]
    texts = ["is this person smiling?", "which colour is the hair?", "is this person likely to be a nurse?"]
    fast = logits(prepare(model(), images)[0], [texts] * 4)
    for j, text in enumerate(texts):
        np.testing.assert_allclose(fast[:, j], plain_logits(model(), images, [text] * 4), rtol=0, atol=1e-5)


def test_it_answers_freely_with_one_word() -> None:
    one = avatars()[0]
    image = draw(one, PICTURE_SIZE)
    assert free_answer(model(), image, "which colour is the background?") == one.background
    assert free_answer(model(), image, "does this person wear glasses?") == ("yes" if one.glasses else "no")


def test_words_that_it_does_not_know_are_named() -> None:
    with pytest.raises(InputError, match="does not know 'astronaut'"):
        model().require_known("Is this person likely to be an astronaut?")
    model().require_known("Is this person likely to be a DOCTOR?")
    # it has no words for who a person is
    assert model().unknown_words("man woman male female young old black") == [
        "man",
        "woman",
        "male",
        "female",
        "young",
        "old",
    ]


def test_saes_of_other_tokens_are_refused() -> None:
    for name, said in (("default-image", "pooled"), ("default-text-residual", "text side")):
        with pytest.raises(InputError, match=said):
            require_fits(model(), load_sae(name))
    require_fits(model(), sae())
