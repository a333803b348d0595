"""A CLIP model as a backbone: batches on its device, both attach points in one pass, fingerprints."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.backbones.base import Backbone, Progress
from core.backbones.token_draw import TokenDraw
from core.backbones.tokens import Tokens
from core.backbones.towers import Tower, image_tower, text_tower
from core.config import ATTACHES, SIDES, Attach, Fingerprint, InputError, Side, digest_of, one_of
from core.readout import ReadoutArrays

if TYPE_CHECKING:
    from PIL.Image import Image


class ClipBackbone(Backbone):
    """An open_clip model in eval mode without gradients.

    Parameters
    ----------
    name : the name that loads it again.
    model : an open_clip model; it is moved to `device` and frozen.
    preprocess : the model's preprocessing settings (size, mean, std, interpolation, resize_mode, fill_color).
    crop : takes a picture to one of the size the tower reads, by these settings, in RGB.
    tokens : the model's tokenizer.
    d : columns of the pooled embedding.
    """

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        preprocess: Mapping[str, Any],
        crop: Callable[["Image"], "Image"],
        tokens: Tokens,
        d: int,
        device: torch.device,
        notes: Sequence[str] = (),
    ) -> None:
        self.name, self.device, self.notes = name, device, list(notes)
        self._model = model.to(device).eval().requires_grad_(False)
        self._crop, self._tokens = crop, tokens
        self._towers: dict[Side, Tower] = {"image": image_tower(model, d), "text": text_tower(model, d)}
        size = preprocess["size"]
        self.image_size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self._mean, self._std = (_per_channel(preprocess[key]).to(device) for key in ("mean", "std"))
        settings = {key: list(v) if isinstance(v, tuple) else v for key, v in preprocess.items()}
        pixels = digest_of({**settings, "size": list(self.image_size)})
        self._preprocess: dict[Side, str] = {"image": pixels, "text": tokens.digest}

    @cached_property
    def weights_digest(self) -> str:
        digest = hashlib.sha256()
        state = self._model.state_dict()
        for key in sorted(state):
            array = state[key].detach().cpu().contiguous().numpy()
            digest.update(f"{key} {array.dtype} {array.shape}\n".encode())
            digest.update(array.tobytes() if array.ndim == 0 else memoryview(array).cast("B"))
        return digest.hexdigest()

    def fingerprint(self, side: Side, attach: Attach, normalised: bool = False) -> Fingerprint:
        return Fingerprint(
            model=self.name,
            weights=self.weights_digest,
            side=side,
            attach=attach,
            d=self._columns(side, attach),
            preprocess=self._preprocess[side],
            quick_gelu=self._towers[side].quick_gelu,
            normalised=normalised,
        )

    def dims(self, side: Side, attach: Attach) -> int | None:
        one_of(side, SIDES, "side")
        one_of(attach, ATTACHES, "attach point")
        return self._towers[side].d if attach == "pooled" else self._towers[side].d_model

    def why_not(self, side: Side, attach: Attach) -> str | None:
        return None if self.dims(side, attach) is not None else self._towers[side].reason

    def readout(self, side: Side) -> ReadoutArrays | None:
        one_of(side, SIDES, "side")
        return self._towers[side].readout()

    @property
    def known_words(self) -> list[str] | None:
        return self._tokens.known_words

    def unknown_words(self, text: str) -> list[str]:
        return self._tokens.unknown_words(text)

    def truncated(self, text: str) -> bool:
        return self._tokens.truncated(text)

    def encode_images(
        self,
        images: Sequence["Image"],
        attaches: Sequence[Attach] = ("pooled",),
        batch: int = 64,
        progress: Progress | None = None,
        tokens: TokenDraw | None = None,
    ) -> dict[str, np.ndarray]:
        return self._encode("image", self._pixels(images, batch), len(images), attaches, progress, tokens)

    def encode_texts(
        self,
        texts: Sequence[str],
        attaches: Sequence[Attach] = ("pooled",),
        batch: int = 256,
        progress: Progress | None = None,
        tokens: TokenDraw | None = None,
    ) -> dict[str, np.ndarray]:
        return self._encode("text", self._token_batches(texts, batch), len(texts), attaches, progress, tokens)

    def _columns(self, side: Side, attach: Attach) -> int:
        columns = self.dims(side, attach)
        if columns is None:
            raise InputError(
                f"{self.name} has no {attach} attach point on its {side} side: {self.why_not(side, attach)}"
            )
        return columns

    def _encode(
        self,
        side: Side,
        batches: Iterator[tuple[np.ndarray, torch.Tensor]],
        n: int,
        attaches: Sequence[Attach],
        progress: Progress | None,
        draw: TokenDraw | None,
    ) -> dict[str, np.ndarray]:
        """Run every batch (row numbers, inputs) through the tower into one array an attach point."""
        out: dict[str, np.ndarray] = {
            attach: np.empty((n, self._columns(side, attach)), dtype=np.float32) for attach in attaches
        }
        if draw is not None:
            out["tokens"] = np.empty((n, draw.per_item, self._columns(side, "residual")), dtype=np.float32)
        done = 0
        for rows, inputs in batches:
            with torch.inference_mode():
                inputs = inputs.to(self.device, non_blocking=True)
                wanted = None if draw is None else partial(draw.positions, rows)
                found = self._towers[side](self._scaled(inputs) if side == "image" else inputs, wanted)
            for name in out:
                out[name][rows] = getattr(found, name).float().cpu().numpy()
            done += len(rows)
            if progress:
                progress(done, n, "images" if side == "image" else "texts")
        return out

    def _pixels(self, images: Sequence["Image"], batch: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Batches of pixels, uint8 (n, h, w, 3); the next one is prepared while the model works on this one."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            waiting: deque[list[Future[np.ndarray]]] = deque()
            starts = range(0, len(images), batch)
            for start in starts:
                waiting.append([pool.submit(self._cropped, image) for image in images[start : start + batch]])
                if len(waiting) == 2:
                    yield _stacked(start - batch, waiting.popleft())
            if waiting:
                yield _stacked(starts[-1], waiting.popleft())

    def _cropped(self, image: "Image") -> np.ndarray:
        return np.asarray(self._crop(image))

    def _scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """What open_clip's ToTensor and Normalize make of uint8 pixels, to the bit: float32 (n, 3, h, w).

        Done for a batch on the device, where it costs nothing; image by image it costs as much as a small tower.
        """
        return pixels.permute(0, 3, 1, 2).contiguous().float().div_(255).sub_(self._mean).div_(self._std)

    def _token_batches(self, texts: Sequence[str], batch: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Batches of token numbers, texts of like length together because a batch is as long as its longest text."""
        if not len(texts):
            return
        tokens = self._tokens(texts)
        order = np.argsort((tokens != 0).sum(dim=1).numpy(), kind="stable")
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            yield rows, tokens[torch.from_numpy(rows)]


def _stacked(start: int, futures: list["Future[np.ndarray]"]) -> tuple[np.ndarray, torch.Tensor]:
    pixels = np.stack([future.result() for future in futures])
    return np.arange(start, start + len(pixels)), torch.from_numpy(pixels)


def _per_channel(value: float | Sequence[float]) -> torch.Tensor:
    """Mean or standard deviation, one number or three, as float32 (3, 1, 1)."""
    return torch.tensor([value] * 3 if isinstance(value, int | float) else list(value)).view(3, 1, 1)
