"""Many questions of one picture in one pass: each sees the picture and itself, never another question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Packed:
    """Questions one behind the other, behind a prefix that all of them see.

    Attributes
    ----------
    ids : int64 (n, T), padded.
    positions : int64 (n, prefix + T); every question counts on from the prefix, as if it stood alone.
    mask : bool (n, 1, prefix + T, prefix + T), True where a row may look.
    last : int64 (n, q), where in T the last token of every question stands.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    last: torch.Tensor


def pack(rows: Sequence[Sequence[Sequence[int]]], prefix: int, pad: int, room: int = 0) -> Packed:
    """Pack token numbers, a list of questions per picture (equally many); `room` leaves places behind each question."""
    n, q = len(rows), len(rows[0])
    total = max(sum(len(one) + room for one in row) for row in rows)
    ids = torch.full((n, total), pad)
    owner = torch.full((n, prefix + total), q)  # padding is a question of its own
    owner[:, :prefix] = -1
    positions = torch.zeros(n, prefix + total, dtype=torch.long)
    positions[:, :prefix] = torch.arange(prefix)
    last = torch.zeros(n, q, dtype=torch.long)
    for r, row in enumerate(rows):
        at = 0
        for c, one in enumerate(row):
            end = at + len(one) + room
            ids[r, at : at + len(one)] = torch.as_tensor(one)
            owner[r, prefix + at : prefix + end] = c
            positions[r, prefix + at : prefix + end] = prefix + torch.arange(end - at)
            last[r, c] = at + len(one) - 1
            at = end
    seen = (owner[:, :, None] == owner[:, None]) | (owner[:, None] == -1)
    causal = torch.ones(seen.shape[1:], dtype=torch.bool).tril()
    return Packed(ids, positions, (seen & causal)[:, None], last)


def hidden_behind(
    language_model: Any, prefix: torch.Tensor, packed: Packed, layers: Sequence[int]
) -> list[torch.Tensor]:
    """Normalised hidden states (n, T, width) behind the prefix embeddings (n, p, width), after each of `layers`.

    Layers are counted from 1; the highest is the model's output.
    """
    embedded = torch.cat([prefix, language_model.embed_tokens(packed.ids)], 1)
    found = language_model(
        inputs_embeds=embedded,
        attention_mask=packed.mask,
        position_ids=packed.positions,
        use_cache=False,
        output_hidden_states=True,
    )
    states, depth = found.hidden_states, len(language_model.layers)
    picked = [found.last_hidden_state if k == depth else language_model.norm(states[k]) for k in layers]
    return [state[:, prefix.shape[1] :] for state in picked]


def at_places(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Rows of states (n, T, width) at places (n, q): (n, q, width)."""
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
