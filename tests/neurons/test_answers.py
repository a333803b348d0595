"""What a neuron answers to: all attributes side by side, against scipy, and said in words."""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
import scipy.stats

from core.config import InputError
from core.gallery import import_gallery
from core.neurons import answers_to, caption_words
from core.neurons.answers import CAPTION
from core.statistics import auc_estimate

N = 600


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures with gender, a background, hair that is nearly gender, some unknown labels, and a name each."""
    rng = np.random.default_rng(0)
    gender = rng.choice(["Female", "Male"], N)
    table = pd.DataFrame(
        {
            "id": [f"i{i}" for i in range(N)],
            "gender": gender,
            "background": rng.choice(["blue", "green", "orange", "red"], N),
            "hair": np.where(rng.random(N) < 0.95, np.where(gender == "Female", "long", "short"), "none"),
            "mood": rng.choice(["calm", "cross", "glad"], N),
            "person": [f"p{i // 3}" for i in range(N)],
            "rare": ["one"] * 3 + ["other"] * (N - 3),
        }
    )
    table.loc[table.sample(frac=0.2, random_state=1).index, "mood"] = None
    folder = tmp_path_factory.mktemp("answers")
    table.to_csv(folder / "t.csv", index=False)
    gallery = import_gallery(
        rng.normal(size=(N, 8)).astype(np.float32), folder / "t.csv", model_name="toy", out=folder / "gallery"
    )
    z = rng.exponential(size=(N, 4)) * (rng.random((N, 4)) < 0.05)
    orange, female = (table["background"] == "orange").to_numpy(), (gender == "Female")
    z[orange, 0] += rng.exponential(size=orange.sum()) + 0.1
    z[female, 1] += rng.exponential(size=female.sum()) * (rng.random(female.sum()) < 0.8)
    z[~orange, 2] += 1.0
    z[:, 3] = 1.0
    return gallery, sparse.csc_matrix(z), z


ROWS = np.arange(0, N, 1)


def test_a_neuron_of_orange_backgrounds_is_called_that(made):
    gallery, codes, _ = made
    found = answers_to(gallery, codes, 0, ROWS)
    assert found[0].said == "background orange" and found.strongest is found[0] and found[0].auc.estimate > 0.9
    assert found.overlap is None
    ranks = [(not one.found, -one.strength) for one in answers_to(gallery, codes, 0, ROWS, top=None)]
    assert ranks == sorted(ranks) and len({found for found, _ in ranks}) == 2
    silent = answers_to(gallery, codes, 2, ROWS)
    assert silent[0].said == "not background orange" and silent[0].auc.estimate < 0.1


def test_every_number_against_scipy(made):
    gallery, codes, z = made
    rows = np.arange(3, N, 2)
    found = answers_to(gallery, codes, 1, rows, top=None)
    tests = {}
    for attribute in ("gender", "background", "hair", "mood"):
        labels = gallery.labels(attribute)[rows]
        known = np.array([label is not None for label in labels])
        for group in gallery.groups(attribute):
            own, rest = z[rows, 1][known & (labels == group)], z[rows, 1][known & (labels != group)]
            if min(len(own), len(rest)) >= 10:
                test = scipy.stats.mannwhitneyu(own, rest, method="asymptotic")
                tests[attribute, group] = (test.statistic / len(own) / len(rest), test.pvalue, own, rest)
    smaller = min(("Female", "Male"), key=lambda g: tests["gender", g][0])
    del tests["gender", smaller]  # two groups are one test
    adjusted = scipy.stats.false_discovery_control([p for _, p, *_ in tests.values()])
    assert found.tests == len(found) == len(tests)
    for (key, (auc, p, own, rest)), q in zip(tests.items(), adjusted, strict=True):
        (one,) = (one for one in found if (one.attribute, one.group) == key)
        assert one.auc.estimate == pytest.approx(auc, abs=1e-12) and one.n == len(own)
        assert one.p == pytest.approx(p, rel=1e-9) and one.p_adjusted == pytest.approx(q, rel=1e-9)
        assert (one.rate, one.other_rate) == (np.mean(own != 0), np.mean(rest != 0))
        values, inside = np.concatenate([own, rest]), np.arange(len(own) + len(rest)) < len(own)
        assert one.auc.lo == pytest.approx(auc_estimate(values, inside).lo)


def test_what_is_not_looked_at_is_named(made):
    gallery, codes, _ = made
    found = answers_to(gallery, codes, 0, ROWS, top=None)
    assert {one.attribute for one in found} == {"gender", "background", "hair", "mood"}
    left = " | ".join(found.left_out)
    assert "person: 200 values, more than 100" in left and "rare one, other: fewer than 10 items" in left
    with pytest.raises(InputError, match="neurons 0 to 3"):
        answers_to(gallery, codes, 4, ROWS)


def test_groups_that_share_their_items_are_said(made):
    gallery, codes, _ = made
    found = answers_to(gallery, codes, 1, ROWS)
    assert found[0].said == "gender Female" and "hair long" in [one.said for one in found[1:4]]
    assert found.overlap is not None and found.overlap.startswith(
        "All items of hair long are gender Female too, as are"
    )


def gallery_of(folder, table):
    """A gallery of random embeddings with the given attributes."""
    table = pd.DataFrame({"id": [f"i{i}" for i in range(len(table))], **table})
    folder.mkdir()
    table.to_csv(folder / "t.csv", index=False)
    x = np.random.default_rng(0).normal(size=(len(table), 4)).astype(np.float32)
    return import_gallery(x, folder / "t.csv", model_name="toy", out=folder / "gallery")


def test_a_group_that_nearly_everybody_is_in_explains_nothing(tmp_path):
    rng = np.random.default_rng(4)
    female, bare = rng.random(N) < 0.5, rng.random(N) < 0.9
    table = {"gender": np.where(female, "Female", "Male"), "hat": np.where(bare, "no hat", "hat")}
    z = sparse.csc_matrix((female * 1.0 + bare * 1.0 + rng.random(N))[:, None])
    found = answers_to(gallery_of(tmp_path / "hats", pd.DataFrame(table)), z, 0, ROWS)
    assert [one.said for one in found] == ["gender Female", "no hat"] and all(one.found for one in found)
    assert found.overlap is None


def test_one_answer_inside_another_is_told_from_two_that_cannot_be_told_apart(tmp_path):
    rng = np.random.default_rng(4)
    female = rng.random(N) < 0.5
    lips = female & (rng.random(N) < 0.4)
    table = {"gender": np.where(female, "Female", "Male"), "lips": np.where(lips, "red", "plain")}
    z = sparse.csc_matrix((female * 2.0 + rng.random(N))[:, None])
    found = answers_to(gallery_of(tmp_path / "lips", pd.DataFrame(table)), z, 0, ROWS)
    assert found[0].said == "gender Female" and found.overlap is not None
    assert found.overlap.endswith("some of its answer to lips red is its answer to gender Female.")


def test_findings_come_before_what_a_small_group_shows_by_chance(tmp_path):
    rng = np.random.default_rng(4)
    female = rng.random(N) < 0.5
    values = rng.random(N) + 0.1 * female
    few = np.argsort(values)[np.linspace(N // 4, N - 1, 12).astype(int)]
    table = {"gender": np.where(female, "Female", "Male"), "club": np.where(np.isin(ROWS, few), "in", "out")}
    found = answers_to(gallery_of(tmp_path / "club", pd.DataFrame(table)), sparse.csc_matrix(values[:, None]), 0, ROWS)
    assert [one.said for one in found] == ["gender Female", "club in"]
    assert found[1].strength > found[0].strength and not found[1].found and found.strongest is found[0]


def test_a_neuron_that_is_the_same_everywhere_answers_to_nothing(made):
    gallery, codes, _ = made
    found = answers_to(gallery, codes, 3, ROWS)
    assert len(found) == 0 and found.tests == 0 and found.strongest is None and found.overlap is None


def test_noise_is_seldom_a_finding(made):
    gallery = made[0]
    rng = np.random.default_rng(5)
    noise = sparse.csc_matrix(rng.exponential(size=(N, 200)) * (rng.random((N, 200)) < 0.1))
    strongest = [answers_to(gallery, noise, j, ROWS, top=1).strongest for j in range(200)]
    assert sum(one is not None for one in strongest) <= 0.05 * 200 + 2 * np.sqrt(0.05 * 0.95 * 200)


def test_one_bar_an_attribute(made):
    gallery, codes, _ = made
    found = answers_to(gallery, codes, 0, ROWS, top=None)
    firsts = found.by_attribute(3)
    assert len(firsts) == 3 and firsts[0] is found[0] and len({one.attribute for one in firsts}) == 3
    for first in firsts:
        own = [one for one in found if one.attribute == first.attribute]
        assert first is own[0] and all(one.found <= first.found for one in own)


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    rng = np.random.default_rng(2)
    doctor = rng.random(200) < 0.4
    texts = [f"A {'Doctor' if d else 'baker'} at work, No {i}" for i, d in enumerate(doctor)]
    texts[7] = "rare words"
    folder = tmp_path_factory.mktemp("captions")
    pd.DataFrame({"id": [f"c{i}" for i in range(200)], "text": texts}).to_csv(folder / "t.csv", index=False)
    x = rng.normal(size=(200, 8)).astype(np.float32)
    gallery = import_gallery(x, folder / "t.csv", model_name="toy", out=folder / "gallery", kind="captions")
    return gallery, np.array(["doctor" in text.lower() for text in texts])


def test_words_of_captions_are_looked_at_too(captions):
    gallery, doctor = captions
    words = caption_words(gallery, np.arange(200))
    assert words is not None and words.words == ("baker", "doctor"), (
        "neither rare words nor those that all captions hold"
    )
    z = sparse.csc_matrix((doctor * np.random.default_rng(0).uniform(0.5, 1, 200))[:, None])
    found = answers_to(gallery, z, 0, np.arange(200))
    assert found[0].said == f"{CAPTION} doctor" and found[0].n == doctor.sum() and found[0].rate == 1
    assert len(found.by_attribute(5)) == 2, "each word stands for itself"
    assert list(answers_to(gallery, z, 0, np.arange(200), words=words)) == list(found)


def test_pictures_hold_no_words(made):
    assert caption_words(made[0], ROWS) is None


def test_two_thousand_items_and_twenty_attributes_take_no_time(tmp_path):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"id": [f"i{i}" for i in range(2000)]})
    for a in range(20):
        table[f"a{a}"] = rng.choice([f"g{g}" for g in range(2 + a % 9)], 2000)
    table.to_csv(tmp_path / "t.csv", index=False)
    x = rng.normal(size=(2000, 4)).astype(np.float32)
    gallery = import_gallery(x, tmp_path / "t.csv", model_name="toy", out=tmp_path / "gallery")
    z = sparse.csc_matrix(rng.exponential(size=(2000, 1)) * (rng.random((2000, 1)) < 0.3))
    spent = []
    for _ in range(5):
        start = time.process_time()  # of this process alone, whatever else the machine does
        answers_to(gallery, z, 0, np.arange(2000))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.3
