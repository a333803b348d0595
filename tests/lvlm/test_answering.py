"""Many questions at once: equal to the whole model asked one by one, in every family."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, IMAGE, made, push

from core.config import InputError
from core.lvlm import answering
from core.lvlm.answering import Pictures
from core.lvlm.attachment import attach, split_inputs
from core.lvlm.model import Lvlm
from core.lvlm.questions import answer_tokens


class Letters:
    """A tokenizer that has a number for every letter, so that texts have different lengths."""

    pad_token_id = 0

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [6 + ord(letter) % 80 for letter in text]

    def __call__(self, texts: list[str], add_special_tokens: bool = False) -> dict[str, list[list[int]]]:
        return {"input_ids": [self.encode(text) for text in texts]}


QUESTIONS = [["is it?", "a much longer question?", "so?"], ["who?", "is this a dog or not?", "what"]]


def several(name: str) -> tuple[Lvlm, Pictures, list[dict[str, torch.Tensor]]]:
    """Two pictures as one chunk, and each by itself."""
    tiny = FAMILIES[name]
    model, _ = made(name)
    torch.manual_seed(5)
    alone = [tiny.picture() for _ in range(2)]
    together = {key: torch.cat([one[key] for one in alone]) for key in alone[0]}
    head = torch.tensor([[1, 5, *[IMAGE] * tiny.tokens, 9]] * 2)
    _, text = split_inputs(together)
    if tiny.type_ids:
        text[tiny.type_ids] = (head == IMAGE).long()
    lvlm = Lvlm(name, attach(model), SimpleNamespace(tokenizer=Letters()), "unknown")
    text = {k: v for k, v in text.items() if k not in ("pixel_values", "pixel_attention_mask")}
    inputs, _ = split_inputs(together)
    return lvlm, Pictures(lvlm, inputs, text, head, "!", lvlm.attachment.run_tower(inputs)), alone


def one_by_one(lvlm: Lvlm, pictures: Pictures, alone: list[dict[str, torch.Tensor]], edit=None) -> np.ndarray:
    tiny = FAMILIES[lvlm.name]
    door = lvlm.model if edit is None else lvlm.attachment.view(edit)
    found = []
    for r, row in enumerate(QUESTIONS):
        for question in row:
            tail = lvlm.tokenizer.encode(question + pictures.tail)
            ids = torch.cat([pictures.head[r], torch.tensor(tail)])[None]
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **alone[r]}
            if tiny.type_ids:
                inputs[tiny.type_ids] = (ids == IMAGE).long()
            found.append(door(**inputs).logits[0, -1])
    return torch.stack(found).view(2, 3, -1).detach().numpy()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_batches_equal_the_model_asked_one_by_one(name: str) -> None:
    lvlm, pictures, alone = several(name)
    for edit in (None, lambda x, place: x + push(x.shape[-1]).to(x)):
        want = one_by_one(lvlm, pictures, alone, edit)
        np.testing.assert_allclose(answering.logits(pictures, QUESTIONS, edit), want, rtol=0, atol=1e-5)
    assert np.abs(want[0, 0] - want[1, 0]).max() > 1e-4  # the pictures are told apart


@pytest.mark.parametrize("name", ["llava", "qwen3-vl"])
def test_small_batches_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pictures, _ = several(name)
    whole = answering.logits(pictures, QUESTIONS)
    monkeypatch.setattr(answering, "ROWS_AT_ONCE", 2)
    np.testing.assert_allclose(answering.logits(pictures, QUESTIONS), whole, rtol=0, atol=1e-5)


class Blanks:
    """Tokenizers as they are: "marked" has a token for a blank and a letter together."""

    def __init__(self, marked: bool) -> None:
        self.marked = marked

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        words = text.replace("\n", " \n ").split(" ")
        found = []
        for i, word in enumerate(words):
            if word:
                found.append((ord(word[0]) + 1000) if self.marked and i else ord(word[0]))
        return found


@pytest.mark.parametrize("marked", [True, False])
def test_tokens_of_letters_by_the_tokenizer_at_hand(marked: bool) -> None:
    tokens = answer_tokens(Blanks(marked), "ASSISTANT:", ("A", "B", "C"))
    assert tokens == [ord(letter) + 1000 * marked for letter in "ABC"]


def test_answers_that_begin_alike_are_refused() -> None:
    with pytest.raises(InputError, match="begin with the same token"):
        answer_tokens(Blanks(False), "x:", ("yes", "yellow"))
