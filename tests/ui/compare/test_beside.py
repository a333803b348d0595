"""Side by side: B is the page's question with one thing changed, and the difference is that of rows that are in one."""

import numpy as np
import pytest

from core.config import Edit, InputError
from core.ranking import two_lists
from core.scene import added_terms, query_embedding
from core.ui.compare import beside
from core.ui.session import results
from core.ui.session.state import AppState

PROMPTS = ("a photo of a doctor", "a photo of a nurse")
pytestmark = pytest.mark.usefixtures("small_model")


def state_of(world: dict[str, str], **choices: object) -> AppState:
    state = AppState(gallery=world["searched"], model="small", query=PROMPTS[0], k=15)
    state.saes = {"image": world["image"], "text": world["text"]}
    for name, value in choices.items():
        setattr(state, name, value)
    return state


def test_b_shares_everything_but_the_one_thing(world: dict[str, str]) -> None:
    state = state_of(world, edits={"image": Edit((1,))}, target="uniform")
    question = results.asked(state, "gender")
    prompt = beside.asked_beside(state, question, "prompt", PROMPTS[1]).request
    assert (prompt.query, prompt.edits, prompt.k, prompt.target) == (PROMPTS[1], question.request.edits, 15, "uniform")
    edit = beside.asked_beside(state, question, "edit", "0, 2").request
    assert (edit.query, edit.edits["image"].neurons, edit.k) == (PROMPTS[0], (0, 2), 15)
    assert not beside.asked_beside(state, question, "edit", "").request.edits
    method = beside.asked_beside(state, question, "method", "mean-difference").request
    assert (method.query, method.method, method.attribute) == (PROMPTS[0], "mean-difference", "gender")
    assert state.query == PROMPTS[0] and state.method == "neuron-edit", "the page's own question stays"


def test_the_difference_is_that_of_rows_in_one_list_alone(world: dict[str, str]) -> None:
    state = state_of(world)
    question = results.asked(state, "gender")
    pair = [results.ranking(q) for q in (question, beside.asked_beside(state, question, "prompt", PROMPTS[1]))]
    change = two_lists(*pair)
    rows = [set(ranked.before.rows.tolist()) for ranked in pair]
    labels = dict(zip(pair[0].part.rows.tolist(), pair[0].part.labels.tolist(), strict=True))
    for place, group in enumerate(pair[0].part.groups):
        counts = [sum(labels[row] == place for row in one) for one in rows]
        known = [sum(labels[row] >= 0 for row in one) for one in rows]
        assert change.shares[group].estimate == pytest.approx(counts[1] / known[1] - counts[0] / known[0])
    assert change.effect is not None
    assert sum(change.effect.exchange.leaves) == sum(labels[row] >= 0 for row in rows[0] - rows[1])
    alone = two_lists(pair[0], pair[0])
    assert all((e.estimate, e.lo, e.hi) == (0.0, 0.0, 0.0) for e in alone.shares.values())


def test_lists_of_other_items_are_refused(world: dict[str, str]) -> None:
    ten, fifteen = (results.ranking(results.asked(state_of(world, k=k), "gender")) for k in (10, 15))
    with pytest.raises(InputError, match="k was 10 and 15"):
        two_lists(ten, fifteen)
    even = results.ranking(results.asked(state_of(world, target="uniform", where={"age": "old"}), "gender"))
    with pytest.raises(InputError, match="same items"):
        two_lists(fifteen, even)


def test_terms_are_unit_vectors_added(world: dict[str, str]) -> None:
    scene = results.asked(state_of(world), "gender").scene
    rows = [query_embedding(scene, text).astype(np.float64) for text in ("doctor", "man", "woman")]
    units = [row / np.sqrt((row * row).sum()) for row in rows]
    found = added_terms(scene, [(1, "doctor"), (-1, "man"), (1, "woman")])
    np.testing.assert_allclose(found, units[0] - units[1] + units[2], atol=1e-6)
    one = added_terms(scene, [(1, "doctor")])
    np.testing.assert_allclose(one, units[0], atol=1e-6)
    with pytest.raises(InputError, match="cancel out"):
        added_terms(scene, [(1, "doctor"), (-1, "doctor")])
    with pytest.raises(InputError, match="no term"):
        added_terms(scene, [])
    with pytest.raises(InputError, match="every term has to be known"):
        added_terms(scene, [(1, "doctor"), (1, "xylographer")])


def test_one_term_ranks_as_the_same_text(world: dict[str, str]) -> None:
    state = state_of(world, query="doctor")
    question = results.asked(state, "gender")
    assert (
        results.ranking(beside.asked_beside(state, question, "terms", "+doctor")).before.ids
        == results.ranking(question).before.ids
    )


def test_terms_and_neurons_are_read_back_as_they_were_written() -> None:
    terms = [(1, "a doctor"), (-1, "man"), (1, "well-known woman")]
    assert beside.parsed(beside.written(terms)) == terms
    assert beside.neurons_of(" 3, 7 3 ") == (3, 7) and beside.neurons_of("") == ()
    for wrong in ("3;4", "-1", "three"):
        with pytest.raises(InputError, match="expected numbers"):
            beside.neurons_of(wrong)
    with pytest.raises(InputError, match="expected \\+ or -"):
        beside.parsed("doctor")
