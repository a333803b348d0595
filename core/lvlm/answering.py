"""Many questions about many pictures under many edits: the tower once a picture, a picture's keys once an edit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core import access
from core.config import InputError
from core.lvlm import doors
from core.lvlm.attachment import split_inputs
from core.lvlm.library import transformers
from core.lvlm.model import Lvlm
from core.lvlm.questions import Question, answer_tokens
from core.lvlm.scoring import Scores, score

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[int, int, str], None]
MARK = "{question}"
PICTURES_AT_ONCE = 16
ROWS_AT_ONCE = 256
"""Questions in one batch of the language model."""


@dataclass(eq=False)
class Pictures:
    """Prepared pictures of one chunk, with what the tower made of them.

    Attributes
    ----------
    inputs : what the tower reads, for all of them.
    head : int64 (n, p), the tokens before the question, the picture's own included.
    tail : the text behind the question.
    tower : the tower's output, None where the model has no single tower.
    """

    model: Lvlm
    inputs: dict[str, torch.Tensor]
    text: dict[str, torch.Tensor]
    head: torch.Tensor
    tail: str
    tower: Any

    def __len__(self) -> int:
        return len(self.head)

    def features(self, edit: doors.Edit | None) -> Any:
        """Projected features under an edit."""
        return self.model.attachment.features(self.inputs, edit, self.tower)

    @cached_property
    def tokens(self) -> dict[str, torch.Tensor]:
        """What is read at every place, without an edit."""
        return self.model.attachment.tokens(self.inputs, self.tower)


def prepare(model: Lvlm, images: Sequence[Image]) -> list[Pictures]:
    """Pictures in chunks, in their order, each through the processor and the tower once.

    Pictures whose prompts differ in length (tiles) never share a chunk.
    """
    before, tail = model.prompt(MARK).split(MARK)
    made: list[Pictures] = []
    for _, run in groupby(images, key=lambda image: image.size if _tiled(model) else None):
        group = list(run)
        for start in range(0, len(group), PICTURES_AT_ONCE):
            made.append(_prepared(model, group[start : start + PICTURES_AT_ONCE], before, tail))
    return made


def _tiled(model: Lvlm) -> bool:
    """Whether a picture's size decides how many tokens stand for it."""
    return model.attachment.model.config.model_type not in ("llava", "paligemma", "gemma3")


def _prepared(model: Lvlm, images: Sequence[Image], before: str, tail: str) -> Pictures:
    asked = "?"
    whole = model.inputs(images, [before + asked + tail] * len(images))
    inputs, text = split_inputs(whole)
    ids, mask = whole["input_ids"], whole["attention_mask"]
    if not bool(mask.all()):
        raise InputError(f"{model.name}: pictures of one batch came out with prompts of different length")
    behind = model.tokenizer.encode(asked + tail, add_special_tokens=False)
    if ids[0, -len(behind) :].tolist() != behind:
        raise InputError(
            f"{model.name}: its prompt cannot be taken apart behind the picture; it is not known how to ask it"
        )
    head = ids[:, : ids.shape[1] - len(behind)]
    extra = {k: v for k, v in text.items() if k not in ("input_ids", "attention_mask")}
    return Pictures(model, inputs, extra, head, tail, model.attachment.run_tower(inputs))


@torch.inference_mode()
def logits(pictures: Pictures, questions: Sequence[Sequence[str]], edit: doors.Edit | None = None) -> np.ndarray:
    """Next-token logits float32 (n, q, V) behind each question of each picture (as many for each), under an edit.

    The edit is applied to what is read; projected features are computed once a picture. Where the family lets questions
    share a causal prefix, the picture's keys and values are computed once and repeated for its questions.
    """
    tails = _tails(pictures, questions)
    family = pictures.model.attachment.family
    way = _behind_prefix if family is not None and family.questions_share_a_prefix else _whole_prompts
    try:
        return way(pictures, tails, pictures.features(edit)).float().cpu().numpy()
    except ValueError as error:
        if "do not match" not in str(error):
            raise
        raise InputError(
            f"{pictures.model.name}: its processor leaves another number of places for a picture than its tower fills "
            f"({error}); put the processor there that was saved with these weights"
        ) from None


def _tails(pictures: Pictures, questions: Sequence[Sequence[str]]) -> list[list[list[int]]]:
    """Token numbers of every question and what follows it, all texts in one go."""
    texts = [text + pictures.tail for row in questions for text in row]
    ids = pictures.model.tokenizer(texts, add_special_tokens=False)["input_ids"]
    per = len(questions[0])
    return [ids[i : i + per] for i in range(0, len(ids), per)]


def _behind_prefix(pictures: Pictures, tails: list[list[list[int]]], features: Any) -> torch.Tensor:
    """Keys and values of the picture, and of what all questions begin with, once; repeated for the questions."""
    model = pictures.model.model
    n, q = len(tails), len(tails[0])
    shared = _common_start([one for row in tails for one in row])
    start_ids = torch.tensor([shared] * n, device=pictures.head.device, dtype=pictures.head.dtype)
    head = torch.cat([pictures.head, start_ids], 1) if shared else pictures.head
    tails = [[one[len(shared) :] for one in row] for row in tails]
    cache = transformers().DynamicCache(config=model.config.get_text_config())
    ones = torch.ones_like(head)
    model(
        input_ids=head,
        attention_mask=ones,
        mm_encoder_outputs={"image": features},
        cache=cache,
        use_cache=True,
        logits_to_keep=1,
        **pictures.text,
    )
    found = []
    per = max(1, ROWS_AT_ONCE // n)
    for start in range(0, q, per):
        part = [row[start : start + per] for row in tails]
        own = copy.deepcopy(cache) if start + per < q else cache
        own.batch_repeat_interleave(len(part[0]))
        ids, mask, last = _padded([one for row in part for one in row], pictures)
        seen = torch.cat([ones.repeat_interleave(len(part[0]), 0), mask], 1)
        out = model(input_ids=ids, attention_mask=seen, cache=own, use_cache=True, logits_to_keep=last.unique())
        found.append(_at_last(out.logits, last).view(n, len(part[0]), -1))
    return torch.cat(found, 1)


def _whole_prompts(pictures: Pictures, tails: list[list[list[int]]], features: Any) -> torch.Tensor:
    """Every prompt in full, with features that are there already; rows of pictures in turn."""
    model, n, q = pictures.model.model, len(tails), len(tails[0])
    found = []
    for r in range(n):
        own = _of_one(features, r, n)
        rows = []
        for start in range(0, q, ROWS_AT_ONCE):
            part = tails[r][start : start + ROWS_AT_ONCE]
            ids, mask, last = _padded([pictures.head[r].tolist() + one for one in part], pictures)
            text = _repeated(pictures, r, ids)
            out = model(
                input_ids=ids,
                attention_mask=mask,
                mm_encoder_outputs={"image": _times(own, len(part))},
                logits_to_keep=last.unique(),
                **text,
            )
            rows.append(_at_last(out.logits, last))
        found.append(torch.cat(rows))
    return torch.stack(found)


def _padded(rows: list[list[int]], pictures: Pictures) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token numbers padded on the right, their mask, and the last real place of each."""
    device = pictures.head.device
    length, pad = max(map(len, rows)), pictures.model.tokenizer.pad_token_id or 0
    ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    mask = (torch.arange(length, device=device)[None] < lengths[:, None]).long()
    return ids, mask, lengths - 1


def _at_last(kept: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Of logits kept at the unique places of `last` the one of each row."""
    place = torch.searchsorted(last.unique(), last)
    return kept[torch.arange(len(last), device=last.device), place]


def _common_start(rows: list[list[int]]) -> list[int]:
    """What all rows begin with; at least one number of each is left."""
    first = min(rows, key=len)[:-1]
    for at, token in enumerate(first):
        if any(row[at] != token for row in rows):
            return first[:at]
    return first


def _repeated(pictures: Pictures, r: int, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Inputs beside the tokens for one picture's questions."""
    found = {}
    for name, value in pictures.text.items():
        if name.endswith("token_type_ids"):
            own = value[r, : pictures.head.shape[1]]
            own = torch.nn.functional.pad(own, (0, ids.shape[1] - len(own)))
            found[name] = own[None].expand(len(ids), -1)
        else:
            found[name] = value[r : r + 1].expand(len(ids), *value.shape[1:])
    return found


def _of_one(features: Any, r: int, n: int) -> Any:
    """Features of one of n pictures."""
    return _each(features, lambda given: _part(given, r, n))


def _times(features: Any, times: int) -> Any:
    """The features of one picture for as many questions."""
    return _each(
        features,
        lambda given: (
            type(given)(list(given) * times) if isinstance(given, list | tuple) else torch.cat([given] * times)
        ),
    )


def _part(given: Any, r: int, n: int) -> Any:
    """One picture's part of a list, or of rows of equal number."""
    return type(given)([given[r]]) if isinstance(given, list | tuple) else given.chunk(n)[r]


def _each(features: Any, change: Callable[[Any], Any]) -> Any:
    """Features with `change` made of what is projected, and of what is carried around the tower's last layers."""
    own = copy.copy(features)
    own["pooler_output"] = change(features.pooler_output)
    if features.get("deepstack_features") is not None:
        own["deepstack_features"] = [change(one) for one in features.deepstack_features]
    return own


@torch.inference_mode()
def plain_logits(
    model: Lvlm, images: Sequence[Image], texts: Sequence[str], edit: doors.Edit | None = None
) -> np.ndarray:
    """Next-token logits float32 (n, V), the whole model once a question: what everything faster is compared with."""
    inputs = model.inputs(images, [model.prompt(text) for text in texts])
    door = model.model if edit is None else model.attachment.view(edit)
    last = inputs["attention_mask"].sum(1) - 1
    return _at_last(door(**inputs, logits_to_keep=last.unique()).logits, last).float().cpu().numpy()


def tokens_of(pictures: Pictures, questions: Sequence[Question]) -> np.ndarray:
    """Numbers of the answers' tokens (q, a), -1 where a question has fewer answers than another."""
    most = max(len(one.said) for one in questions)
    table = np.full((len(questions), most), -1, np.int64)
    known: dict[tuple[str, ...], list[int]] = {}
    for row, one in zip(table, questions, strict=True):
        if one.said not in known:
            known[one.said] = answer_tokens(pictures.model.tokenizer, pictures.tail, one.said)
        row[: len(one.said)] = known[one.said]
    return table


def answers(
    pictures: Pictures,
    questions: Sequence[Sequence[Question]],
    edit: doors.Edit | None = None,
    asked: Callable[[str], str] | None = None,
) -> Scores:
    """Scores of every question of every picture: arrays (n * q, a) and (n * q,), picture after picture."""
    access.require("ask")
    put = asked or (lambda text: text)
    found = logits(pictures, [[put(one.text) for one in row] for row in questions], edit)
    flat = [one for row in questions for one in row]
    return score(found.reshape(-1, found.shape[-1]), tokens_of(pictures, flat))


@torch.inference_mode()
def free_answer(model: Lvlm, image: Image, question: str, edit: doors.Edit | None = None, words: int = 60) -> str:
    """What the model says freely, the likeliest word each time, at most `words` tokens."""
    access.require("ask")
    inputs = model.inputs([image], [model.prompt(question)])
    door = model.model if edit is None else model.attachment.view(edit)
    out = door.generate(**inputs, max_new_tokens=words, do_sample=False)
    return model.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
