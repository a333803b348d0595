"""`train`: one step of the Matryoshka BatchTopK trainer against the published one, the same start and batches.

Beside it one bare product of the encoder, and a step of TopK and of MSAE.
"""

import importlib.util
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from core.saes.base import new_sae, sae_config
from core.training import Trainer
from core.training.config import TrainingConfig

D, NEURONS, K, BATCH = 512, 4096, 20, 4096
CORES = 2
STEPS, WARMUP, DECAY_START = 1000, 2, 800
DEAD, DEAD_BIAS = 1000, -0.1
"""Neurons made to count as dead in the second comparison, and the bias that lets them fire at times, but rarely."""
BATCHES = 4
OTHER_ARCHITECTURES = ("topk", "msae")
"""Whose step is timed beside that of the Matryoshka BatchTopK SAE."""
PROFILED = 3
SHOWN = 12

PEER = "dictionary-learning 0.1.0"
INSTALL = (
    "the published trainer is not importable; "
    "pip install --target DIR --no-deps dictionary-learning==0.1.0 einops, then set PYTHONPATH=DIR"
)


def run(runs: int = 7) -> dict[str, Any]:
    """Median step times of both trainers in turn on two cores, and of one bare encoder product; on a GPU beside."""
    with _cores(CORES):
        found = on("cpu", runs)
    if torch.cuda.is_available():
        found["cuda"] = {"device": torch.cuda.get_device_name(), **on("cuda", runs)}
    return found


def on(device: str, runs: int) -> dict[str, Any]:
    """The figures of one device."""
    batches = [_batch(i).to(device) for i in range(BATCHES)]
    peer = _peer(device)
    ours = _ours(peer, device)
    w, out = ours.sae.W_enc.detach().clone(), torch.empty(BATCH, NEURONS, device=device)
    steps: dict[str, Callable[[int], Any]] = {
        "ours": lambda i: ours.update(batches[i % BATCHES]).total.item(),
        "product": lambda i: torch.mm(batches[i % BATCHES], w, out=out),
    }
    trainers = {arch: _trainer(arch, device) for arch in OTHER_ARCHITECTURES}
    steps |= {arch: lambda i, own=own: own.update(batches[i % BATCHES]) for arch, own in trainers.items()}
    if peer is not None:
        steps["other"] = lambda i: peer.update(i, batches[i % BATCHES])
    times, results = _in_turn(steps, runs, device)
    found = {
        "ours": _speed(times["ours"]),
        "over_encoder_product": round(times["ours"] / times["product"], 2),
        "encoder_product_ms": round(times["product"], 1),
        "over_ours": {arch: round(times[arch] / times["ours"], 2) for arch in trainers},
        "runs": runs,
        "threads": torch.get_num_threads(),
        "what": f"one training step at d {D}, d_sae {NEURONS}, k {K}, batch {BATCH} on {device}",
        "profile": _profile(lambda: ours.update(batches[0]), device),
    }
    if peer is None:
        return {"ratio": None, "other": None, "skipped": INSTALL, **found}
    differences = [abs(a - b) / b for a, b in zip(results["ours"], results["other"], strict=True)]
    return {
        "ratio": round(times["other"] / times["ours"], 2),
        **found,
        "other": {"name": PEER, **_speed(times["other"])},
        "loss_difference": differences[-1],
        "losses": {name: results[name] for name in ("ours", "other")},
        "with_dead_neurons": _with_dead(batches, max(3, runs // 2), device),
    }


def _with_dead(batches: list[Tensor], runs: int, device: str) -> dict[str, Any]:
    """The same comparison where many neurons are dead and learn from what the others leave over."""
    peer = _peer(device)
    with torch.no_grad():
        peer.ae.b_enc[:DEAD] = DEAD_BIAS
    peer.num_tokens_since_fired[:DEAD] = 2 * peer.dead_feature_threshold
    ours = _ours(peer, device)
    ours.silent[:DEAD] = 2 * peer.dead_feature_threshold
    steps = {
        "ours": lambda i: ours.update(batches[i % BATCHES]),
        "other": lambda i: (peer.update(i, batches[i % BATCHES]), peer.dead_features),
    }
    times, results = _in_turn(steps, runs, device)
    (loss, dead), last = results["other"][-1], results["ours"][-1]
    return {
        "ratio": round(times["other"] / times["ours"], 2),
        "ours": _speed(times["ours"]),
        "other": {"name": PEER, **_speed(times["other"])},
        "loss_difference": abs(last.total.item() - loss) / loss,
        "n_dead": [last.n_dead, dead],
    }


def _in_turn(steps: dict[str, Callable], runs: int, device: str) -> tuple[dict[str, float], dict[str, list]]:
    """Median milliseconds of each, one of each a round, after a first round that warms up; and what they returned."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    results: dict[str, list] = {name: [] for name in steps}
    for i in range(runs + 1):
        for name, step in steps.items():
            began = _now(device)
            results[name].append(step(i))
            times[name].append(1000 * (_now(device) - began))
    return {name: statistics.median(took[1:]) for name, took in times.items()}, results


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _speed(milliseconds: float) -> dict[str, float]:
    return {"median_ms": round(milliseconds, 1), "samples_per_second": round(1000 * BATCH / milliseconds)}


def _batch(seed: int) -> Tensor:
    """Rows with CLIP-like statistics, mean squared length 1: a common direction and parts of unequal strength."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(D, generator=torch.Generator().manual_seed(10_000))
    own = torch.randn(BATCH, D, generator=generator) * torch.arange(1, D + 1) ** -0.5
    x = common / common.norm() + own / own.norm(dim=1).mean()
    return x / x.square().sum(dim=1).mean().sqrt()


def _peer(device: str) -> Any | None:
    """The published trainer with its own start; None where the package is not there."""
    if "nnsight" not in sys.modules and importlib.util.find_spec("nnsight") is None:
        stand_in = types.ModuleType(
            "nnsight"
        )  # reads language models; the package imports it, its trainers do not use it
        stand_in.LanguageModel = object  # type: ignore[attr-defined]
        sys.modules["nnsight"] = stand_in
    try:
        module = importlib.import_module("dictionary_learning.trainers.matryoshka_batch_top_k")
    except ImportError:
        return None
    return module.MatryoshkaBatchTopKTrainer(
        steps=STEPS,
        activation_dim=D,
        dict_size=NEURONS,
        k=K,
        layer=0,
        lm_name="none",
        group_fractions=list(sae_config("matryoshka-batch-topk", D, NEURONS, K).group_fractions),
        auxk_alpha=TrainingConfig().aux_weight,
        warmup_steps=WARMUP,
        decay_start=DECAY_START,
        seed=0,
        device=device,
    )


def _ours(peer: Any | None, device: str) -> Trainer:
    """Our trainer with the same settings, and the same start where there is one."""
    ours = _trainer("matryoshka-batch-topk", device)
    if peer is not None:
        with torch.no_grad():
            for name, parameter in ours.sae.named_parameters():
                parameter.copy_(getattr(peer.ae, name))
    return ours


def _trainer(arch: str, device: str) -> Trainer:
    sae = new_sae(sae_config(arch, D, NEURONS, K))
    sae.initialise(torch.Generator().manual_seed(0))
    training = TrainingConfig(
        steps=STEPS,
        batch=BATCH,
        warmup_steps=WARMUP,
        decay_fraction=1 - DECAY_START / STEPS,
        dead_after=10_000_000,
        threshold_start=1000,
        threshold_beta=0.999,
    )
    return Trainer(sae.to(device), training)


def _profile(step: Callable[[], Any], device: str) -> list[dict[str, Any]]:
    """Where the time of our step goes: milliseconds a step of the operations that take longest."""
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=kinds) as seen:
        for _ in range(PROFILED):
            step()
        _now(device)
    took = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    rows = sorted(seen.key_averages(), key=lambda row: -getattr(row, took))[:SHOWN]
    return [
        {"operation": row.key, "ms": round(getattr(row, took) / 1000 / PROFILED, 2), "calls": row.count // PROFILED}
        for row in rows
    ]


@contextmanager
def _cores(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
