"""A CLIP model as a backbone: batches on its device, both attach points in one pass, fingerprints."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.backbones.base import Backbone
from core.backbones.heads import decompose, why_whole
from core.backbones.parts import Parts
from core.backbones.token_draw import TokenDraw
from core.backbones.tokens import Tokens
from core.backbones.towers import Found, Tower, image_tower, text_tower
from core.config import (
    ATTACHES,
    SIDES,
    TOWER_PRECISIONS,
    Attach,
    Fingerprint,
    InputError,
    Progress,
    Side,
    TowerPrecision,
    digest_of,
    one_of,
)
from core.readout import ReadoutArrays
from core.threads import one_thread

if TYPE_CHECKING:
    from PIL.Image import Image

CPU_SLICE = 16
"""Items of a batch that a CPU computes at a time: their activations stay in memory that is used again and again, where
those of a large batch are asked of the system, zeroed and given back at every step (a tenth of the time)."""


class ClipBackbone(Backbone):
    """A CLIP model in eval mode without gradients.

    Parameters
    ----------
    name : the name that loads it again.
    model : all its weights; it is moved to `device` and frozen.
    preprocess : the model's preprocessing settings (size, mean, std, interpolation, resize_mode, fill_color).
    crop : takes a picture to one of the size the tower reads, by these settings, in RGB.
    tokens : the model's tokenizer.
    d : columns of the pooled embedding.
    towers : its two sides; None: those of an open_clip model.
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
        towers: Mapping[Side, Tower] | None = None,
    ) -> None:
        """Many parameters: what a library's loader hands over, each used as it is."""
        self.name, self.device, self.notes = name, device, list(notes)
        self._model = model.to(device).eval().requires_grad_(False)
        self._crop, self._tokens = crop, tokens
        self._towers: Mapping[Side, Tower] = towers or {"image": image_tower(model, d), "text": text_tower(model, d)}
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
        out = self._room("image", len(images), attaches, tokens)
        done = 0
        for rows, pixels in self._pixel_batches(images, batch):
            for name, embedded in self._run("image", rows, torch.from_numpy(pixels), attaches, tokens)().items():
                out[name][rows] = embedded
            done += len(rows)
            if progress:
                progress(done, len(images), "images")
        return out

    def image_parts(self, images: Sequence["Image"]) -> Parts:
        pixels = torch.from_numpy(np.stack([self.pixels(image) for image in images]))
        with torch.inference_mode():
            return decompose(self._model, self._towers["image"], self._scaled(pixels.to(self.device)))

    def why_no_parts(self) -> str | None:
        return why_whole(self._model, self._towers["image"])

    def pixels(self, image: "Image") -> np.ndarray:
        return np.asarray(self._crop(image))

    def pixel_buffer(self, n: int) -> np.ndarray:
        return torch.empty((n, *self.image_size, 3), dtype=torch.uint8, pin_memory=self.device.type == "cuda").numpy()

    def encode_pixels(
        self,
        pixels: np.ndarray,
        attaches: Sequence[Attach] = ("pooled",),
        tokens: TokenDraw | None = None,
        precision: TowerPrecision = "float32",
        compiled: bool = False,
    ) -> Callable[[], dict[str, np.ndarray]]:
        for attach in attaches:
            self._columns("image", attach)
        tower = self._compiled if compiled else self._towers["image"]
        with self._in(precision):
            return self._run("image", np.arange(len(pixels)), torch.from_numpy(pixels), attaches, tokens, tower)

    @cached_property
    def _compiled(self) -> Callable[..., Found]:
        """The image tower as torch.compile translates it at its first batches; InputError where it cannot."""
        compiled = torch.compile(self._towers["image"].__call__)

        def run(*inputs: Any) -> Found:
            try:
                return compiled(*inputs)
            except torch._dynamo.exc.TorchDynamoException as error:
                raise InputError(f"{self.name} cannot be compiled on this machine; leave --compile out") from error

        return run

    def _in(self, precision: TowerPrecision) -> AbstractContextManager:
        """Multiplications of this thread in the given precision, on the backbone's device."""
        one_of(precision, TOWER_PRECISIONS, "precision")
        half = precision != "float32"
        return torch.autocast(self.device.type, getattr(torch, precision)) if half else nullcontext()

    def encode_texts(
        self,
        texts: Sequence[str],
        attaches: Sequence[Attach] = ("pooled",),
        batch: int = 256,
        progress: Progress | None = None,
        tokens: TokenDraw | None = None,
    ) -> dict[str, np.ndarray]:
        out = self._room("text", len(texts), attaches, tokens)
        done = 0
        for rows, numbers in self._token_batches(texts, batch):
            with one_thread(CPU_SLICE * numbers.shape[1] * self._towers["text"].d):
                found = self._run("text", rows, numbers, attaches, tokens)()
            for name, embedded in found.items():
                out[name][rows] = embedded
            done += len(rows)
            if progress:
                progress(done, len(texts), "texts")
        return out

    def _columns(self, side: Side, attach: Attach) -> int:
        columns = self.dims(side, attach)
        if columns is None:
            raise InputError(
                f"{self.name} has no {attach} attach point on its {side} side: {self.why_not(side, attach)}"
            )
        return columns

    def _room(self, side: Side, n: int, attaches: Sequence[Attach], draw: TokenDraw | None) -> dict[str, np.ndarray]:
        """Empty arrays for what is found of `n` items."""
        shapes: dict[str, tuple[int, ...]] = {attach: (n, self._columns(side, attach)) for attach in attaches}
        if draw is not None:
            shapes["tokens"] = (n, draw.per_item, self._columns(side, "residual"))
        return {name: np.empty(shape, dtype=np.float32) for name, shape in shapes.items()}

    def _run(
        self,
        side: Side,
        rows: np.ndarray,
        inputs: torch.Tensor,
        attaches: Sequence[Attach],
        draw: TokenDraw | None,
        tower: Callable[..., Found] | None = None,
    ) -> Callable[[], dict[str, np.ndarray]]:
        """Start one batch (row numbers for the draw, inputs); what is returned waits for its arrays."""
        tower, names = tower or self._towers[side], (*attaches, *(() if draw is None else ("tokens",)))
        step = CPU_SLICE if self.device.type == "cpu" else len(inputs)
        outputs: dict[str, list[torch.Tensor]] = {name: [] for name in names}
        with torch.inference_mode():
            for start in range(0, len(inputs), step):
                part = inputs[start : start + step].to(self.device, non_blocking=True)
                wanted = None if draw is None else partial(draw.positions, rows[start : start + step])
                given = tower(self._scaled(part) if side == "image" else part, wanted)
                for name in names:
                    outputs[name].append(getattr(given, name).float())
            return _fetched({name: torch.cat(parts) for name, parts in outputs.items()})

    def _pixel_batches(self, images: Sequence["Image"], batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of (row numbers, pixels); the next one is prepared while the model works on this one."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            waiting: deque[list[Future[np.ndarray]]] = deque()
            starts = range(0, len(images), batch)
            for start in starts:
                waiting.append([pool.submit(self.pixels, image) for image in images[start : start + batch]])
                if len(waiting) == 2:
                    yield _stacked(start - batch, waiting.popleft())
            if waiting:
                yield _stacked(starts[-1], waiting.popleft())

    def _scaled(self, pixels: torch.Tensor) -> torch.Tensor:
        """What open_clip's ToTensor and Normalize make of uint8 pixels, to the bit: float32 (n, 3, h, w).

        Channels stay last in memory. Done for a batch on the device, where it costs nothing; image by image it costs
        as much as a small tower.
        """
        return pixels.permute(0, 3, 1, 2).float().div_(255).sub_(self._mean).div_(self._std)

    def _token_batches(self, texts: Sequence[str], batch: int) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Batches of token numbers, texts of like length together because a batch is as long as its longest text."""
        if not len(texts):
            return
        tokens = self._tokens(texts)
        order = np.argsort((tokens != 0).sum(dim=1).numpy(), kind="stable")
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            yield rows, tokens[torch.from_numpy(rows)]


def _stacked(start: int, futures: list["Future[np.ndarray]"]) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.stack([future.result() for future in futures])
    return np.arange(start, start + len(pixels)), pixels


def _fetched(outputs: Mapping[str, torch.Tensor]) -> Callable[[], dict[str, np.ndarray]]:
    """Bring results to the CPU; on a GPU the copies are queued behind the work that makes them."""
    if not any(value.is_cuda for value in outputs.values()):
        arrays = {name: value.cpu().numpy() for name, value in outputs.items()}
        return lambda: arrays
    host = {name: torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for name, value in outputs.items()}
    for name, value in outputs.items():
        host[name].copy_(value, non_blocking=True)
    copied = torch.cuda.current_stream(next(iter(outputs.values())).device).record_event()

    def wait() -> dict[str, np.ndarray]:
        copied.synchronize()
        return {name: value.numpy() for name, value in host.items()}

    return wait


def _per_channel(value: float | Sequence[float]) -> torch.Tensor:
    """Mean or standard deviation, one number or three, as float32 (3, 1, 1)."""
    return torch.tensor([value] * 3 if isinstance(value, int | float) else list(value)).view(3, 1, 1)
