"""Training the default's model: one question never sees another, an interrupted run is the same run, files fit."""

from __future__ import annotations

import random
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.avatars.world import NEUTRAL, WORD_OF, WORDS, plain_avatars
from core.backbones.open_clip_models import load_backbone, new_clip, save_clip
from core.config import InputError
from core.lvlm.answering import logits, prepare
from core.lvlm.default import questions as asked
from core.lvlm.default.building import language_parts, tower_tokens
from core.lvlm.default.folder import load_default
from core.lvlm.default.packing import at_places, hidden_behind, pack
from core.lvlm.default.training import (
    LanguageTraining,
    LanguageTrainingConfig,
    new_model,
    train_language,
    training_avatars,
)
from core.lvlm.default.words import new_tokenizer, word_list

TINY = LanguageTrainingConfig(
    width=16, layers=2, heads=2, pictures=24, neutral=4, steps=4, batch=2, questions=3, checkpoint_every=2
)
CLIP = {
    "embed_dim": 16,
    "quick_gelu": False,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1},
}
LOOK = {
    "size": 32,
    "mode": "RGB",
    "mean": [0.5] * 3,
    "std": [0.28] * 3,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets") / "models" / "default"
    torch.manual_seed(0)
    save_clip(folder, new_clip(CLIP), CLIP, LOOK)
    return folder


@pytest.fixture(scope="module")
def vision(clip):
    from core.lvlm.default.tower import vision_config

    return vision_config(CLIP)


def training(vision, seed: int = 0) -> LanguageTraining:
    config = LanguageTrainingConfig(**{**asdict(TINY), "seed": seed})
    tokens = torch.randn(24, 5, 32, generator=torch.Generator().manual_seed(seed)).half()
    tokenizer = new_tokenizer()
    return LanguageTraining(config, new_model(config, vision, tokenizer), tokenizer, training_avatars(config), tokens)


def state(made: LanguageTraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.averaged.state_dict().items()}


def test_an_interrupted_training_is_the_same_training(vision, tmp_path) -> None:
    whole = training(vision)
    train_language(whole, tmp_path / "whole.pt")
    first = training(vision)
    first.advance(2)
    first.save(tmp_path / "half.pt")
    second = training(vision)
    train_language(second, tmp_path / "half.pt")
    assert second.step == 4
    for name, value in state(whole).items():
        assert torch.equal(value, state(second)[name]), name
    other = training(vision, seed=1)
    assert not other.load(tmp_path / "half.pt"), "another configuration's checkpoint is not taken up"


def test_the_tower_is_not_trained_and_the_rest_is(vision) -> None:
    made = training(vision)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.advance(1)
    moved = {name for name, value in made.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not [name for name in moved if "vision_tower" in name]
    assert any("projector" in name for name in moved) and any("layers.1" in name for name in moved)


def test_packed_questions_see_the_picture_and_themselves(vision) -> None:
    made = training(vision)
    language, rows = made.model.eval().model.language_model, [[[5, 9, 11, 6], [5, 12, 6], [5, 9, 9, 13, 14, 6]]]
    prefix = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(1))
    packed = pack(rows, 6, 0, room=1)
    together = at_places(hidden_behind(language, prefix, packed, (1, 2))[1], packed.last)[0]
    for one, alone in zip(together, rows[0], strict=True):
        own = pack([[alone]], 6, 0)
        np.testing.assert_allclose(
            one.detach(), at_places(hidden_behind(language, prefix, own, (2,))[0], own.last)[0, 0].detach(), atol=1e-5
        )


def test_planted_answers() -> None:
    people = plain_avatars(3, 40)
    for one in people:
        for row in WORDS:
            given = asked.planted(row, one)
            assert sum(given.values()) == pytest.approx(1) and given["unsure"] == 0.2
    man = next(one for one in people if one.gender == "Male")
    # nothing but presentation is planted for a doctor: odds are those of the planted share
    assert asked.odds(WORD_OF["doctor"], man) == pytest.approx(0.9 / 0.1)
    assert asked.planted(WORD_OF["doctor"], man)["yes"] == pytest.approx(0.8 * 0.9)
    neutral = SimpleNamespace(**{**vars(man), "gender": NEUTRAL})
    assert asked.odds(WORD_OF["doctor"], neutral) == pytest.approx(1)


def test_every_question_is_made_of_known_words() -> None:
    tokenizer, rng = new_tokenizer(), random.Random(0)
    unknown = tokenizer.convert_tokens_to_ids("<unk>")
    for one in plain_avatars(4, 30):
        items = [asked.seen_item(one, name, letters, rng) for name in asked.SEEN_TEMPLATES for letters in (True, False)]
        items += [asked.person_item(one, row.word, rng.random() < 0.5, rng) for row in WORDS]
        items += [asked.pair_item(one, ("doctor", "nurse"), rng), asked.find_item(rng)]
        for item in items:
            assert unknown not in tokenizer.encode(item.text, add_special_tokens=False), item.text
            assert sum(item.target.values()) == pytest.approx(1)
            for word in item.target:
                assert len(tokenizer.encode(word, add_special_tokens=False)) == 1
    said = set(word_list())
    assert not said & {"man", "woman", "male", "female", "young", "old", "older", "skin", "dark", "light"}


def test_letters_are_read_as_options_and_given_back_as_letters() -> None:
    tokenizer = new_tokenizer()
    ids = tokenizer.encode("Is this person a doctor? A. yes B. hard to say C. no", add_special_tokens=False)
    text = tokenizer.convert_ids_to_tokens(ids)
    assert text.count("a") == 1 and [text[i + 1] for i, one in enumerate(text) if one in "ⓐⓑⓒ"] == ["yes", "hard", "no"]
    assert [tokenizer.decode(tokenizer.encode(letter, add_special_tokens=False)) for letter in "ABC"] == ["A", "B", "C"]


def test_the_part_of_the_build(clip, monkeypatch) -> None:
    backbone = load_backbone(f"local-dir:{clip}", device="cpu")
    build = SimpleNamespace(out=clip.parents[1], seed=0, backbone=backbone)
    (part,) = language_parts(build, TINY)
    seen = []
    part.make(lambda done, total, what: seen.append(what))
    model = load_default(part.target, clip=clip)
    assert part.target.name == "default-lvlm" and any("looking at avatars" in what for what in seen)
    assert model.tower == backbone.weights_digest and model.known_words
    from PIL import Image

    one = prepare(model, [Image.new("RGB", (40, 30), "teal")])[0]
    first = logits(one, [["is this person smiling?"]])
    assert np.isfinite(first).all()
    (again,) = language_parts(build, TINY)
    assert again.key == part.key
    again.make(lambda *a: None)
    np.testing.assert_array_equal(
        logits(
            prepare(load_default(part.target, clip=clip), [Image.new("RGB", (40, 30), "teal")])[0],
            [["is this person smiling?"]],
        ),
        first,
    )
    (clip / "open_clip_model.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="was trained on a tower"):
        load_default(part.target, clip=clip)


def test_tokens_are_what_the_model_reads(clip) -> None:
    if (clip / "open_clip_model.safetensors").stat().st_size < 10:
        torch.manual_seed(0)
        save_clip(clip, new_clip(CLIP), CLIP, LOOK)
    from safetensors.torch import load_file

    from core.lvlm.default.tower import tower_state, vision_config

    backbone = load_backbone(f"local-dir:{clip}", device="cpu")
    tokenizer = new_tokenizer()
    for layer, select in ((-1, "full"), (-2, "default")):
        config = LanguageTrainingConfig(**{**asdict(TINY), "layer": layer, "select": select})
        model = new_model(config, vision_config(CLIP), tokenizer)
        model.model.vision_tower.load_state_dict(tower_state(load_file(clip / "open_clip_model.safetensors")))
        avatars = training_avatars(config)[:3]
        tokens = tower_tokens(model, backbone, avatars, config, lambda *a: None)
        assert tokens.shape == (3, 4 + (select == "full"), 32)
    # the tower is the CLIP model's own: its last state's CLS token is the residual that SAEs are trained on
    from PIL import Image

    from core.avatars import pictures
    from core.avatars.galleries import PICTURE_SIZE

    config = LanguageTrainingConfig(**{**asdict(TINY), "layer": -1, "select": "full"})
    model = new_model(config, vision_config(CLIP), tokenizer)
    model.model.vision_tower.load_state_dict(tower_state(load_file(clip / "open_clip_model.safetensors")))
    avatars = training_avatars(config)[:3]
    tokens = tower_tokens(model, backbone, avatars, config, lambda *a: None)
    drawn = [Image.fromarray(one) for one in pictures.pixels_of(avatars, PICTURE_SIZE)]
    residual = backbone.encode_images(drawn, ("residual",))["residual"]
    np.testing.assert_allclose(tokens[:, 0].float().numpy(), residual, rtol=1e-3, atol=2e-3)
