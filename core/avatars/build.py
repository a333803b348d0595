"""Builds everything the offline default needs, from code alone: prompts, model, galleries, SAEs, codes.

Each part is written whole under its final name, and `default-build.json` notes from what it was made. With `resume`
a part is kept when seed, code and everything it was made from are the same; an interrupted training or gallery goes
on where it stopped.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core import access
from core.avatars import captions, drawing, galleries, pictures, world
from core.avatars.clip_training import PIXEL_MEAN, PIXEL_STD, ClipTraining, ClipTrainingConfig, train_clip
from core.avatars.prompts import PROMPT_SETS
from core.avatars.sae_choice import Judge
from core.avatars.world import Avatar
from core.backbones.base import Backbone
from core.backbones.open_clip_models import DEFAULT, LOCAL, load_backbone, save_clip
from core.config import ASSETS, ATTACHES, Attach, Progress, Side, digest_of
from core.datasets.base import ReadImage
from core.gallery import Gallery, build_gallery, open_gallery
from core.neurons import encode_gallery
from core.saes.base import sae_config
from core.saes.checkpoint import load_sae
from core.saes.config import SUGGESTED, SAEConfig
from core.store import atomic_folder, file_digest, partial_folder, read_json, write_json
from core.training import train_sae
from core.training.config import TrainingConfig
from core.zeroshot import PromptSet

RECORD = "default-build.json"
_ENCODED_AT_ONCE = 2000
_NEUTRAL_SHARE = 0.4


Whole = Literal["probe", "evaluation"]
"""Which set a gallery is that is not split."""


@dataclass(frozen=True)
class SAERecipe:
    """Shape and training of one SAE of the default."""

    d_sae: int
    k: int
    training: TrainingConfig

    def config(self, x: np.ndarray) -> SAEConfig:
        """The SAE of this recipe for embeddings x (n, d_in)."""
        return sae_config(SUGGESTED, x.shape[1], self.d_sae, self.k)


@dataclass(frozen=True)
class Plan:
    """How large everything is. Tests build a tiny one; what ships is the default."""

    clip: ClipTrainingConfig = field(default_factory=ClipTrainingConfig)
    per_word: int = 504
    without_word: int = 14400
    neutral: int = 3600
    plain: int = 2016
    """avatars of the evaluation gallery and of the probe gallery each: a multiple of 18 is exactly balanced"""
    attire: int = 1248
    captions: int = 3600
    """captions drawn for the text gallery; repeated texts are left out"""
    sae_rows: int = 20000
    """avatars and captions drawn apart from all galleries, on which SAEs are trained"""
    image_saes: tuple[SAERecipe, ...] = tuple(
        SAERecipe(256, k, TrainingConfig(steps=1200, batch=512, lr=1e-3, seed=seed))
        for k in (8, 9)
        for seed in range(3)
    )
    """candidates at each attach point; what ships is chosen on the probe gallery, see `sae_choice`"""
    text_sae: SAERecipe = SAERecipe(256, 8, TrainingConfig(steps=1200, batch=512, lr=1e-3))


@dataclass(frozen=True)
class Part:
    """One thing to build: where it goes and from what it is made."""

    name: str
    target: Path
    key: str
    make: Callable[[Progress], None]


class DefaultBuild:
    """All parts of the default in the order in which they need each other."""

    def __init__(self, out: Path, seed: int, plan: Plan) -> None:
        self.out, self.seed, self.plan = Path(out), seed, plan
        self.clip = ClipTrainingConfig(**{**asdict(plan.clip), "seed": seed})
        self._code = code_digest()
        self._backbone: Backbone | None = None
        self._rows: dict[tuple[Side, Attach], np.ndarray] = {}

    def parts(self) -> Iterator[Part]:
        """Every part; a part's key is worked out when it is reached, as it may depend on the parts before it."""
        yield Part("prompts", self.out / "prompts" / "planted.json", self._key(), self._write_prompts)
        yield Part("model", self._model, self._key(asdict(self.clip), self._population), self._make_model)
        for name, (size, make) in self._galleries().items():
            target = self.out / "galleries" / name
            yield Part(name, target, self._key(self.backbone.weights_digest, size), self._gallery(make, target))
        for name, side, attach in _SAES:
            target = self.out / "saes" / name
            recipes = [asdict(recipe) for recipe in self._recipes(side)]
            key = self._key(self.backbone.weights_digest, recipes, self.plan.sae_rows, attach)
            yield Part(name, target, key, self._sae(side, attach, target))
        made = [load_sae(self.out / "saes" / name).digest for name, _, _ in _SAES]
        made += [self._open(name).digest for name in self._galleries()]
        yield Part("codes", self.out / "galleries", self._key(made), self._store_codes)

    @property
    def backbone(self) -> Backbone:
        """The model as everybody else loads it: from its folder, in half precision."""
        if self._backbone is None:
            self._backbone = load_backbone(f"{LOCAL}{self._model}", device="cpu")
            self._backbone.name = DEFAULT
        return self._backbone

    @property
    def _model(self) -> Path:
        return self.out / "models" / "default"

    @property
    def _population(self) -> tuple[int, int, int]:
        return self.plan.per_word, self.plan.without_word, self.plan.neutral

    def _key(self, *made_from: object) -> str:
        """Digest of what a part is made from; the seed and the world's code belong to every part."""
        return digest_of([self.seed, self._code, list(made_from)])

    def _recipes(self, side: Side) -> tuple[SAERecipe, ...]:
        return (self.plan.text_sae,) if side == "text" else self.plan.image_saes

    def _open(self, name: str) -> Gallery:
        return open_gallery(self.out / "galleries" / name)

    # --- the parts --------------------------------------------------------------------------------------------------

    def _write_prompts(self, progress: Progress) -> None:
        for name, document in PROMPT_SETS.items():
            write_json(self.out / "prompts" / f"{name}.json", document())

    def _make_model(self, progress: Progress) -> None:
        avatars = world.training_avatars(self.seed, *self._population)
        pixels = pictures.pixels_of(avatars, self.clip.image_size, progress)
        training = ClipTraining(self.clip, avatars, pixels)
        workplace = partial_folder(self._model)
        model = train_clip(training, workplace / "training.pt", progress)
        with atomic_folder(self._model, replace=True) as folder:
            save_clip(
                folder, model, self.clip.model_cfg(training.vocabulary.size), self._preprocessing, training.vocabulary
            )
        shutil.rmtree(workplace)
        self._backbone = None

    @property
    def _preprocessing(self) -> dict:
        """open_clip's `preprocess_cfg`: the same pixels as in training."""
        return {
            "size": self.clip.image_size,
            "mode": "RGB",
            "mean": [PIXEL_MEAN] * 3,
            "std": [PIXEL_STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        }

    def _galleries(self) -> dict[str, tuple[int, Callable[[Path, Progress], None]]]:
        """Name -> size and maker of each gallery; each is drawn with a seed of its own."""
        plan = self.plan
        return {
            "default": (plan.plain, self._plain(1, "evaluation", {"probe_gallery": "default-probe"})),
            "default-probe": (plan.plain, self._plain(2, "probe", {})),
            "default-attire": (plan.attire, self._dressed),
            "default-captions": (plan.captions, self._captions),
        }

    def _gallery(self, make: Callable[[Path, Progress], None], target: Path) -> Callable[[Progress], None]:
        return lambda progress: make(target, progress)

    def _plain(self, number: int, whole: Whole, extra: Mapping[str, Any]) -> Callable[[Path, Progress], None]:
        def make(target: Path, progress: Progress) -> None:
            avatars = world.plain_avatars(self._seed_of(number), self.plan.plain)
            items, read = galleries.avatar_items(avatars, target.name)
            self._build(items, target, progress, read=read, whole=whole, extra=extra)

        return make

    def _dressed(self, target: Path, progress: Progress) -> None:
        avatars = world.attire_avatars(self._seed_of(3), self.plan.attire)
        items, read = galleries.avatar_items(avatars, target.name, with_words=True)
        extra = {"probe_gallery": "default-probe"}
        self._build(items, target, progress, read=read, whole="evaluation", extra=extra)

    def _captions(self, target: Path, progress: Progress) -> None:
        avatars = self._mixed(4, self.plan.captions)
        self._build(galleries.caption_items(avatars, target.name, self._seed_of(4)), target, progress)

    def _build(
        self,
        items: galleries.ItemTable,
        target: Path,
        progress: Progress,
        read: Callable[[str], ReadImage] | None = None,
        whole: Whole | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        build_gallery(
            items,
            self.backbone,
            target,
            attaches=ATTACHES,
            dtype="float16",
            batch=128,
            replace=True,
            progress=progress,
            read=read,
            whole=whole,
            extra=extra,
        )

    def _seed_of(self, number: int) -> int:
        """A seed of its own for each population: none is drawn twice, and none is the model's training population."""
        return 1000 * (self.seed + 1) + number

    def _mixed(self, number: int, total: int, neutral: float = 0.0) -> list[Avatar]:
        """About `total` avatars: wordless and with words (some in attire) in equal parts, a share of them neutral."""
        n_neutral = int(neutral * total)
        half = (total - n_neutral) // 2
        per_word = max(1, half // len(world.WORDS))
        return world.training_avatars(self._seed_of(number), per_word, half, n_neutral)

    def _sae(self, side: Side, attach: Attach, target: Path) -> Callable[[Progress], None]:
        def make(progress: Progress) -> None:
            x = self._sae_rows(side, progress)[side, attach]
            recipes = self._recipes(side)
            recipe = recipes[0] if len(recipes) == 1 else self._best(recipes, x, attach, progress)
            fingerprint = self.backbone.fingerprint(side, attach)
            train_sae(x, recipe.config(x), recipe.training, fingerprint, target, progress, replace_out=True)

        return make

    def _best(self, recipes: Sequence[SAERecipe], x: np.ndarray, attach: Attach, progress: Progress) -> SAERecipe:
        """The recipe whose SAE does best on the probe gallery.

        The chosen one is trained again by the caller: the same training gives the same SAE, and only what ships is
        written.
        """
        prompts = PromptSet.load(self.out / "prompts" / "default-attributes.json")
        judge = Judge(
            self._open("default-probe"),
            attach,
            lambda texts: self.backbone.encode_texts(list(texts))["pooled"],
            prompts,
        )
        judged = []
        for number, recipe in enumerate(recipes, 1):
            sae, _ = train_sae(
                x, recipe.config(x), recipe.training, progress=_candidate(progress, number, len(recipes))
            )
            judged.append(judge(sae))
        return recipes[min(range(len(recipes)), key=lambda i: judged[i].order)]

    def _sae_rows(self, side: Side, progress: Progress) -> dict[tuple[Side, Attach], np.ndarray]:
        """Embeddings at both attach points of avatars or captions that are in no gallery.

        A large part is of neutral presentation: then neither presentation is the ordinary case that an SAE leaves
        to its bias, and each gets a neuron of its own.
        """
        if (side, "pooled") not in self._rows:
            mixed = self._mixed(5, self.plan.sae_rows, _NEUTRAL_SHARE if side == "image" else 0.0)
            encode = self._encode_pictures if side == "image" else self._encode_captions
            for attach, x in encode(mixed, progress).items():
                self._rows[side, attach] = x
        return self._rows

    def _encode_pictures(self, avatars: Sequence[Avatar], progress: Progress) -> dict[Attach, np.ndarray]:
        from PIL import Image

        parts = []
        for start in range(0, len(avatars), _ENCODED_AT_ONCE):
            pixels = pictures.pixels_of(avatars[start : start + _ENCODED_AT_ONCE], galleries.PICTURE_SIZE)
            parts.append(self.backbone.encode_images([Image.fromarray(p) for p in pixels], ATTACHES, 128))
            progress(start + len(pixels), len(avatars), "embedding avatars for the SAEs")
        return {attach: np.concatenate([part[attach] for part in parts]) for attach in ATTACHES}

    def _encode_captions(self, avatars: Sequence[Avatar], progress: Progress) -> dict[Attach, np.ndarray]:
        texts = galleries.caption_items(avatars, "sae", self._seed_of(5)).frame["text"].tolist()
        embedded = self.backbone.encode_texts(texts, ATTACHES, 256, progress)
        return {attach: embedded[attach] for attach in ATTACHES}

    def _store_codes(self, progress: Progress) -> None:
        """Codes of every SAE in every gallery of its side, in place of older ones."""
        names = list(self._galleries())
        for done, name in enumerate(names):
            shutil.rmtree(self.out / "galleries" / name / "codes", ignore_errors=True)
            gallery = self._open(name)
            for sae, side, _ in _SAES:
                if side == gallery.side:
                    encode_gallery(gallery, load_sae(self.out / "saes" / sae))
            progress(done + 1, len(names), "storing the codes")


_SAES: tuple[tuple[str, Side, Attach], ...] = (
    ("default-image", "image", "pooled"),
    ("default-image-residual", "image", "residual"),
    ("default-text", "text", "pooled"),
    ("default-text-residual", "text", "residual"),
)


def code_digest() -> str:
    """Digest of the source files that decide what is drawn, said and learned."""
    folder = Path(drawing.__file__).parent
    files = [
        *folder.glob("*.py"),
        *(Path(inspect.getfile(module)) for module in (world, captions, galleries, pictures)),
    ]
    files.append(Path(__file__).with_name("clip_training.py"))
    return digest_of(sorted((file.name, file_digest(file)) for file in files))


def build_default(
    out: Path = ASSETS,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    plan: Plan | None = None,
    more: Callable[[DefaultBuild], Iterator[Part]] | None = None,
) -> None:
    """Build everything under `out` that the offline default needs.

    Parameters
    ----------
    seed : decides every random choice; the same seed gives the same avatars, captions and prompts everywhere, and the
        same model and SAEs on the same kind of machine.
    resume : keep finished parts made by the same code from the same seed, and go on with interrupted ones; False
        builds everything anew.
    progress : called with done and total of each stage, and "PART, what is being done".
    more : further parts, made from those of the build, by rooms above this one.
    """
    access.require("build")
    build = DefaultBuild(out, seed, plan or Plan())
    record_path = build.out / RECORD
    record = read_json(record_path)["parts"] if resume and record_path.exists() else {}
    if not resume:
        for unfinished in (build.out / "models").glob(".*.partial"):
            shutil.rmtree(unfinished)
    for part in chain(build.parts(), more(build) if more else ()):
        if record.get(part.name) == part.key and part.target.exists():
            continue
        part.make(_named(progress, part.name))
        record[part.name] = part.key
        write_json(record_path, {"schema": 1, "seed": seed, "parts": record})


def _candidate(progress: Progress, number: int, of: int) -> Progress:
    """The stages of one candidate, with its number before them."""
    return lambda done, total, what: progress(done, total, f"candidate {number} of {of}, {what}")


def _named(progress: Progress | None, part: str) -> Progress:
    """The stages of a part, each with the part's name before it."""

    def report(done: int, total: int, what: str) -> None:
        if progress:
            progress(done, total, f"{part}, {what}")

    return report
