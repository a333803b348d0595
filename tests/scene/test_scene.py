"""The rules of a scene: whose probe rows, which half, which class prompts, which SAE, which encoder."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.config import ASSETS, InputError
from core.gallery import Gallery, import_gallery, open_gallery
from core.scene import Bench, Scene, load_saes, open_scene, query_embedding, text_embeddings, text_model
from core.scene.opening import shipped_saes_for
from core.scene.scene import probe_of
from core.scene.texts import why_not_embedded
from core.store import write_json
from tests.tiny import CAPTIONS, IMAGES, QUERY, TinyBackbone, fingerprint, sae_file

PROMPT = "a photo of a pilot"
Made = Callable[..., Gallery]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes galleries of 60 rows with a gender and a town; split into halves unless they are said to be whole."""

    def make(
        name: str, partner: Path | None = None, model: str = "hand-made", prompts: bool = True, **more: Any
    ) -> Gallery:
        rng, table = np.random.default_rng(len(name)), tmp_path / f"{name}.csv"
        rows = {
            "id": [f"{name} {i}" for i in range(60)],
            "gender": ["Male", "Female"] * 30,
            "town": ["A", "A", "B"] * 20,
        }
        pd.DataFrame(rows).to_csv(table, index=False)
        if prompts:
            pd.DataFrame({"prompt": [PROMPT]}).to_csv(tmp_path / "prompts.csv", index=False)
            known = rng.normal(size=(1, 8)).astype(np.float32)
            more |= {"texts": known, "text_table": tmp_path / "prompts.csv"}
        x = rng.normal(size=(60, 8)).astype(np.float32)
        gallery = import_gallery(x, table, model_name=model, out=tmp_path / name, **more)
        if partner is not None:
            write_json(gallery.path / "manifest.json", gallery.manifest | {"probe_gallery": str(partner)})
        return open_gallery(gallery.path)

    return make


@pytest.fixture
def pair(made: Made) -> tuple[Gallery, Gallery]:
    """A gallery that is wholly an evaluation set, and the partner that it names."""
    partner = made("partner", whole="probe")
    return made("searched", partner.path, whole="evaluation"), partner


# ------------------------------------------------------------------------------------------------- whose probe rows


def test_a_gallery_with_halves_is_its_own_probe(made: Made) -> None:
    gallery = made("halves")
    scene = Scene(gallery)
    assert scene.probe is gallery and scene.has_own_probe
    np.testing.assert_array_equal(scene.probe_rows(), gallery.rows("probe"))
    np.testing.assert_array_equal(scene.probe_rows({"town": "B"}), gallery.rows("probe", {"town": "B"}))
    assert 0 < len(scene.probe_rows({"town": "B"})) < len(scene.probe_rows()) < gallery.n


def test_a_gallery_that_is_wholly_evaluated_names_its_partner(pair: tuple[Gallery, Gallery]) -> None:
    searched, partner = pair
    scene = Scene(searched)
    assert scene.probe.path == partner.path and not scene.has_own_probe
    assert scene.probe is scene.probe, "it is opened once"
    np.testing.assert_array_equal(scene.probe_rows(), np.arange(partner.n))
    np.testing.assert_array_equal(scene.probe_rows({"town": "B"}), partner.rows("all", {"town": "B"}))
    assert probe_of(searched, {str(partner.path): "found"}.get) == "found"


def test_only_what_is_wholly_evaluated_has_a_partner(made: Made, pair: tuple[Gallery, Gallery]) -> None:
    for gallery in (made("halves", pair[1].path), made("probe", pair[1].path, whole="probe")):
        assert Scene(gallery).has_own_probe
        np.testing.assert_array_equal(Scene(gallery).probe_rows(), gallery.rows("probe"))
    alone = Scene(made("alone", whole="evaluation"))
    assert alone.has_own_probe
    with pytest.raises(InputError, match="gallery alone has no probe half: it is wholly the evaluation set"):
        alone.probe_rows()


def test_a_probe_that_is_given_goes_before_the_rule(made: Made, pair: tuple[Gallery, Gallery]) -> None:
    searched, partner = pair
    split = made("split")
    for gallery in (searched, made("halves")):
        scene = Scene(gallery, other_probe=split)
        assert scene.probe is split and not scene.has_own_probe
        np.testing.assert_array_equal(scene.probe_rows(), split.rows("probe"))
    np.testing.assert_array_equal(Scene(split, other_probe=partner).probe_rows(), np.arange(partner.n))
    assert Scene(split, other_probe=split).has_own_probe


def test_probe_rows_of_another_model_are_refused(made: Made) -> None:
    scene = Scene(made("mine"), other_probe=made("theirs", model="another"))
    with pytest.raises(InputError, match=r"gallery 'mine' was made for .* but the probe set 'theirs' holds .*: model"):
        scene.probe_rows()


# ------------------------------------------------------------------------------------------ halves and other scenes


def test_what_is_wholly_one_half_is_measured_whole(made: Made, pair: tuple[Gallery, Gallery]) -> None:
    for gallery in pair:
        assert [Scene(gallery).half(half) for half in ("all", "probe", "evaluation")] == ["all"] * 3
    split = Scene(made("split"))
    assert [split.half(half) for half in ("all", "probe", "evaluation")] == ["all", "probe", "evaluation"]


def test_the_scene_of_a_half(made: Made, pair: tuple[Gallery, Gallery]) -> None:
    saes, model, bench = {"image": sae_file("image", "pooled")}, TinyBackbone(), Bench()
    scene = Scene(pair[0], saes, model, bench=bench)
    assert scene.at("evaluation") is scene and scene.at("all") is scene
    probe = scene.at("probe")
    assert probe.gallery is scene.probe and (probe.saes, probe.model, probe.bench) == (saes, model, bench)
    assert probe.at("probe") is probe and len(probe.probe_rows()) == pair[1].n
    own = Scene(made("split"))
    assert own.at("probe") is own


def test_another_gallery_keeps_everything_else(made: Made, pair: tuple[Gallery, Gallery]) -> None:
    given, other = made("given"), made("other")
    scene = Scene(pair[0], {"image": sae_file("image", "pooled")}, TinyBackbone(), given)
    moved = scene.of(other)
    assert moved.gallery is other and moved.probe is given
    assert (moved.saes, moved.model, moved.bench) == (scene.saes, scene.model, scene.bench)
    assert Scene(pair[0]).of(other).has_own_probe and scene.of(given).has_own_probe
    with pytest.raises(FrozenInstanceError):
        scene.gallery = other  # type: ignore[misc]
    assert Scene(other).bench is not Scene(other).bench, "memory is shared only where it is handed on"


# ------------------------------------------------------------------------------------------- class prompts and SAEs


@pytest.mark.parametrize("name", ["default", "default-probe", "default-captions"])
def test_class_prompts_of_a_shipped_gallery(name: str) -> None:
    if not (ASSETS / "galleries" / name / "manifest.json").exists():
        pytest.skip("the default's assets are not built: run python -m core build-default")
    assert Scene(open_gallery(name)).class_prompts.name == "default-attributes"


def test_class_prompts_are_those_that_name_most_groups(tmp_path: Path) -> None:
    """Of faces (seven races) those of faces, of towns none."""
    races = ["White", "Black", "Indian", "East Asian", "Southeast Asian", "Middle Eastern", "Latino_Hispanic"]
    for column, groups, found in (("race", races, "faces-attributes"), ("town", ["A", "B"], None)):
        rows = {"id": [f"{i}" for i in range(70)], column: (groups * 70)[:70]}
        pd.DataFrame(rows).to_csv(tmp_path / f"{column}.csv", index=False)
        x = np.random.default_rng(0).normal(size=(70, 8)).astype(np.float32)
        gallery = import_gallery(x, tmp_path / f"{column}.csv", model_name="hand-made", out=tmp_path / column)
        prompts = Scene(gallery).class_prompts
        assert (prompts.name if prompts else None) == found


def test_the_sae_of_a_side() -> None:
    files = {side: sae_file(side, "pooled") for side in ("image", "text")}
    assert Scene(IMAGES, files).sae() is files["image"] and Scene(CAPTIONS, files).sae() is files["text"]
    assert Scene(IMAGES, files).sae("text") is files["text"]
    for scene, side in ((Scene(IMAGES, {"text": files["text"]}), "image"), (Scene(CAPTIONS), "text")):
        with pytest.raises(InputError, match=f"no {side} SAE was given; choose one"):
            scene.sae()
    with pytest.raises(InputError, match=r"the SAE 'text-pooled' belongs to the text side; choose one of the image"):
        Scene(IMAGES, {"image": files["text"]}).sae()
    silent = replace(files["image"], fingerprint=None)
    assert Scene(IMAGES, {"image": silent}).sae() is silent, "one that does not say its side is taken at its word"


# -------------------------------------------------------------------------------------------------- from names


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Names stand for the tiny SAEs and models; what was loaded of models is listed."""
    made_for = [(side, attach) for side in ("image", "text") for attach in ("pooled", "residual")]
    files = {f"{side}-{attach}": sae_file(side, attach) for side, attach in made_for}
    files["silent"] = replace(files["image-pooled"], fingerprint=None)
    loaded: list[tuple] = []
    monkeypatch.setattr("core.saes.checkpoint.load_sae", files.__getitem__)
    monkeypatch.setattr("core.backbones.base.load_model", lambda *given: loaded.append(given) or TinyBackbone())
    return loaded


def test_saes_stand_at_their_side(by_name: list[tuple]) -> None:
    assert load_saes(IMAGES, []) == {}
    both = load_saes(IMAGES, ["text-pooled", "image-residual"])
    assert [(side, one.name) for side, one in both.items()] == [("text", "text-pooled"), ("image", "image-residual")]
    assert list(load_saes(IMAGES, ["silent"])) == ["image"] and list(load_saes(CAPTIONS, ["silent"])) == ["text"]


@pytest.mark.parametrize("names", [("image-pooled", "image-residual"), ("image-pooled", "silent")], ids=str)
def test_two_saes_of_one_side_are_refused(by_name: list[tuple], made: Made, names: tuple[str, str]) -> None:
    gallery = made("halves")
    for refused in (lambda: load_saes(gallery, names), lambda: open_scene(str(gallery.path), names)):
        with pytest.raises(InputError, match="two SAEs of the image side were given; give one a side"):
            refused()


def test_no_encoder_is_loaded_where_prompts_are_known(by_name: list[tuple], made: Made) -> None:
    gallery = made("known")
    scene = open_scene(str(gallery.path), ["image-pooled"], [PROMPT])
    assert scene.gallery.digest == gallery.digest and list(scene.saes) == ["image"] and scene.model is None
    assert text_model(gallery, ["a photo of a baker"]) is None, "its known prompts are offered instead"
    assert text_model(gallery, []) is None and by_name == []


def test_the_gallerys_encoder_is_loaded_where_nothing_is_known(by_name: list[tuple], made: Made) -> None:
    bare = made("bare", prompts=False)
    assert open_scene(str(bare.path)).model is None and by_name == [], "nothing is asked"
    assert isinstance(open_scene(str(bare.path), texts=[PROMPT]).model, TinyBackbone)
    assert by_name == [("hand-made", None)]


def test_a_model_that_is_named_is_always_loaded(by_name: list[tuple], made: Made) -> None:
    for gallery in (made("known"), made("bare", prompts=False)):
        for texts in ([], [PROMPT], ["a photo of a baker"]):
            by_name.clear()
            assert open_scene(str(gallery.path), [], texts, "named", "weights").model is not None
            assert by_name == [("named", "weights")]


def test_shipped_saes_are_of_the_shipped_model_alone() -> None:
    if not (ASSETS / "saes" / "default-image").is_dir():
        pytest.skip("the default's assets are not built: run python -m core build-default")
    gallery = open_gallery("default")
    assert {side: one.side for side, one in shipped_saes_for(gallery).items()} == {"image": "image", "text": "text"}
    assert list(shipped_saes_for(gallery, ("text",))) == ["text"] and shipped_saes_for(IMAGES) == {}


# --------------------------------------------------------------------------------------------------- texts


class Other(TinyBackbone):
    """The text model of another gallery."""

    name = "other"

    def fingerprint(self, side: Any, attach: Any, normalised: bool = False) -> Any:
        return replace(fingerprint(side, attach), weights="o" * 64)


@pytest.mark.parametrize("attaches", [("pooled",), ("pooled", "residual")], ids=str)
@pytest.mark.parametrize("text", [QUERY, "a photo of a baker"])
@pytest.mark.parametrize("model", [None, TinyBackbone(), Other()], ids=["none", "own", "other"])
def test_why_not_is_what_embedding_would_refuse(model: Any, text: str, attaches: tuple) -> None:
    scene = Scene(IMAGES, model=model)
    try:
        rows, _ = text_embeddings(scene, [text], attaches)
    except InputError as error:
        assert why_not_embedded(scene, [text], attaches) == str(error)
    else:
        assert why_not_embedded(scene, [text], attaches) is None
        expected = TinyBackbone().encode_texts([text], attaches)
        assert all(np.array_equal(rows[attach], expected[attach]) for attach in attaches)


def test_a_text_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, encode = [], TinyBackbone.encode_texts
    monkeypatch.setattr(TinyBackbone, "encode_texts", lambda self, *given: asked.append(given) or encode(self, *given))
    scene = Scene(IMAGES, model=TinyBackbone())
    first, again = (query_embedding(scene, "a xyzzy") for _ in range(2))
    assert len(asked) == 1 and first is not None and np.array_equal(first, again)
    assert text_embeddings(scene, ["a xyzzy"], ("pooled",))[1] == (
        "the model does not know: xyzzy; the ranking ignores what these words mean",
    )
    query_embedding(scene.of(CAPTIONS), "a xyzzy")
    assert len(asked) == 1, "another gallery of the same model asks for the same text"
