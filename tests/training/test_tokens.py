"""Random tokens of the last block: the right ones, the same in every batch, and an SAE trained on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.backbones.open_clip_models import load_backbone
from core.backbones.token_draw import TokenDraw
from core.cli import main
from core.config import InputError
from core.datasets import DATASETS
from core.gallery import build_gallery, open_gallery
from core.saes.base import sae_config
from core.saes.checkpoint import load_sae, sae_digest
from core.training import train_on_gallery, train_sae
from core.training.config import TrainingConfig
from tests.backbones.tiny_clip import pictures, saved

TEXTS = ["a man", "", "a photo of the young woman with glasses", "nurse " * 30, "the doctor", "a person"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return load_backbone(saved(tmp_path_factory.mktemp("model") / "tiny"), device="cpu")


def blocks_output(backbone, side: str, encode) -> list[torch.Tensor]:
    """What the last block gives for all tokens, heard by a hook of the test."""
    heard: list[torch.Tensor] = []
    model = backbone._model
    last = (model.visual.transformer if side == "image" else model.transformer).resblocks[-1]
    handle = last.register_forward_hook(lambda module, inputs, output: heard.append(output))
    encode()
    handle.remove()
    return heard


def test_tokens_are_those_of_the_last_block_and_padding_is_never_drawn(backbone):
    images, draw = pictures(5), TokenDraw(4, 3, list(range(5)))
    found = {}
    (every,) = blocks_output(
        backbone, "image", lambda: found.update(backbone.encode_images(images, ("residual",), tokens=draw))
    )
    assert every.shape[1] == 17, "a class token and 16 patches"
    expected = every[torch.arange(5)[:, None], torch.from_numpy(draw.positions(np.arange(5), np.full(5, 17)))]
    np.testing.assert_array_equal(found["tokens"], expected)
    np.testing.assert_array_equal(found["residual"], every[:, 0])

    lengths = np.array([4, 2, 10, 12, 4, 4])  # words with start and end; of the context at most
    draw = TokenDraw(40, 1, list(range(6)))
    one_by_one = [
        blocks_output(backbone, "text", lambda text=text: backbone.encode_texts([text], ("pooled",)))[0][0]
        for text in TEXTS
    ]
    tokens = backbone.encode_texts(TEXTS, ("pooled",), tokens=draw)["tokens"]
    positions = draw.positions(np.arange(6), lengths)
    for i, (length, every) in enumerate(zip(lengths, one_by_one, strict=True)):
        assert len(every) == length and set(positions[i]) == set(range(length)), "all of them in 40 draws"
        np.testing.assert_allclose(tokens[i], every[positions[i]], atol=1e-5)


def test_a_draw_has_no_repeats_where_there_are_tokens_enough():
    drawn = TokenDraw(3, 0, list(range(200))).positions(np.arange(200), np.full(200, 5))
    assert all(len(set(row)) == 3 for row in drawn) and np.bincount(drawn.ravel()).min() > 80
    other = TokenDraw(3, 1, list(range(200))).positions(np.arange(200), np.full(200, 5))
    assert not np.array_equal(drawn, other)


def items(folder: Path, order: list[int]):
    folder.mkdir()
    for i in order:
        pictures(8)[i].save(folder / f"{i}.png")
    table = folder.parent / f"{folder.name}.csv"
    pd.DataFrame({"file": [f"{i}.png" for i in order], "gender": ["ab"[i % 2] for i in order]}).to_csv(
        table, index=False
    )
    return DATASETS.get("folder")().items(folder, table=table, licence="none", provenance="drawn")


@pytest.fixture(scope="module")
def gallery(backbone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    return build_gallery(items(folder / "pictures", list(range(8))), backbone, folder / "gallery", tokens=2)


def test_an_items_tokens_follow_from_its_id_alone(backbone, gallery, tmp_path):
    turned = build_gallery(items(tmp_path / "turned", [6, 1, 3]), backbone, tmp_path / "gallery", tokens=2, batch=2)
    assert gallery.tokens().shape == (16, 48) and gallery.token_settings() == {"per_item": 2, "seed": 0}
    assert gallery.has("residual"), "an SAE of tokens is used on the residual"
    by_id = {gallery.item_id(i): gallery.tokens()[2 * i : 2 * i + 2] for i in range(8)}
    for i in range(3):
        np.testing.assert_allclose(turned.tokens()[2 * i : 2 * i + 2], by_id[turned.item_id(i)], atol=1e-5)
    other = build_gallery(items(tmp_path / "other", [6]), backbone, tmp_path / "seeded", tokens=2, token_seed=5)
    assert not np.allclose(other.tokens(), turned.tokens()[:2]) and other.digest != turned.digest
    assert gallery.check() == []
    without = build_gallery(items(tmp_path / "plain", [6]), backbone, tmp_path / "without", attaches=("residual",))
    assert not without.has_tokens
    with pytest.raises(InputError, match="keeps no tokens"):
        without.tokens()


def test_an_sae_of_tokens_says_so_and_reads_residuals(gallery, tmp_path):
    config, training = sae_config("topk", 48, 24, 3), TrainingConfig(steps=10, batch=4)
    made = train_on_gallery(gallery, "residual", "all", config, training, tmp_path / "a", tokens=True)
    assert made.training["tokens"] == {"per_item": 2, "seed": 0} and made.training["rows"] == 16
    assert made.fingerprint == gallery.fingerprint("residual")
    plain, _ = train_sae(np.array(gallery.tokens()), config, training)
    assert sae_digest(plain) == made.digest
    from core.neurons import encode_gallery

    assert encode_gallery(gallery, made).csr.shape == (8, 24)
    half = gallery.rows("probe") if "probe" in gallery.table["half"].tolist() else None
    if half is not None:
        made = train_on_gallery(gallery, "residual", "probe", config, training, tmp_path / "b", tokens=True)
        expected = np.array(gallery.tokens()).reshape(8, 2, 48)[half].reshape(-1, 48)
        assert sae_digest(train_sae(expected, config, training)[0]) == made.digest
    with pytest.raises(InputError, match="attach point residual"):
        train_on_gallery(gallery, "pooled", "all", config, training, tmp_path / "c", tokens=True)


def test_a_tower_that_pools_all_tokens_has_none_to_draw(tmp_path, capsys):
    """And the command line builds, trains and refuses."""
    texts, model = tmp_path / "texts.csv", saved(tmp_path / "tiny")
    pd.DataFrame({"text": [f"a photo of a {word}" for word in ("man", "nurse", "doctor") * 10]}).to_csv(
        texts, index=False
    )
    build = ["gallery", "build", "--captions", texts, "--model", model, "--tokens", 3, "--out", tmp_path / "g"]
    assert main(list(map(str, build))) == 0
    train = ["sae", "train", "--gallery", tmp_path / "g", "--steps", 5, "--batch", 8, "--d-sae", 16, "--k", 2]
    assert main(list(map(str, [*train, "--attach", "residual", "--tokens", "--out", tmp_path / "a"]))) == 0
    assert load_sae(tmp_path / "a").training["tokens"]["per_item"] == 3
    assert open_gallery(tmp_path / "g").tokens().shape == (90, 32)
    capsys.readouterr()
    assert main(list(map(str, [*train, "--tokens", "--out", tmp_path / "b"]))) == 2
    assert "attach point residual" in capsys.readouterr().err
