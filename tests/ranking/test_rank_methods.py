"""Every method through the one door for rankings: on the default gallery, and where only known prompts are at hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import ranking
from core.backbones.open_clip_models import load_backbone
from core.config import Edit, InputError
from core.gallery import import_gallery, open_gallery
from core.interventions import INTERVENTIONS
from core.prompts import CLOSED, GroupPrompts, shipped_book
from core.ranking import Bench, RankRequest
from core.ranking.evidence import Fitter
from core.ranking.material import embed_texts
from core.saes.checkpoint import load_sae

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "fairface_rn50"
METHODS = [name for name in INTERVENTIONS if not INTERVENTIONS.get(name).needs.edit]
EVERY = pytest.mark.parametrize("method", METHODS)
NO_GROUPS = replace(shipped_book(CLOSED), groups=GroupPrompts("none", {}))
DOCTOR, NURSE = "a photo of a doctor", "a photo of a nurse"


@pytest.fixture(scope="module")
def world():
    return open_gallery("default"), load_backbone("default"), {s: load_sae(f"default-{s}") for s in ("image", "text")}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def asked(method: str, query: str = DOCTOR, **more) -> RankRequest:
    return RankRequest(attribute="gender", query=query, method=method, null_draws=20, **more)


@EVERY
def test_it_changes_what_it_says_it_changes(world, bench, method):
    gallery, backbone, saes = world
    found = ranking.rank(gallery, asked(method), backbone, saes, bench)
    changes = INTERVENTIONS.get(method).changes
    assert found.after is not None and found.difference is not None
    moved = (found.difference.rows_changed > 0, found.difference.query_cosine < 1.0)
    expected = (changes in ("items", "both", "edit"), changes in ("query", "both"))
    assert moved == ((False, False) if method == "identity" else expected)


@EVERY
def test_what_was_asked_before_changes_nothing(world, bench, method):
    gallery, backbone, saes = world
    warm = ranking.rank(gallery, asked(method, NURSE), backbone, saes, bench)
    fresh = ranking.rank(gallery, asked(method, NURSE), backbone, saes, Bench())
    assert warm.to_json() == fresh.to_json()


@pytest.mark.parametrize("method", [m for m in METHODS if INTERVENTIONS.get(m).changes in ("query", "both")])
def test_a_query_is_answered_the_same_whatever_is_asked_beside_it(world, bench, method):
    gallery, backbone, saes = world
    together = embed_texts([NURSE, DOCTOR, "a photo of a chef"], gallery, asked(method), backbone, saes, bench)
    alone = embed_texts([DOCTOR], gallery, asked(method), backbone, saes, bench)
    a, b = (queries.vectors(method, None) for queries in (together, alone))
    np.testing.assert_allclose(a[1], b[0], rtol=0, atol=2e-5 * np.abs(b).max())


def test_no_edit_and_no_method_is_the_ranking_alone(world):
    gallery, backbone, saes = world
    assert ranking.rank(gallery, asked("neuron-edit"), backbone, saes).after is None
    assert not asked("neuron-edit").intervenes and asked("sem-b").intervenes


def test_chosen_neurons_are_the_ones_that_are_projected_out(world, bench):
    gallery, backbone, saes = world
    chosen = ranking.rank(gallery, asked("sp-topk", edits={"image": Edit((3, 7))}), backbone, saes, bench)
    found = ranking.rank(gallery, asked("sp-topk"), backbone, saes, bench)
    assert chosen.difference.cosine.estimate != found.difference.cosine.estimate


def test_other_prompts_are_another_answer_and_another_digest(world, bench):
    gallery, backbone, saes = world
    book = shipped_book(CLOSED)
    fewer = replace(book, diverse=book.diverse[:150])
    requests = [asked("sem-b"), asked("sem-b", prompts=fewer)]
    one, other = (ranking.rank(gallery, request, backbone, saes, bench) for request in requests)
    assert requests[0].digest != requests[1].digest
    assert one.difference.query_cosine != other.difference.query_cosine


def test_the_cost_of_a_method_is_computed_without_an_edit(world, bench):
    gallery, backbone, saes = world
    explicit = {"a photo of a man": "Male"}
    found = ranking.utility_cost(gallery, asked("mean-difference"), backbone, saes, explicit=explicit, bench=bench)
    assert found.rows_changed == gallery.n and 0.9 < found.cosine_mean < 1.0
    assert found.explicit["a photo of a man"].after.estimate < found.explicit["a photo of a man"].before.estimate


@pytest.mark.parametrize(
    ("method", "more", "said"),
    [
        ("sem-bi", {"query": None, "query_embedding": [1.0] * 128}, "paraphrases of the query"),
        ("mean-difference", {"half": "evaluation", "where": {"gender": "Male"}}, "Male alone"),
        ("sem-b", {"prompts": NO_GROUPS}, "do not name all groups"),
    ],
)
def test_what_is_missing_is_one_line_that_names_the_method(world, bench, method, more, said):
    gallery, backbone, saes = world
    with pytest.raises(InputError, match=said) as refused:
        ranking.rank(gallery, asked(method, **({"query": DOCTOR} | more)), backbone, saes, bench)
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


KNOWN_ENOUGH = {"bendvlm", "mean-difference", "mean-difference-text", "orth-proj", "prism-mini", "roboshot", "sfid"}


@EVERY
def test_with_known_prompts_alone_a_method_answers_or_says_what_is_missing(faces, bench, method):
    request = asked(method, "a photo of a commander", half="evaluation", where={"race": "White"})
    reason = Fitter(faces, request, None, {}, bench).missing(method)
    if method in KNOWN_ENOUGH | {"identity"}:
        assert reason is None
        found = ranking.rank(faces, request, None, {}, bench)
        assert found.after.metrics["max_skew"].estimate is not None
    else:
        with pytest.raises(InputError, match=r"SAE was given|no text model is loaded"):
            ranking.rank(faces, request, None, {}, bench)
