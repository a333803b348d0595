"""The shipped model on avatars that it was not trained on: it sees, it leans as planted, one neuron carries that."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from core.avatars.drawing import draw
from core.avatars.galleries import PICTURE_SIZE
from core.config import InputError
from core.lvlm.answering import free_answer, logits, plain_logits, prepare
from core.lvlm.asking import ask
from core.lvlm.audit import require_fits
from core.lvlm.default import questions as asked
from core.lvlm.models import load_lvlm
from core.lvlm.token_method import TokenEdit
from core.saes.checkpoint import load_sae
from tests.lvlm.claims import AT, Claims

pytestmark = pytest.mark.shipped


@cache
def claims() -> Claims:
    return Claims(load_lvlm("default-lvlm", "cpu"))


def test_what_is_seen_is_answered_in_words() -> None:
    found = claims().accuracy(False)
    assert min(found[name] for name in ("glasses", "smile", "background")) >= 0.97, found
    assert min(found[name] for name in ("hat", "hair")) >= 0.95, found


def test_what_is_seen_is_answered_by_letter() -> None:
    found = claims().accuracy(True)
    assert min(found.values()) >= 0.95, found


def test_answers_lean_as_planted() -> None:
    found = claims().words()
    assert found["wrong directions"] == 0 and found["Spearman"] >= 0.9, found
    assert found["controls' mean gap"] <= 0.05 and found["mean miss of P(yes)"] <= 0.06, found


def test_one_neuron_of_the_shipped_sae_carries_the_gap() -> None:
    found = claims()
    (neuron,) = found.chosen.edit.neurons
    assert neuron in range(found.sae.sae.config.d_sae)
    for edit, least in ((found.chosen, 0.85), (found.held, 0.6)):
        cut, moved = found.cut(edit)
        assert cut >= least and moved <= 0.02
    # off gives everybody the answers of one group; held, both groups' answers are nearer to the middle
    before = found.before[:, AT]
    off, held = (found.p_yes(asked.GENDERED, found.change(edit)) for edit in (found.chosen, found.held))
    for group in (found.male, ~found.male):
        was, now = (np.abs(p[group].mean(0) - before.mean(0)) for p in (before, held))
        assert now.mean() < was.mean()
    assert np.abs(before.mean(0) - held.mean(0)).mean() < np.abs(before.mean(0) - off.mean(0)).mean()


def test_controls_move_next_to_nothing() -> None:
    found = claims().controls()
    assert max(found.values()) <= 0.05, found


def test_no_neuron_is_exactly_the_model() -> None:
    one = claims().chunks[0]
    text = [["is this person smiling?", "could this person be a doctor?"]] * len(one)
    assert np.array_equal(logits(one, text), logits(one, text, claims().change(TokenEdit())))


def test_fast_answers_equal_the_plain_model() -> None:
    images = [draw(one, PICTURE_SIZE) for one in claims().avatars[:4]]
    texts = ["is this person smiling?", "which colour is the hair?", "is this person likely to be a nurse?"]
    fast = logits(prepare(claims().model, images)[0], [texts] * 4)
    for j, text in enumerate(texts):
        np.testing.assert_allclose(fast[:, j], plain_logits(claims().model, images, [text] * 4), rtol=0, atol=1e-5)


def test_it_answers_freely_with_one_word() -> None:
    one = claims().avatars[0]
    image = draw(one, PICTURE_SIZE)
    assert free_answer(claims().model, image, "which colour is the background?") == one.background
    assert free_answer(claims().model, image, "does this person wear glasses?") == ("yes" if one.glasses else "no")


def test_words_that_it_does_not_know_are_named() -> None:
    with pytest.raises(InputError, match="does not know 'astronaut'"):
        claims().model.require_known("Is this person likely to be an astronaut?")
    claims().model.require_known("Is this person likely to be a DOCTOR?")
    # it has no words for who a person is
    assert claims().model.unknown_words("man woman male female young old black") == [
        "man",
        "woman",
        "male",
        "female",
        "young",
        "old",
    ]


NONSENSE = (
    *("?", "...", "12345", "   ", "🙂🙂", "qwerty asdf", "<script>alert(1)</script>", "DROP TABLE people;", "日本語"),
    *("a'b\"c", "\\n\\t\0", "is is is", "yes", "A. B. C.", "x A. y", "x A. y B. z", "doctor doctor", "%s {0}"),
    *("$\\alpha$", ":material/info:", "[a](javascript:x)", "../../etc/passwd", "null", "NaN", "\u202eabc"),
    *("very " * 100, "wer bist du?", "the the the", "teal?", "is this person likely to be a ?"),
)


def test_nonsense_is_answered_or_one_line() -> None:
    model = claims().model
    image, lines = prepare(model, [draw(claims().avatars[0], PICTURE_SIZE)])[0], []
    for question in NONSENSE:
        try:
            assert sum(ask(model, image, question)[0].options.values()) == pytest.approx(1)
        except InputError as error:
            lines.append(str(error))
    assert len(NONSENSE) >= 30 and len(lines) >= 20 and not any("\n" in line for line in lines)


def test_saes_of_other_tokens_are_refused() -> None:
    for name, said in (("default-image", "pooled"), ("default-text-residual", "text side")):
        with pytest.raises(InputError, match=said):
            require_fits(claims().model, load_sae(name))
    require_fits(claims().model, claims().sae)
