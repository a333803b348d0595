"""`embed`: a gallery built from JPEG files, thumbnails included, against a bare loop over the same files.

The loop is what somebody writes without this app: PIL, open_clip's transform and forward pass, threads that read one
batch while another is embedded, the same batch. Beside it stands the forward pass over pixels that lie ready.
"""

import io
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from core.backbones.base import Backbone
from core.backbones.open_clip_models import load_backbone, new_clip, save_clip
from core.datasets import DATASETS
from core.datasets.images import read_image, thumbnail_jpeg
from core.gallery import Speed, build_gallery
from core.gallery.speed import EXACT

MODELS = ("RN50", "ViT-B-32")
SIZES = ((224, 224), (500, 400))
"""Width and height of the files: faces cut out beforehand, and photographs as web collections have them."""
QUALITY = 85
DISTINCT = 64
"""Pictures drawn; the files are copies of them in turn."""
BATCH = 64
PREPROCESS = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
ON_GPU = 64
"""Times as many pictures are embedded on a GPU."""


def run(n: int = 128, runs: int = 3, models: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """Median seconds of whole builds, of bare loops and of bare passes beside them, one after the other in every run.

    Random weights. `ratio` is that of the slowest row: loop's time / build time, at the same batch, device and
    threads; `cpu_time_ratio` is the same in seconds of all cores, which other work on the machine disturbs less.
    `over_forward_pass` is the time of the forward pass alone / build time.
    """
    configs = models or {name: _config(name) for name in MODELS}
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for device in devices:
            many = n if device == "cpu" else n * ON_GPU
            sets = {size: _files(root / f"{device}-{size[0]}x{size[1]}", many, *size) for size in SIZES}
            for name, config in configs.items():
                rows += _compare(name, config, device, sets, runs, root)
                if device == "cuda":
                    rows += _compare(name, config, device, sets, runs, root, Speed("float16"))
    slowest = min(rows, key=lambda row: row["ratio"])
    return {
        **{key: slowest[key] for key in ("ratio", "cpu_time_ratio", "over_forward_pass", "ours", "other")},
        "runs": runs,
        "n": n,
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "rows": rows,
        "what": "gallery build from JPEG files, everything counted, against PIL, transform and forward pass in a loop",
    }


def _compare(
    name: str,
    config: dict[str, Any],
    device: str,
    sets: Mapping[tuple[int, int], list[Path]],
    runs: int,
    root: Path,
    speed: Speed = EXACT,
) -> list[dict[str, Any]]:
    """One row a set of pictures; both sides in the same precision."""
    folder = root / "model"
    save_clip(folder, new_clip(config), config, {"size": config["vision_cfg"]["image_size"], **PREPROCESS})
    model = Watched(load_backbone(f"local-dir:{folder}", device=device))
    bare = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval().to(device)
    pixels = torch.randn(BATCH, 3, *model.image_size, device=device)
    differences = {size: _difference(model, bare, files) for size, files in sets.items()}  # warms both sides up
    n = len(next(iter(sets.values())))
    passed: list[dict[str, float]] = []
    looped: dict[tuple[int, int], list[dict[str, float]]] = {size: [] for size in sets}
    built: dict[tuple[int, int], list[dict[str, float]]] = {size: [] for size in sets}
    for _ in range(runs):
        passed.append(_passes(bare, pixels, n, speed))
        for size, files in sets.items():
            looped[size].append(_loop(bare, files, speed))
            built[size].append(_build(model, files[0].parent, root / "gallery", speed))
    bare_s = statistics.median(one["whole"] for one in passed)
    rows = []
    for size, files in sets.items():
        spent = {key: statistics.median(one[key] for one in built[size]) for key in built[size][0]}
        ours, cpu = spent.pop("whole"), spent.pop("cpu")
        loop_s, loop_cpu = (statistics.median(one[key] for one in looped[size]) for key in ("whole", "cpu"))
        rows.append(
            {
                "model": name,
                "device": device,
                "precision": speed.precision,
                "pictures": f"{size[0]} x {size[1]}, {statistics.mean(f.stat().st_size for f in files) / 1024:.0f} KB",
                "ratio": round(loop_s / ours, 3),
                "cpu_time_ratio": round(loop_cpu / cpu, 3),
                "over_forward_pass": round(bare_s / ours, 3),
                "ours": _speed(ours, n),
                "other": {"name": "PIL, transform, forward pass", **_speed(loop_s, n)},
                "forward_pass": _speed(bare_s, n),
                "spent_ms": {key: round(1e3 * seconds, 1) for key, seconds in spent.items()},
                "one_picture_ms": _steps(model, files),
                "largest_difference": differences[size],
            }
        )
    return rows


class Watched:
    """A backbone whose times at work are noted."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.at_work: list[tuple[float, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backbone, name)

    def encode_pixels(self, *args: Any, **named: Any) -> Callable[[], Mapping[str, np.ndarray]]:
        arrays = self._noted(lambda: self.backbone.encode_pixels(*args, **named))
        return lambda: self._noted(arrays)

    def _noted(self, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = work()
        self.at_work.append((began, time.perf_counter()))
        return found


def _build(model: Watched, files: Path, out: Path, speed: Speed) -> dict[str, float]:
    """Seconds of one build: all of it, and its parts; the gallery is removed again."""
    model.at_work.clear()
    cpu, began = time.process_time(), time.perf_counter()
    build_gallery(DATASETS.get("folder")().items(files), model, out, batch=BATCH, speed=speed)
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    shutil.rmtree(out)
    first, last = model.at_work[0][0], model.at_work[-1][1]
    busy = sum(end - start for start, end in model.at_work)
    return {
        "whole": ended - began,
        "cpu": cpu,
        "before_the_model": first - began,
        "model": busy,
        "model_waits": last - first - busy,
        "after_the_model": ended - last,
    }


def _passes(bare: torch.nn.Module, pixels: torch.Tensor, n: int, speed: Speed) -> dict[str, float]:
    """Seconds, by the clock and of all cores, of the passes that `n` pictures take, the last as small as need be."""
    cpu, began = time.process_time(), time.perf_counter()
    half = speed.precision != "float32"
    with torch.inference_mode(), torch.autocast(pixels.device.type, getattr(torch, speed.precision), enabled=half):
        for start in range(0, n, BATCH):
            bare.encode_image(pixels[: n - start])
        if pixels.is_cuda:
            torch.cuda.synchronize()
    return {"whole": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def _loop(bare: torch.nn.Module, files: list[Path], speed: Speed) -> dict[str, float]:
    """Seconds, by the clock and of all cores, of the loop: each batch is read by threads while another is embedded."""
    transform = image_transform_v2(PreprocessCfg(**bare.visual.preprocess_cfg), is_train=False)
    device, half = next(bare.parameters()).device, speed.precision != "float32"

    def read(path: Path) -> torch.Tensor:
        with Image.open(path) as opened:
            return transform(opened.convert("RGB"))

    cpu, began = time.process_time(), time.perf_counter()
    found = []
    with (
        ThreadPoolExecutor(torch.get_num_threads()) as pool,
        torch.inference_mode(),
        torch.autocast(device.type, getattr(torch, speed.precision), enabled=half),
    ):
        parts = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        waiting = [pool.submit(read, path) for path in parts[0]]
        for part in range(len(parts)):
            ready = torch.stack([one.result() for one in waiting])
            waiting = [pool.submit(read, path) for path in parts[part + 1]] if part + 1 < len(parts) else []
            found.append(bare.encode_image(ready.to(device)).float().cpu().numpy())
    np.concatenate(found)
    return {"whole": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def _difference(model: Watched, bare: torch.nn.Module, files: list[Path]) -> float:
    """Largest difference from open_clip's own transform and model, over the largest absolute embedding value."""
    pictures = [read_image(path, path.name).image for path in files[:BATCH]]
    transform = image_transform_v2(PreprocessCfg(**bare.visual.preprocess_cfg), is_train=False)
    with torch.inference_mode():
        pixels = torch.stack([transform(picture) for picture in pictures]).to(model.device)
        expected = bare.encode_image(pixels).cpu().numpy()
    found = model.backbone.encode_images(pictures, batch=BATCH)["pooled"]
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _steps(model: Watched, files: list[Path]) -> dict[str, float]:
    """Median milliseconds of one core that one picture costs beside the model."""
    took: dict[str, list[float]] = {"read": [], "crop": [], "thumbnail": []}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time()
        found = work()
        took[step].append(time.thread_time() - began)
        return found

    for path in files[:DISTINCT]:
        picture = timed("read", lambda path=path: read_image(path, path.name)).image
        timed("crop", lambda picture=picture: model.pixels(picture))
        timed("thumbnail", lambda picture=picture: thumbnail_jpeg(picture))
    return {step: round(1e3 * statistics.median(seconds), 2) for step, seconds in took.items()}


def _speed(seconds: float, n: int) -> dict[str, float]:
    return {"median_ms": round(1e3 * seconds, 1), "pictures_per_second": round(n / seconds, 1)}


def _config(name: str) -> dict[str, Any]:
    """The named model with a small text tower, which no picture passes through."""
    config = open_clip.get_model_config(name)
    return {**config, "text_cfg": {**config["text_cfg"], "layers": 1}}


def _files(folder: Path, n: int, width: int, height: int) -> list[Path]:
    """JPEG files with the statistics of photographs: amplitudes fall as 1 / frequency, in each colour alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    drawn = [_jpeg(rng, width, height) for _ in range(min(n, DISTINCT))]
    paths = [folder / f"{i:06}.jpg" for i in range(n)]
    for i, path in enumerate(paths):
        path.write_bytes(drawn[i % DISTINCT])
    return paths


def _jpeg(rng: np.random.Generator, width: int, height: int) -> bytes:
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height)))
    frequency[0, 0] = np.inf
    grey, *tints = (
        np.fft.irfft2(np.exp(2j * np.pi * rng.random(frequency.shape)) / frequency, (height, width)) for _ in range(4)
    )
    shades = np.stack([grey / grey.std() * 50 + tint / tint.std() * 15 for tint in tints], axis=-1) + 120
    file = io.BytesIO()
    Image.fromarray(shades.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
