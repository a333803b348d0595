"""A set of labelled neurons says who labelled them; sets from before keep their hash."""

from core.labelling import LabelEvent, LabelSet, raters_of, standings

SAE, GALLERY = "a" * 64, "b" * 64


def label(neuron: int, rater: str, kind: str = "label") -> LabelEvent:
    return LabelEvent(
        neuron=neuron, rater=rater, sae=SAE, kind=kind, gallery=GALLERY, type="social", attribute="gender"
    )


def test_raters_are_those_of_the_sets_own_neurons() -> None:
    events = [label(1, "Ann"), label(1, "Bob"), label(2, "Cem"), label(3, "Dora", "adjudication")]
    standing = list(standings(events).values())
    assert raters_of(standing, (1, 3)) == ("Ann", "Bob", "Dora")
    assert raters_of(standing, ()) == ()


def test_raters_are_part_of_the_hash_and_round_trip() -> None:
    plain = LabelSet("gender", SAE, (1, 2), "rule")
    assert "raters" not in plain.to_json() and LabelSet.from_json(plain.to_json()) == plain
    named = LabelSet("gender", SAE, (1, 2), "rule", raters=("Bob", "Ann", "Bob"))
    assert named.to_json()["raters"] == ["Ann", "Bob"] and named.digest != plain.digest
    assert LabelSet.from_json(named.to_json()) == named
