"""Models from folders and from the hub: what loads answers, and what does not is one clear line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.config import InputError
from core.lvlm.answering import free_answer, logits, plain_logits, prepare
from core.lvlm.asking import ask
from core.lvlm.default.folder import processor_for
from core.lvlm.default.words import new_tokenizer
from core.lvlm.models import load_lvlm

tf = pytest.importorskip("transformers")
QUESTION = "is this person smiling?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny random LLaVA as save_pretrained writes it, its processor beside it."""
    tokenizer = new_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**text, "image_size": 32, "patch_size": 16}
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**vision),
        text_config=tf.LlamaConfig(
            **text, num_key_value_heads=2, vocab_size=len(tokenizer), max_position_embeddings=128
        ),
        image_token_index=number("<image>"),
    )
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("model") / "tiny"
    model = tf.LlavaForConditionalGeneration(config)
    model.save_pretrained(made)
    processor_for(config, tokenizer).save_pretrained(made)
    return made


def test_a_folder_of_save_pretrained_answers(folder: Path) -> None:
    model = load_lvlm(f"local-dir:{folder}", "cpu")
    assert model.attachment.names == ("model.vision_tower[-2]",) and model.known_words is None
    assert len(model.weights) == 64
    whole = plain_logits(model, [PICTURE], [QUESTION])
    fast = logits(prepare(model, [PICTURE])[0], [[QUESTION]])
    np.testing.assert_allclose(fast[:, 0], whole, rtol=0, atol=1e-5)
    answer = ask(model, PICTURE, QUESTION, free=PICTURE)[0]
    assert sum(answer.options.values()) == pytest.approx(1) and 0 < answer.mass < 1
    assert isinstance(free_answer(model, PICTURE, QUESTION, words=3), str)


def test_half_precision(folder: Path) -> None:
    model = load_lvlm(f"local-dir:{folder}", "cpu", "bfloat16")
    assert model.attachment.dtype == torch.bfloat16
    assert np.isfinite(logits(prepare(model, [PICTURE])[0], [[QUESTION]])).all()


def without(folder: Path, target: Path, *names: str) -> str:
    shutil.copytree(folder, target)
    for name in names:
        for path in target.glob(name):
            path.unlink()
    return f"local-dir:{target}"


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (("config.json",), "has no config.json"),
        (("*.safetensors",), "has no weights"),
        (("processor_config.json", "preprocessor_config.json"), "has no processor_config.json"),
        (("tokenizer*",), "could not be loaded"),
        (("chat_template*",), "no chat template"),
    ],
)
def test_what_is_missing_is_named(folder: Path, tmp_path: Path, gone: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        load_lvlm(without(folder, tmp_path / "copy", *gone), "cpu")
    assert "\n" not in str(error.value)


def test_damaged_weights_are_one_line(folder: Path, tmp_path: Path) -> None:
    name = without(folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="could not be loaded") as error:
        load_lvlm(name, "cpu")
    assert "\n" not in str(error.value)


def test_models_that_do_not_answer_are_refused(tmp_path: Path) -> None:
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = tf.LlamaConfig(**text, vocab_size=20)
    tf.LlamaForCausalLM(config).save_pretrained(tmp_path / "words")
    (tmp_path / "words" / "processor_config.json").write_text("{}")
    with pytest.raises(InputError, match="does not answer questions about pictures"):
        load_lvlm(f"local-dir:{tmp_path / 'words'}", "cpu")


def test_without_a_network_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="local-dir:FOLDER") as error:
        load_lvlm("hf-hub:nobody/no-such-model", "cpu")
    assert "\n" not in str(error.value)


def test_no_memory_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tf.AutoModelForImageTextToText, "from_pretrained", full)
    with pytest.raises(InputError, match="does not fit into the memory"):
        load_lvlm(f"local-dir:{folder}", "cpu")


def test_the_wrong_processor_is_said(folder: Path, tmp_path: Path) -> None:
    name = without(folder, tmp_path / "copy", "processor_config.json")
    (tmp_path / "copy" / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor"}')
    with pytest.raises(InputError) as error:
        ask(load_lvlm(name, "cpu"), PICTURE, QUESTION)
    assert "\n" not in str(error.value)


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="default-lvlm, local-dir:FOLDER or hf-hub:OWNER/NAME"):
        load_lvlm("gpt")


def test_two_threads_load_and_ask_one_model(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = load_lvlm(f"local-dir:{folder}", "cpu")
    push = torch.randn(16, generator=torch.Generator().manual_seed(1))
    edits = [None, lambda x, name: x + push, lambda x, name: x - push]
    alone = [ask(model, PICTURE, QUESTION, [edit])[0].options for edit in edits]
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda i: ask(model, PICTURE, QUESTION, [edits[i % 3]])[0].options, range(12)))
    assert all(again[i] == alone[i % 3] for i in range(12))
    assert alone[0] != alone[1] != alone[2]


def test_a_processor_that_counts_otherwise_is_said(folder: Path, tmp_path: Path) -> None:
    name = without(folder, tmp_path / "copy")
    path = tmp_path / "copy" / "processor_config.json"
    path.write_text(path.read_text().replace('"num_additional_image_tokens": 1', '"num_additional_image_tokens": 3'))
    with pytest.raises(InputError, match="another number of places"):
        ask(load_lvlm(name, "cpu"), PICTURE, QUESTION)
