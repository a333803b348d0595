"""Intersections of attributes are attributes: numbering, empty cells, unknowns, refusals."""

import tracemalloc
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import InputError
from core.gallery import open_gallery
from core.gallery.labels import Labels, crossed
from core.ranking import RankRequest, rank
from core.ranking.rows import part_of
from core.scene import Scene
from core.tables import order

columns = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-1, 2), min_size=n, max_size=n), st.lists(st.integers(-1, 1), min_size=n, max_size=n)
    )
)


@given(columns)
@settings(max_examples=60, deadline=None)
def test_every_item_is_in_the_combination_of_its_groups(case):
    first, second = (np.array(column) for column in case)
    names = (["a", "b", "c"], ["x", "y"])
    groups, numbers = crossed([(names[0], first), (names[1], second)])
    assert groups == sorted(set(groups)) and set(np.unique(numbers[numbers >= 0])) == set(range(len(groups)))
    for i, j, place in zip(first, second, numbers, strict=True):
        expected = f"{names[0][i]} x {names[1][j]}" if min(i, j) >= 0 else None
        assert (groups[place] if place >= 0 else None) == expected


def test_only_combinations_that_occur_are_written_out():
    each = np.arange(1000)
    columns = [([f"{letter}{i}" for i in range(1000)], each) for letter in "ab"]
    tracemalloc.start()
    groups, numbers = crossed(columns)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (groups[999], len(groups)) == ("a999 x b999", 1000) and numbers.tolist() == each.tolist()
    assert most < 10e6, "a million names would be 70 MB"


def test_more_combinations_than_anybody_could_list_are_refused(tmp_path):
    codes = {name: [f"{name}{i}" for i in range(400)] for name in ("street", "shop")}
    pq.write_table(pa.table(codes), tmp_path / "attributes.parquet")
    labels = Labels(tmp_path / "attributes.parquet", "the gallery")
    for read in (labels.numbered, labels.empty_cells):
        with pytest.raises(InputError, match=r"^street x shop has 160,000 combinations of groups, too many to list"):
            read("street x shop")


def test_more_groups_than_anybody_could_look_at_are_refused(monkeypatch, gallery):
    monkeypatch.setattr(order, "MOST_GROUPS", 5)
    with pytest.raises(InputError, match=r"^gender x age has 6 different groups, more than the 5 that"):
        part_of(Scene(gallery), RankRequest("gender x age", query="a nurse"))


@pytest.fixture(scope="module")
def gallery():
    return open_gallery("default")


def test_the_default_gallery_by_hand(gallery):
    gender, age = gallery.labels("gender"), gallery.labels("age")
    both = gallery.labels("gender x age")
    assert both.tolist() == [f"{g} x {a}" for g, a in zip(gender, age, strict=True)]
    counts = gallery.group_counts("gender x age")
    assert counts.pop("unknown") == 0 and sum(counts.values()) == gallery.n and len(counts) == 6
    assert gallery.components("gender x age") == ["gender", "age"] and gallery.components("age") == ["age"]
    assert gallery.empty_cells("gender x age") == [] == gallery.empty_cells("age")


def test_empty_cells_are_named(gallery):
    cells = set(gallery.groups("gender x beard"))
    every = {f"{g} x {b}" for g, b in product(gallery.groups("gender"), gallery.groups("beard"))}
    assert set(gallery.empty_cells("gender x beard")) == every - cells != set()


def test_an_intersection_is_audited_like_an_attribute(gallery):
    query = gallery.embeddings("pooled")[3].astype(float)
    found = rank(Scene(gallery), RankRequest("gender x beard", query_embedding=query, k=100, null_draws=200))
    assert sum(share.estimate for share in found.before.shares.values()) == pytest.approx(1.0)
    assert any("no searched row has gender x beard" in note for note in found.notes)
    document = found.to_json()
    assert document["before"]["worst_pair"]["over"] in found.part.groups
    small = [group for group, n in zip(found.part.groups, found.part.counts, strict=True) if n < 30]
    for group in small:
        assert "not interpreted" in document["before"]["shares"][group]["note"]


@pytest.mark.parametrize(
    ("attribute", "said"),
    [("gender x gender", "twice"), ("gender x height", "no attribute 'height'"), ("x", "no attribute 'x'")],
)
def test_what_is_no_intersection_is_refused(gallery, attribute, said):
    with pytest.raises(InputError, match=said):
        gallery.groups(attribute)
