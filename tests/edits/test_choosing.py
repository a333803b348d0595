"""A choice of neurons reads and writes the same JSON, and no evaluation row can reach the choice."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse

from core.benchmark.arms import CHOICES as ARMS
from core.config import Edit, InputError
from core.edits import EditChoice, choose_edits, probe_set
from core.edits.choosing import by_rule
from core.edits.probe_set import departures
from core.ranking import RankRequest
from core.scene import Scene
from tests.tiny import N, TinyBackbone, TinyGallery, sae_file

REQUEST = RankRequest("gender", "unused", k=40, half="evaluation")
QUERIES = ["a photo of a nurse", "a photo of a pilot"]
FILE = sae_file("image", "pooled")
CHOICES = [
    {"select": "rule", "tau": 0.2, "top": 2},
    {"select": "rule", "tau": 0.2, "rule": "published"},
    {"neurons": [17, 3], "strength": 0.5, "gamma": 0.1, "form": "blend"},
    {"select": "attribution", "size": 4, "per_query": True},
    {"select": "attribution", "size": 4, "per_query": False},
    {"select": "smallest", "target_skew": 0.1, "size": 5},
    {"select": "smallest", "size": 5, "per_query": False, "explicit": {"a photo of a man": "Male"}},
    {"label_set": "a" * 64},
]
every = pytest.mark.parametrize("value", CHOICES, ids=str)
found = pytest.mark.parametrize("value", [value for value in CHOICES if "label_set" not in value], ids=str)


def chosen(value, gallery=None, queries=QUERIES, saes=None):
    scene = Scene(gallery or TinyGallery(), {"image": FILE} if saes is None else saes, TinyBackbone())
    return choose_edits(scene, EditChoice.from_json(value), REQUEST, queries)


@every
def test_json_is_read_back_and_digests_follow_it(value):
    choice = EditChoice.from_json(value)
    again = EditChoice.from_json(choice.to_json())
    assert again == choice and again.digest == choice.digest
    assert replace(choice, strength=0.25).digest != choice.digest
    assert set(value) <= set(choice.to_json())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"select": "rule", "size": 3}, "unknown keys: size; rule knows tau, top, rule"),
        ({"neurons": [1], "tau": 0.5, "x": 1}, "unknown keys: tau, x"),
        ({"select": "magic"}, "select of the edit was 'magic'"),
        ({}, "names neither neurons"),
        ({"neurons": "3"}, "expected a list of neuron numbers"),
        ({"neurons": [1.5]}, "expected a list of neuron numbers"),
        ({"select": "rule", "tau": 2}, "tau was 2"),
        ({"select": "rule", "tau": "high"}, "tau was 'high'"),
        ({"select": "rule", "rule": "roughly"}, "rule of the edit was 'roughly'; expected one of at-least, published"),
        ({"select": "attribution", "rule": "published"}, "unknown keys: rule"),
        ({"select": "attribution", "size": 0}, "size was 0"),
        ({"select": "attribution", "per_query": "yes"}, "per_query was 'yes'"),
        ({"neurons": [1], "strength": 3}, "strength was 3"),
        ({"select": "smallest", "target_skew": -1}, "target_skew was -1"),
        ({"select": "smallest", "explicit": ["a photo of a man"]}, "explicit was"),
        ([], "the edit was"),
    ],
)
def test_refused_in_one_line(value, message):
    with pytest.raises(InputError, match=message):
        EditChoice.from_json(value)


MANNER = {"strength": 1.0, "gamma": 0.0, "form": "error-preserving", "alpha": 0.6}


@pytest.mark.parametrize(
    ("select", "own"),
    [
        ("neurons", {"neurons": []}),
        ("rule", {"tau": 0.5, "top": 1, "rule": "at-least"}),
        ("attribution", {"size": 16, "per_query": True}),
        ("smallest", {"target_skew": 0.15, "size": 16, "per_query": True, "explicit": {}}),
    ],
)
def test_what_is_chosen_where_nobody_says_more(select, own):
    """A specification that names the way alone; its report writes all of this out."""
    assert EditChoice(select).to_json() == {"select": select, **own, **MANNER}


@found
def test_one_edit_a_query_in_the_order_of_the_queries(value):
    edits = chosen(value)
    assert len(edits) == 2 and all(isinstance(edit, Edit) and edit.neurons for edit in edits)
    assert list(chosen(value, queries=QUERIES[::-1])) == list(edits)[::-1]
    vectors = TinyBackbone().encode_texts(QUERIES)["pooled"]
    assert list(chosen(value, queries=vectors)) == list(edits)
    assert edits[0].strength == value.get("strength", 1.0) and edits[0].form == value.get("form", "error-preserving")


class Scrambled(TinyGallery):
    """A gallery whose evaluation half is noise and whose evaluation labels are turned round."""

    def embeddings(self, attach="pooled"):
        x = np.array(super().embeddings(attach))
        x[1::2] = np.random.default_rng(99).normal(size=x[1::2].shape)
        return x

    def group_numbers(self, attribute):
        numbers = np.array(super().group_numbers(attribute))
        numbers[1::2] = 1 - numbers[1::2]
        return numbers


@found
def test_the_evaluation_half_takes_no_part(value):
    assert list(chosen(value, Scrambled())) == list(chosen(value))


def test_the_probe_set_holds_probe_rows_alone():
    gallery = TinyGallery()
    probe = probe_set(Scene(gallery, {"image": FILE}), REQUEST)
    assert (probe.part.rows % 2 == 0).all() and len(probe.material.pooled) == probe.part.n == N // 2
    assert probe.k == 40
    whole = probe_set(Scene(gallery, {"image": FILE}), replace(REQUEST, half="all"))
    assert whole.k == 20  # the same share of half as many rows


def test_a_set_for_all_serves_every_query_and_sizes_are_kept():
    alone = chosen({"select": "attribution", "size": 3})
    together = chosen({"select": "attribution", "size": 3, "per_query": False})
    assert together[0] == together[1] and all(len(edit.neurons) <= 3 for edit in (*alone, *together))
    assert alone[0] != alone[1]


def with_codes(fires):
    """The tiny gallery's probe set, its neurons firing on so many of each group's probe rows."""
    gallery = TinyGallery()
    probe = probe_set(Scene(gallery, {"image": FILE}), REQUEST)
    z = np.zeros((probe.part.n, len(fires)), dtype=np.float32)
    for j, counts in enumerate(fires):
        for g, count in enumerate(counts):
            z[np.flatnonzero(probe.part.labels == g)[:count], j] = 1
    return replace(probe, material=replace(probe.material, codes=sparse.csc_matrix(z)))


def test_a_rule_of_galleries_says_what_it_does_and_the_published_one_can_be_asked_for():
    n = int(with_codes([(1, 0)]).part.counts[0])
    tau = (n // 2 + 0.5) / n  # asks for half a row more than there are in half of the group
    probe = with_codes([(n // 2, 0), (n, 0)])
    assert by_rule(probe, EditChoice("rule", tau=tau, top=2))[0] == (1,)
    assert by_rule(probe, EditChoice("rule", tau=tau, top=2, rule="published"))[0] == (1, 0)
    assert EditChoice("rule").to_json()["rule"] == "at-least"
    assert ARMS["neuron-edit-rule"][1].rule == "published", "an arm that names the published rule follows it"


def test_a_neuron_whose_lift_is_unsure_is_noted():
    probe = with_codes([(1, 0)])
    women, men = map(int, probe.part.counts)
    neurons, notes = by_rule(with_codes([(women // 2 + 2, men // 2 - 1), (0, men)]), EditChoice("rule"))
    assert neurons == (0, 1)
    assert notes == ("neuron 0 is Female's by the rule, but may fire as often on Male: unsure",)


def test_a_group_with_nobody_retrieved_never_leads():
    """2 % of the gallery, none of twenty: a zero counted as 1 / k would put it in front."""
    assert departures(np.array([0, 20]), np.array([0.02, 0.98])).tolist() == [-np.inf, pytest.approx(0.6389, abs=1e-4)]
    assert np.argmax(departures(np.array([0, 9, 11]), np.array([0.02, 0.49, 0.49]))) == 2
    assert departures(np.array([10, 10]), np.array([0.5, 0.5])).tolist() == [0, 0]
    assert np.argmax(departures(np.array([1, 19]), np.array([0.0, 1.0]))) == 0, "rows of a group that should have none"
    # one of ten where .07 are asked for is nothing beside nine where .60 are
    assert np.argmax(departures(np.array([1, 9, 0]), np.array([0.07, 0.60, 0.33]))) == 1


def test_the_leading_group_of_a_query_that_finds_nobody_of_a_rare_group():
    probe = with_codes([(1, 0)])
    query = probe.material.pooled[probe.part.labels == 1].mean(axis=0)
    scores = probe.products(query) / probe.lengths
    labels = np.where(np.argsort(np.argsort(scores)) < 3, 0, 1)  # the three rows that come last
    rare = replace(probe, part=replace(probe.part, labels=labels, target=np.array([0.02, 0.98])), k=20)
    assert rare.leading_group(query) == 1


def test_a_search_is_not_held_up_by_a_group_that_nobody_is_retrieved_of():
    probe = with_codes([(1, 0)])
    scores = np.arange(probe.part.n, 0.0, -1)
    labels = np.where(scores <= 3, 0, 1)  # the three rows that come last
    rare = replace(probe, part=replace(probe.part, labels=labels, target=np.array([0.02, 0.98])), k=20)
    shown, expected = rare.skews(scores)
    assert shown == pytest.approx(np.log(0.05 / 0.02)) and expected == pytest.approx(np.log(1 / 0.98))
    even = replace(rare, part=replace(rare.part, target=np.array([0.5, 0.5])))
    assert even.skews(scores) == pytest.approx((np.log(2), np.log(2)))


def test_what_cannot_be_found_is_said():
    with pytest.raises(InputError, match="give its neurons"):
        choose_edits(Scene(TinyGallery()), EditChoice.from_json({"label_set": "b"}), REQUEST, QUERIES)
    with pytest.raises(InputError, match="no group of the probe rows has a neuron of its own"):
        chosen({"select": "rule", "tau": 1.0})
    with pytest.raises(InputError, match="a lean needs two groups"):
        one = replace(REQUEST, where={"gender": "Male"})
        probe_set(Scene(TinyGallery(), {"image": FILE}), one)
    with pytest.raises(InputError, match="no image SAE was given"):
        chosen({"select": "rule"}, saes={})
