"""Every method through the one door for rankings: on the default gallery, and where only known prompts are at hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import ranking
from core.backbones.open_clip_models import load_backbone
from core.config import Edit, InputError
from core.datasets.base import ItemTable
from core.gallery import build_gallery, import_gallery, open_gallery
from core.interventions import INTERVENTIONS
from core.prompts import CLOSED, GroupPrompts, shipped_book
from core.ranking import RankRequest
from core.ranking.fitting import Fitter
from core.ranking.queries import embed_texts
from core.saes.checkpoint import load_sae
from core.scene import Bench, Scene

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "fairface_rn50"
METHODS = [name for name in INTERVENTIONS if not INTERVENTIONS.get(name).needs.edit]
EVERY = pytest.mark.parametrize("method", METHODS)
NO_GROUPS = replace(shipped_book(CLOSED), groups=GroupPrompts("none", {}))
DOCTOR, NURSE = "a photo of a doctor", "a photo of a nurse"


@pytest.fixture(scope="module")
def scene() -> Scene:
    saes = {side: load_sae(f"default-{side}") for side in ("image", "text")}
    return Scene(open_gallery("default"), saes, load_backbone("default"))


FEW = 200
"""Pictures of a gallery whose heads are read, each through the tower again."""


@pytest.fixture(scope="module")
def few_pictures(scene, tmp_path_factory) -> Scene:
    """The first pictures of the default gallery as a gallery of their own."""
    folder, shipped = tmp_path_factory.mktemp("few"), scene.gallery
    for i in range(FEW):
        (folder / f"{i}.jpg").write_bytes(shipped.thumb(i))
    names = [f"{i}.jpg" for i in range(FEW)]
    frame = pd.DataFrame({"id": names, "file": names, "gender": shipped.labels("gender")[:FEW]})
    return replace(scene, gallery=build_gallery(ItemTable(frame, "images", "few", folder), scene.model, folder / "g"))


@pytest.fixture(scope="module")
def scene_of(scene, few_pictures) -> Callable[[str], Scene]:
    return lambda method: few_pictures if INTERVENTIONS.get(method).needs.heads else scene


def asked(method: str, query: str = DOCTOR, **more) -> RankRequest:
    return RankRequest(attribute="gender", query=query, method=method, null_draws=20, **more)


@EVERY
def test_it_changes_what_it_says_it_changes(scene_of, method):
    found = ranking.rank(scene_of(method), asked(method))
    changes = INTERVENTIONS.get(method).changes
    assert found.after is not None and found.difference is not None
    moved = (found.difference.rows_changed > 0, found.difference.query_cosine < 1.0)
    expected = (changes in ("items", "both", "edit"), changes in ("query", "both"))
    assert moved == ((False, False) if method == "identity" else expected)


@EVERY
def test_what_was_asked_before_changes_nothing(scene_of, method):
    scene = scene_of(method)
    warm = ranking.rank(scene, asked(method, NURSE))
    fresh = ranking.rank(replace(scene, bench=Bench()), asked(method, NURSE))
    assert warm.to_json() == fresh.to_json()


@pytest.mark.parametrize("method", [m for m in METHODS if INTERVENTIONS.get(m).changes in ("query", "both")])
def test_a_query_is_answered_the_same_whatever_is_asked_beside_it(scene, method):
    together = embed_texts(scene, asked(method), [NURSE, DOCTOR, "a photo of a chef"])
    alone = embed_texts(scene, asked(method), [DOCTOR])
    a, b = (queries.vectors(method, None) for queries in (together, alone))
    np.testing.assert_allclose(a[1], b[0], rtol=0, atol=2e-5 * np.abs(b).max())


def test_no_edit_and_no_method_is_the_ranking_alone(scene):
    assert ranking.rank(scene, asked("neuron-edit")).after is None
    assert not asked("neuron-edit").intervenes and asked("sem-b").intervenes


def test_chosen_neurons_are_the_ones_that_are_projected_out(scene):
    chosen = ranking.rank(scene, asked("sp-topk", edits={"image": Edit((3, 7))}))
    found = ranking.rank(scene, asked("sp-topk"))
    assert chosen.difference.cosine.estimate != found.difference.cosine.estimate


def test_other_prompts_are_another_answer_and_another_digest(scene):
    book = shipped_book(CLOSED)
    fewer = replace(book, diverse=book.diverse[:150])
    requests = [asked("sem-b"), asked("sem-b", prompts=fewer)]
    one, other = (ranking.rank(scene, request) for request in requests)
    assert requests[0].digest != requests[1].digest
    assert one.difference.query_cosine != other.difference.query_cosine


def test_the_cost_of_a_method_is_computed_without_an_edit(scene):
    explicit = {"a photo of a man": "Male"}
    found = ranking.utility_cost(scene, asked("mean-difference"), explicit=explicit)
    assert found.rows_changed == scene.gallery.n and 0.9 < found.cosine_mean < 1.0
    assert found.explicit["a photo of a man"].after.estimate < found.explicit["a photo of a man"].before.estimate


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        ("sem-bi", {"query": None, "query_embedding": [1.0] * 128}, "paraphrases of the query"),
        ("mean-difference", {"half": "evaluation", "where": {"gender": "Male"}}, "Male alone"),
        ("sem-b", {"prompts": NO_GROUPS}, "do not name all groups"),
    ],
)
def test_what_is_missing_is_one_line_that_names_the_method(scene, method, more, said):
    with pytest.raises(InputError, match=said) as refused:
        ranking.rank(scene, asked(method, **({"query": DOCTOR} | more)))
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    if not DATA.is_dir():
        pytest.skip(f"the real embeddings are not here: {DATA}")
    return import_gallery(
        DATA / "image_embeddings.npy",
        DATA / "labels.csv",
        model_name="RN50",
        out=tmp_path_factory.mktemp("faces") / "gallery",
        texts=DATA / "text_embeddings.npy",
        text_table=DATA / "texts.csv",
    )


KNOWN_ENOUGH = {
    *("bendvlm", "clip-clip", "closed-form", "difference-projection", "inlp", "leace", "leace-text", "mean-difference"),
    *("mean-difference-text", "orth-proj", "prism-mini", "roboshot", "sfid", "spd", "wring"),
    "zsdebias",
}


@EVERY
def test_with_known_prompts_alone_a_method_answers_or_says_what_is_missing(faces, method):
    request = asked(method, "a photo of a commander", half="evaluation", where={"race": "White"})
    scene = Scene(faces)
    reason = Fitter(scene, request).missing(method)
    if method in KNOWN_ENOUGH | {"identity"}:
        assert reason is None
        found = ranking.rank(scene, request)
        assert found.after.metrics["max_skew"].estimate is not None
    else:
        with pytest.raises(InputError, match=r"SAE was given|no text (model is loaded|encoder of)|keeps no pictures"):
            ranking.rank(scene, request)


def test_a_random_method_stands_beside_its_spread_over_seeds(scene):
    found = ranking.rank(scene, asked("zsdebias", seed=3))
    draws = found.to_json()["draws"]
    assert draws["seeds"] == [3, 4, 5, 6, 7]
    assert draws["shares"]["Male"]["values"][0] == pytest.approx(found.after.shares["Male"].estimate)
    assert draws["max_skew"]["values"][0] == pytest.approx(found.after.metrics["max_skew"].estimate)
    other = ranking.rank(scene, asked("zsdebias", seed=4))
    assert draws["shares"]["Male"]["values"][1] == pytest.approx(other.after.shares["Male"].estimate)
    assert set(found.after.ids) != set(other.after.ids) and found.digests["evidence"] != other.digests["evidence"]
    spread = draws["shares"]["Male"]
    assert spread["mean"] == pytest.approx(np.mean(spread["values"]))
    assert spread["sd"] == pytest.approx(np.std(spread["values"], ddof=1))
    assert any("over seeds 3 to 7" in note and "this answer is that of seed 3" in note for note in found.notes)
    assert "draws" not in ranking.rank(scene, asked("leace")).to_json()


def test_what_a_method_guarantees_is_a_note(scene):
    notes = ranking.rank(scene, asked("closed-form")).notes
    assert [note.split(" before")[0].rsplit(" ", 2)[-1] for note in notes if "bounded by half" in note] == [
        "text",
        "picture",
    ]
