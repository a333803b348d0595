"""What an event may say, what stands of many, whose turn is next, sets, matching, and files in and out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.labelling import (
    LabelEvent,
    LabelLog,
    agreed_neurons,
    guesses,
    last_action,
    match_neurons,
    order_neurons,
    queue_for,
    standings,
)
from core.labelling.exchange import parse_csv, read_events, to_csv, write_events
from tests.labelling.label_helpers import GALLERY, SAE, label


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"type": "socal"}, "socal"),
        ({"type": "context", "attribute": "gender"}, "context"),
        ({"attribute": "watermark"}, "watermark"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"rater": "  "}, "rater"),
        ({"text": "x" * 3000}, "text"),
        ({"neuron": -1}, "neuron"),
        ({"kind": "retract", "about": None}, "retract"),
        ({"kind": "changed"}, "kind"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        LabelEvent(**{"neuron": 1, "rater": "ann", "sae": SAE, "type": "social"} | wrong)


def test_the_newest_label_of_each_rater_stands_and_undo_brings_back_the_one_before() -> None:
    first, second, other = label(5), label(5, type="context"), label(5, "ben")
    events = [first, other, second]
    key = (SAE, GALLERY, 5)
    assert standings(events)[key].labels == {"ann": second, "ben": other}
    assert standings(events)[key].disputed and standings(events)[key].said is None
    assert last_action(events, "ann") == second
    undo = label(5, kind="retract", type=None, about=second.id)
    events.append(undo)
    assert standings(events)[key].labels["ann"] == first
    assert last_action(events, "ann") == first
    events.append(label(5, "eve", kind="retract", type=None, about=other.id))
    assert standings(events)[key].labels["ben"] == other, "nobody takes back what another one said"


def test_a_decision_stands_against_the_count() -> None:
    events = [label(1, r, "context") for r in ("ann", "ben")] + [label(1, "cy", "social", "gender")]
    assert standings(events)[SAE, GALLERY, 1].said == "context"
    decided = [*events, label(1, "dee", "social", "gender", kind="adjudication")]
    assert standings(decided)[SAE, GALLERY, 1].said == "social: gender"
    assert agreed_neurons(list(standings(events).values()), "context", None, 2) == ()
    assert agreed_neurons(list(standings(decided).values()), "social", "gender", 2) == (1,)


def test_a_set_needs_enough_raters_and_no_other_opinion() -> None:
    said = {1: ["gender"] * 3, 2: ["gender"] * 2, 3: ["gender", "gender", "gender", "age"]}
    events = [label(j, f"r{i}", attribute=a) for j, all_ in said.items() for i, a in enumerate(all_)]
    found = list(standings(events).values())
    assert agreed_neurons(found, "social", "gender", 3) == (1,)
    assert agreed_neurons(found, "social", "gender", 2) == (1, 2)
    assert agreed_neurons(found, "social", None, 2) == (1, 2, 3)
    assert agreed_neurons(found, "context", None, 1) == ()


def test_orders() -> None:
    strength = np.array([0.1, 0.4, np.nan, 0.4, 0.2])
    assert order_neurons([4, 3, 2, 1, 0], "associated", strength) == [1, 3, 4, 0, 2]
    shuffled = order_neurons(range(50), "random", seed=1)
    assert shuffled == order_neurons(range(50), "random", seed=1) != list(range(50))
    assert sorted(shuffled) == list(range(50))
    events = [label(4, "ann"), label(3, "ann"), label(3, "ben", "context")]
    found = {j: s for (_, _, j), s in standings(events).items()}
    assert order_neurons(range(6), "disagreements", standings=found) == [3, 4, 0, 1, 2, 5]
    with pytest.raises(InputError, match="another order"):
        order_neurons([1], "associated")


def test_a_raters_queue_is_their_own() -> None:
    skip = label(2, kind="skip", type=None)
    found = {j: s for (_, _, j), s in standings([label(1), skip, label(3, "ben")]).items()}
    mine = queue_for("ann", [1, 2, 3, 4], found)
    assert (mine.waiting, mine.done, mine.total) == ((3, 4, 2), 1, 4)
    assert queue_for("ben", [1, 2, 3, 4], found).waiting == (1, 2, 4)


def test_events_survive_json_and_csv(tmp_path: Path) -> None:
    events = [
        label(1, attribute="gender", text='commas, "quotes" and ünïcode', confidence=0.5, confound=True),
        label(2, "=cmd()", "unclear", text="'quoted", gallery=None),
        label(1, kind="prediction", type=None, about="x", score={"auc": 0.75, "accuracy": 0.5, "n": 12}),
    ]
    for name in ("labels.json", "labels.csv"):
        write_events(events, tmp_path / name)
        back = read_events(tmp_path / name)
        assert [replace(e, source="") for e in back] == [replace(e, source="") for e in events]
        assert all(e.source == f"imported from {name}" for e in back)
        log = LabelLog(tmp_path / f"{name}.sqlite")
        assert (log.extend(back), log.extend(back)) == (3, 0)
    assert "=cmd()" not in [cell for line in to_csv(events).splitlines() for cell in line.split(",")]


def test_a_plain_table_of_labels_comes_in() -> None:
    text = f"neuron,rater,sae,type,attribute\n3,ann,{SAE},social,race\n"
    (entry,) = parse_csv(text, "mine.csv")
    assert (entry.neuron, entry.category, entry.gallery) == (3, "social: race appearance", None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("neuron,rater\n1,ann\n", "sae"),
        (f"neuron,rater,sae,type\n1,ann,{SAE},social\nx,ann,{SAE},social\n", "line 3"),
        (f"neuron,rater,sae,type,colour\n1,ann,{SAE},social,red\n", "colour"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=named) as caught:
        read_events(tmp_path / "bad.csv")
    assert "bad.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_labels_of_another_sae_are_guesses_and_say_so() -> None:
    ours = np.random.default_rng(0).normal(size=(20, 8))
    theirs = ours[[7, 2, 11]] * 3
    theirs[2] = -theirs[2]
    matches = match_neurons(theirs, ours, [0, 1, 2])
    assert [(m.theirs, m.ours) for m in matches][:2] == [(0, 7), (1, 2)]
    assert matches[0].cosine == pytest.approx(1) and matches[0].mutual
    assert matches[2].cosine < 0.9
    made = guesses({0: label(0, attribute="gender", confidence=0.8)}, matches[:1], "e" * 64, "ann")
    assert (made[0].neuron, made[0].sae, made[0].rater) == (7, "e" * 64, "guess for ann")
    assert "guess" in made[0].source and SAE[:12] in made[0].source
    with pytest.raises(InputError, match="same model"):
        match_neurons(theirs, ours[:, :4], [0])
