"""Robustness: nothing changed finds the same, what turns the finding is named, what cannot be asked is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from core import ranking
from core.config import Edit, InputError, own_folder
from core.gallery import Gallery, open_gallery
from core.gallery.perturbed import AS_IT_IS, PERTURBATIONS, perturbed, why_no_pictures
from core.prompts import OPEN, Paraphrases, PromptBook, shipped_book
from core.ranking import RankRequest
from core.ranking.robustness import lengths_around, robustness
from core.ranking.variants import Robustness, Variant
from core.scene import Scene
from tests.benchmark.small_world import PROMPTS, small_gallery
from tests.ui.world import D, SmallModel, make_gallery, make_sae

RED = np.random.default_rng(0).normal(size=(4, D))[0]
"""Where SmallModel puts red, which men's pictures have more of."""
LEANS = {
    "a photo of a pilot": 1.0,
    "an image of a pilot": 0.9,
    "a picture of a pilot": -1.0,
    "a photo of a nurse": -1.0,
}


class Model(SmallModel):
    """Texts along red or against it; counts the pictures it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def encode_texts(self, texts: Any, attaches: Any = ("pooled",), **_: Any) -> dict:
        return {"pooled": np.stack([LEANS[text] * RED for text in texts]).astype(np.float32)}

    def encode_images(self, images: Any, attaches: Any = ("pooled",), **_: Any) -> dict:
        self.seen += len(images)
        return super().encode_images(images, attaches)

    def unknown_words(self, text: str) -> list[str]:
        return ["sketch"] if "sketch" in text else []


def book(*templates: str) -> PromptBook:
    value = {"openings": ["a photo of"], "templates": list(templates)}
    return replace(shipped_book(OPEN), paraphrases=Paraphrases.from_json(value))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return make_gallery(tmp_path_factory.mktemp("robustness") / "pictures", 3, "evaluation", n=90)


def ask(gallery: Gallery, prompts: Any = ("a photo of a pilot",), **choices: Any) -> Robustness:
    request = {name: choices.pop(name) for name in ("edits", "where", "method") if name in choices}
    given = {"backbone": Model(), "pictures": {}} | choices
    templates, k = given.pop("templates", ("an image of {}",)), given.pop("k", 20)
    scene = Scene(gallery, given.pop("saes", {}), given.pop("backbone"))
    return robustness(scene, RankRequest("gender", "any", k=k, prompts=book(*templates), **request), prompts, **given)


def same(a: Variant, b: Variant) -> bool:
    return a.lean == b.lean and (a.effect is None or a.effect.exchange == b.effect.exchange)


def test_where_rows_belong_together_the_finding_is_the_rankings_own(gallery: Gallery, monkeypatch: Any) -> None:
    monkeypatch.setattr(Gallery, "clusters", lambda self: np.arange(self.n) // 3)
    monkeypatch.setattr(Gallery, "together", "age")
    found = ask(gallery).prompts[0].original.lean
    request = RankRequest("gender", "a photo of a pilot", k=20)
    assert found == ranking.rank(Scene(gallery, {}, Model()), request).before.numbers.lean
    assert found.design_effect is not None


def test_lengths_reach_from_a_quarter_to_four_times_and_not_beyond_the_rows() -> None:
    assert lengths_around(100, 1000) == ([25, 50, 200, 400], [])
    assert lengths_around(1, 10) == ([2, 4], [])
    lengths, said = lengths_around(100, 400)
    assert lengths == [25, 50, 200] and said == ["k = 400 left out: only 400 rows are searched"]


def test_k_beyond_the_rows_is_left_out_and_said(gallery: Gallery) -> None:
    found = ask(gallery, k=40)
    assert [v.name for v in found.prompts[0].of_kind("k")] == ["k = 10", "k = 20", "k = 80"]
    said = "k = 160 left out: only 90 rows are searched"
    assert said in found.notes and said in found.prompts[0].to_json()["left_out"]
    with pytest.raises(InputError, match="expected 1 to 90"):
        ask(gallery, k=91)


def test_pictures_changed_by_nothing_find_the_same(gallery: Gallery, tmp_path: Path) -> None:
    sae = make_sae(tmp_path / "sae", gallery)
    found = ask(
        gallery,
        pictures={"nothing": lambda image: image},
        edits={"image": Edit((0, 1, 2), strength=0.5)},
        saes={"image": sae},
    )
    one = found.prompts[0]
    (nothing,) = one.of_kind("picture")
    assert same(nothing, one.as_it_is) and nothing.after == one.as_it_is.after
    assert one.holds(nothing) and one.change_holds(nothing) and not one.flips(nothing)
    assert found.picture_cosine > 0.99 and any("small pictures as they are" in note for note in found.notes)


def test_crops_and_mirrors_of_flat_pictures_find_the_same(gallery: Gallery) -> None:
    one = ask(gallery, pictures=PERTURBATIONS).prompts[0]
    found = {v.name: v for v in one.of_kind("picture")}
    assert list(found) == list(PERTURBATIONS)
    for name in ("crop 95 %", "crop 90 %", "mirrored"):
        assert same(found[name], one.as_it_is), name
    assert one.counted()["picture"] == (5, 5)


def test_variants_are_the_rankings_of_their_own_questions(gallery: Gallery, tmp_path: Path) -> None:
    sae = make_sae(tmp_path / "sae", gallery)
    choices = {"edits": {"image": Edit((3, 4, 5), strength=0.5)}}
    one = ask(gallery, saes={"image": sae}, **choices).prompts[0]
    for variant in (one.original, *one.variants):
        text = variant.name if variant.kind == "paraphrase" else one.prompt
        request = RankRequest("gender", text, k=variant.k, null_draws=20, **choices)
        alone = ranking.rank(Scene(gallery, {"image": sae}, Model()), request)
        assert variant.lean == alone.before.numbers.lean and variant.after == alone.after.numbers.lean
        assert variant.effect.exchange == alone.difference.effect.exchange
        assert variant.effect.lean_direction == alone.difference.effect.lean_direction


def test_wordings_that_disagree_are_told(gallery: Gallery) -> None:
    templates = ("an image of {}", "a picture of {}")
    one = ask(gallery, templates=templates).prompts[0]
    assert one.group_name == "Male" and one.original.direction(one.group) == 1
    document = one.to_json()
    assert document["flips"] == ["a picture of a pilot"]
    assert document["wordings_disagree"] == {
        "for": ["a photo of a pilot", "an image of a pilot"],
        "against": ["a picture of a pilot"],
    }
    assert document["holds"]["paraphrase"] == {"count": 1, "n": 2}
    assert "Its wordings disagree: Male is preferred by" in document["words"]
    assert "The direction turns with: a picture of a pilot." in document["words"]
    assert ask(gallery).prompts[0].to_json()["wordings_disagree"] is None


def test_pictures_that_turn_the_finding_are_named(gallery: Gallery) -> None:
    one = ask(gallery, pictures={"negative": ImageOps.invert, "mirrored": ImageOps.mirror}).prompts[0]
    assert one.to_json()["flips"] == ["negative"]
    assert one.ratio_range[0] == min(v.lean.groups[one.group].ratio.estimate for v in one.variants)


def test_what_the_model_does_not_know_is_left_out_and_said(gallery: Gallery) -> None:
    found = ask(gallery, templates=("a sketch of {}", "an image of {}"))
    assert [v.name for v in found.prompts[0].of_kind("paraphrase")] == ["an image of a pilot"]
    said = "paraphrase 'a sketch of a pilot': the model does not know sketch"
    assert found.prompts[0].left_out == (said,)
    assert any(said in note for note in found.notes)


def test_the_cosine_of_pictures_is_that_of_the_unchanged_ones(gallery: Gallery) -> None:
    found = ask(gallery, pictures={"black": lambda image: Image.eval(image, lambda _: 0)})
    assert found.picture_cosine is not None and found.picture_cosine > 0.99


def test_pictures_are_embedded_once_and_a_damaged_copy_is_told(gallery: Gallery) -> None:
    model = Model()
    pictures = {"brighter": lambda image: Image.eval(image, lambda v: min(255, v + 8))}
    first = ask(gallery, backbone=model, pictures=pictures)
    assert model.seen in (90, 180), "unchanged pictures may be there from another test"
    model.seen = 0
    again = ask(gallery, backbone=model, pictures=pictures)
    assert model.seen == 0
    assert all(same(a, b) for a, b in zip(first.prompts[0].variants, again.prompts[0].variants, strict=True))
    seen = perturbed(gallery, model, "brighter", pictures["brighter"])
    assert seen.digest not in (gallery.digest, perturbed(gallery, model, AS_IT_IS, None).digest)
    assert seen.codes("any") is None and seen.n == gallery.n and seen.groups("gender") == gallery.groups("gender")
    folder = next(f for f in (own_folder() / "pictures").iterdir() if seen._folder.name == f.name)
    (folder / "pooled.npy").write_bytes(b"broken")
    broken = ask(gallery, backbone=model, pictures=pictures)
    assert not broken.prompts[0].of_kind("picture")
    assert any("pictures are left out" in note and "cannot be read" in note for note in broken.notes)


def test_why_pictures_are_left_out_is_said(tmp_path: Path, gallery: Gallery) -> None:
    bare = small_gallery(tmp_path)
    given = {"prompts": (PROMPTS[0],), "backbone": None, "pictures": PERTURBATIONS, "k": 40}
    found = ask(bare, **given)
    assert any("keeps no pictures" in note for note in found.notes)
    assert any("paraphrases are left out" in note and "known prompts" in note for note in found.notes)
    assert [v.kind for v in found.prompts[0].variants] == ["k"] * 4
    assert why_no_pictures(gallery) is None
    assert "holds captions" in why_no_pictures(open_gallery("default-captions"))
    other = Model()
    other.weights_digest = "6" * 64
    with pytest.raises(InputError, match="the text model 'small'"):
        ask(gallery, backbone=other, pictures=PERTURBATIONS)
    known = ask(bare, **given | {"backbone": other}).notes
    assert any("pictures are left out" in note for note in known), "its prompts are known, its pictures are not there"


def test_prompts_do_not_depend_on_each_other(gallery: Gallery) -> None:
    both = ask(gallery, prompts=("a photo of a pilot", "a photo of a nurse"), templates=("a photo of {}",)).prompts
    alone = ask(gallery, prompts=("a photo of a nurse",), templates=("a photo of {}",)).prompts[0]
    assert both[1].to_json() == alone.to_json() and both[1].group_name == "Female"


def test_a_shorter_list_that_shows_less_is_no_evidence(gallery: Gallery) -> None:
    """Of 2 rows none can be told from chance, of 8 men alone it can."""
    found = ask(gallery, k=8)
    one = found.prompts[0]
    assert one.original.lean.beyond_chance and not one.of_kind("k")[0].lean.beyond_chance
    assert any("fewer rows show less" in note for note in found.notes)
    assert "It is not found, nor its opposite, with: k = 2" in one.to_json()["words"]
