"""Backbones of transformers on tiny random models: the library's own numbers, two attach points where there are."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.backbones.base import BACKBONES, Backbone, family_of, load_model, model_hint
from core.backbones.open_clip_models import OpenClip
from core.config import ATTACHES, SIDES, InputError
from tests.backbones import tiny_clip

TEXTS = ["a photo of a doctor", "a nurse", "young woman with glasses"]
WORDS = ["<pad>", "<unk>", *tiny_clip.WORDS, "<end>"]
installed = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")


def test_names_lead_to_their_family() -> None:
    assert isinstance(family_of("default"), OpenClip) and isinstance(family_of("ViT-B-32:openai"), OpenClip)
    assert isinstance(family_of("hf-hub:laion/some"), OpenClip) and isinstance(family_of("local-dir:/x"), OpenClip)
    assert family_of("hf:openai/clip-vit-base-patch32").prefix == "hf"
    prefixes = [BACKBONES.get(name).prefix for name in BACKBONES]
    assert len(set(prefixes)) == len(prefixes) and "" in prefixes
    for name in BACKBONES:
        assert BACKBONES.get(name).title in model_hint() and BACKBONES.get(name).hint in model_hint()


def test_without_the_library_the_message_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="pip install transformers"):
        load_model("hf:openai/clip-vit-base-patch32")


def saved(folder: Path, kind: str) -> str:
    """The name of a tiny random model with a word tokenizer, written as transformers writes it."""
    import transformers as hf
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    end = len(WORDS) - 1
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**small, "vocab_size": len(WORDS), "max_position_embeddings": 9, "eos_token_id": end, "pad_token_id": 0}
    vision = {**small, "image_size": 32, "patch_size": 8, "num_patches": 16}
    configs = {"clip": hf.CLIPConfig, "siglip": hf.SiglipConfig, "siglip2": hf.Siglip2Config}
    models = {"clip": hf.CLIPModel, "siglip": hf.SiglipModel, "siglip2": hf.Siglip2Model}
    more = {"projection_dim": 24} if kind == "clip" else {}
    vision |= {} if kind == "siglip2" else {"num_patches": None}
    vision = {name: value for name, value in vision.items() if value is not None}
    text |= {"projection_size": 32} if kind != "clip" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = models[kind](configs[kind](text_config=text, vision_config=vision, **more)).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name:
                torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.4)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="$A <end>", special_tokens=[("<end>", end)])
    hf.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>").save_pretrained(folder)
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "resample": 2}
    cut = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    squeezed = {"size": {"height": 32, "width": 32}}
    processor = settings | (cut if kind == "clip" else squeezed)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return f"hf:{folder}"


@pytest.fixture(params=["clip", "siglip", "siglip2"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Backbone, Path]:
    folder = tmp_path / request.param
    return request.param, load_model(saved(folder, request.param), device="cpu"), folder


@installed
def test_embeddings_are_those_of_the_library(loaded: tuple[str, Backbone, Path]) -> None:
    import transformers as hf

    kind, backbone, folder = loaded
    model, tokenizer = hf.AutoModel.from_pretrained(folder).eval(), hf.AutoTokenizer.from_pretrained(folder)
    numbers = tokenizer(TEXTS, padding="max_length", max_length=9, return_tensors="pt")["input_ids"]
    pictures = tiny_clip.pictures(5)
    pixels = torch.from_numpy(np.stack([backbone.pixels(one) for one in pictures])).permute(0, 3, 1, 2).float() / 255
    scaled = (pixels - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    given = {"pixel_values": scaled}
    if kind == "siglip2":
        patches = [
            scaled[:, :, i : i + 8, j : j + 8].permute(0, 2, 3, 1).reshape(5, -1)
            for i in range(0, 32, 8)
            for j in range(0, 32, 8)
        ]
        given = {"pixel_values": torch.stack(patches, 1), "pixel_attention_mask": torch.ones(5, 16)}
        given["spatial_shapes"] = torch.tensor([[4, 4]] * 5)
    with torch.inference_mode():
        texts, images = model.get_text_features(input_ids=numbers), model.get_image_features(**given)
    texts, images = (getattr(found, "pooler_output", found).numpy() for found in (texts, images))
    np.testing.assert_allclose(backbone.encode_texts(TEXTS)["pooled"], texts, atol=2e-5)
    np.testing.assert_allclose(backbone.encode_images(pictures)["pooled"], images, atol=2e-5)


@installed
def test_the_residual_reads_out_to_the_embedding(loaded: tuple[str, Backbone, Path]) -> None:
    kind, backbone, _ = loaded
    for side in SIDES:
        if kind != "clip" and side == "image":
            assert backbone.dims(side, "residual") is None and backbone.why_not(side, "residual")
            continue
        run = backbone.encode_texts if side == "text" else backbone.encode_images
        found = run(TEXTS if side == "text" else tiny_clip.pictures(4), ATTACHES)
        readout = backbone.readout(side)
        np.testing.assert_allclose(readout(found["residual"]), found["pooled"], atol=2e-5)
        assert found["residual"].shape[1] == 32 and found["pooled"].shape[1] == (24 if kind == "clip" else 32)


@installed
def test_the_image_towers_parts_add_up(loaded: tuple[str, Backbone, Path]) -> None:
    kind, backbone, _ = loaded
    pictures = tiny_clip.pictures(4)
    if kind != "clip":
        assert "pools by attention" in str(backbone.why_no_parts())
        with pytest.raises(InputError, match="pools by attention"):
            backbone.image_parts(pictures)
        return
    found, pooled = backbone.image_parts(pictures), backbone.encode_images(pictures)["pooled"]
    assert backbone.why_no_parts() is None and found.heads.shape == (4, 2, 4, 24)
    np.testing.assert_allclose(found.total, pooled, rtol=0, atol=1e-5 * np.abs(pooled).max())


@installed
def test_pictures_are_cut_and_squeezed_as_the_library_does(tmp_path: Path) -> None:
    """To the whole number of grey that rounding of resizing allows."""
    import transformers as hf

    for kind, size in (("clip", {"shortest_edge": 40}), ("siglip", {"height": 32, "width": 32})):
        name = saved(tmp_path / kind, kind)
        path = tmp_path / kind / "preprocessor_config.json"
        settings = json.loads(path.read_text()) | {"size": size}
        path.write_text(json.dumps(settings))
        own = hf.CLIPImageProcessor if kind == "clip" else hf.SiglipImageProcessor
        own = own(**settings, do_normalize=False, do_rescale=False, do_convert_rgb=True)
        backbone = load_model(name, device="cpu")
        for picture in tiny_clip.pictures(6):
            theirs = np.asarray(own(picture, return_tensors="np")["pixel_values"][0], dtype=float).transpose(1, 2, 0)
            assert np.abs(theirs - backbone.pixels(picture)).max() <= 1.0


@installed
def test_it_says_what_it_is(loaded: tuple[str, Backbone, Path]) -> None:
    kind, backbone, folder = loaded
    assert backbone.fingerprint("image", "pooled").quick_gelu is (kind == "clip")
    again = load_model(backbone.name, device="cpu")
    assert again.fingerprint("image", "pooled") == backbone.fingerprint("image", "pooled")
    assert backbone.fingerprint("text", "pooled").model == f"hf:{folder}" and backbone.known_words is None
    assert backbone.truncated("a photo of a man " * 4) and not backbone.truncated("a man")
    assert family_of(backbone.name).folder(backbone.name) == folder


@installed
def test_what_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="of type 'bert'; known: clip, siglip, siglip2"):
        load_model(f"hf:{tmp_path}")
    with pytest.raises(InputError, match="leave pretrained out"):
        load_model(f"hf:{tmp_path}", "openai")
