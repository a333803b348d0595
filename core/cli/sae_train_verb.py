"""`sae train`: one SAE for each gallery and attach point, stopped and resumed at will."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import INTERRUPTED
from core.cli.clusters import Ray, Workers, chosen_cluster
from core.cli.output import Json, emit, progress_bar
from core.cli.sae_verbs import verbs
from core.config import ATTACHES, HALVES, SAE_ATTACHES, SIDES, Attach, InputError, Name, one_of
from core.saes.config import SUGGESTED

READ = SAE_ATTACHES[-1]
"""The attach point whose tokens no gallery keeps."""

if TYPE_CHECKING:
    from core.cluster import Cluster
    from core.gallery import Gallery


@verbs.command("train")
def train(
    gallery: Annotated[list[str], typer.Option("--gallery", help="Gallery folder or shipped name; repeatable.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new SAE, or of several: OUT/SIDE-ATTACH.")],
    side: Annotated[str | None, typer.Option("--side", help="image, text or both; the galleries' own.")] = None,
    attach: Annotated[str, typer.Option("--attach", help="pooled, residual, or both with a comma; lvlm.")] = "pooled",
    model: Annotated[
        str, typer.Option("--model", help="With --attach lvlm: whose read tokens, as `lvlm ask` takes it.")
    ] = "default-lvlm",
    per_item: Annotated[int, typer.Option("--per-item", help="With --attach lvlm: tokens of each picture.")] = 4,
    tokens: Annotated[bool, typer.Option("--tokens", help="Train on the random tokens the gallery keeps.")] = False,
    arch: Annotated[str, typer.Option("--arch", help="Architecture.")] = SUGGESTED,
    d_sae: Annotated[int | None, typer.Option("--d-sae", help="Neurons; by the gallery's size.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Active neurons a row.")] = None,
    steps: Annotated[int | None, typer.Option("--steps")] = None,
    batch: Annotated[int | None, typer.Option("--batch")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    half: Annotated[str, typer.Option("--half", help="all, probe or evaluation rows to train on.")] = "all",
    own: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: a setting of the architecture's own, repeatable.")
    ] = None,
    levels: Annotated[str | None, typer.Option("--levels", help="Short for --set levels=8,16.")] = None,
    weighting: Annotated[str | None, typer.Option("--weighting", help="Short for --set weighting=uniform.")] = None,
    sparsity: Annotated[str | None, typer.Option("--sparsity", help="Short for --set sparsity=0.1.")] = None,
    warmup: Annotated[int | None, typer.Option("--warmup", help="Steps over which the rate rises.")] = None,
    decay: Annotated[float | None, typer.Option("--decay", help="Last share of steps, rate falling.")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="Largest gradient norm.")] = None,
    dead_after: Annotated[int | None, typer.Option("--dead-after", help="Silent rows that count as dead.")] = None,
    aux_weight: Annotated[float | None, typer.Option("--aux-weight", help="Of reviving dead neurons.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="auto, float32 or bfloat16.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    device: Annotated[str | None, typer.Option("--device")] = None,
    ray: Ray = None,
    workers: Workers = None,
    as_json: Json = False,
) -> int:
    """Train SAEs on galleries' embeddings. Ctrl-C keeps what was reached; --resume goes on."""
    from core.training import TrainingStopped

    one_of(half, HALVES, "--half")
    wanted = {"d_sae": d_sae, "k": k, "steps": steps, "batch": batch}
    shape = _set(own or []) | _given(weighting=weighting, sparsity=sparsity, levels=levels)
    fine = _given(
        warmup_steps=warmup,
        decay_fraction=decay,
        clip=clip,
        dead_after=dead_after,
        aux_weight=aux_weight,
        precision=precision,
    )
    parts = [] if attach == READ else _parts(gallery, side, attach, out)
    found = []
    try:
        if attach == READ:
            options = {"arch": arch, "half": half, "lr": lr, "seed": seed, "resume": resume, "per_item": per_item}
            with _stopped_by_ctrl_c() as stop:
                found.append(_train_read(gallery, model, out, wanted, shape, fine, options, device, stop))
        with chosen_cluster(ray, workers) as cluster, _stopped_by_ctrl_c() as stop:
            for source, place, folder in parts:
                if resume and len(parts) > 1 and (folder / "config.json").is_file():
                    continue  # finished before the interruption
                options = {"arch": arch, "half": half, "tokens": tokens, "lr": lr, "seed": seed, "resume": resume}
                found.append(_train(source, place, folder, wanted, shape, fine, options, device, stop, cluster))
    except TrainingStopped as stopped:
        kept = f"{stopped}; it is kept beside --out: the same command with --resume goes on"
        print(kept, file=sys.stderr)
        return INTERRUPTED
    if attach == READ or len(parts) == 1:
        emit(found[0], as_json, lambda: _lines(found[0]))
    else:
        emit({"schema": 1, "saes": found}, as_json, lambda: (line for one in found for line in _lines(one)))
    return 0


def _train(
    source: "Gallery",
    attach: Any,
    out: Path,
    wanted: dict[str, int | None],
    shape: dict[str, str],
    fine: dict[str, Any],
    options: dict[str, Any],
    device: str | None,
    stop: Callable[[], bool],
    cluster: "Cluster | None",
) -> dict[str, Any]:
    """Train one SAE and say how good it is.

    Many parameters: the verb's options by what they are about.
    """
    from core.backbones.base import default_device
    from core.saes.base import SAES, sae_config
    from core.saes.config import read_settings
    from core.training import train_on_gallery
    from core.training.config import TrainingConfig, suggested_training
    from core.training.gallery_runs import training_rows

    x, rows, _ = training_rows(source, attach, options["half"], options["tokens"])
    suggestion = suggested_training(len(x) if rows is None else len(rows), x.shape[1])
    plan = {name: getattr(suggestion, name) if value is None else value for name, value in wanted.items()}
    arch = options["arch"]
    own = read_settings(SAES.get(arch).Config, arch, shape)
    config = sae_config(arch, x.shape[1], plan["d_sae"], min(plan["k"], plan["d_sae"]), **own)
    training = TrainingConfig(plan["steps"], plan["batch"], options["lr"], seed=options["seed"], **fine)
    with progress_bar() as progress:
        made = train_on_gallery(
            source,
            attach,
            options["half"],
            config,
            training,
            out,
            progress,
            options["resume"],
            tokens=options["tokens"],
            stop=stop,
            device=device or default_device(),
            cluster=cluster,
        )
    return {
        "schema": 1,
        "side": source.side,
        "attach": attach,
        **{key: made.quality.get(key) for key in ("fvu", "l0", "dead_fraction")},
        "steps": training.steps,
        "samples_per_second": made.training.get("samples_per_second"),
        "settings": {name: plan[name] for name in ("d_sae", "k", "batch")} | {"arch": options["arch"]},
        "why": [] if any(wanted.values()) else list(suggestion.why()),
        "out": str(out),
        "digests": {"gallery": source.digest, "sae": made.digest},
    }


def _train_read(
    names: Sequence[str],
    model: str,
    out: Path,
    wanted: dict[str, int | None],
    shape: dict[str, str],
    fine: dict[str, Any],
    options: dict[str, Any],
    device: str | None,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Train one SAE on what a language model reads of a gallery's pictures, and say how good it is.

    Many parameters: the verb's options by what they are about.
    """
    from core.gallery import open_gallery
    from core.lvlm.models import load_lvlm
    from core.lvlm.read_rows import read_fingerprint, read_rows
    from core.saes.base import SAES, sae_config
    from core.saes.config import read_settings
    from core.training import train_sae
    from core.training.config import TrainingConfig, suggested_training

    if len(names) != 1:
        raise InputError(f"{len(names)} galleries were given with --attach {READ}; give one")
    source, loaded = open_gallery(names[0]), load_lvlm(model, device)
    with progress_bar() as progress:
        x = read_rows(loaded, source, options["half"], options["per_item"], options["seed"], progress)
        suggestion = suggested_training(len(x), x.shape[1])
        plan = {name: getattr(suggestion, name) if value is None else value for name, value in wanted.items()}
        own = read_settings(SAES.get(options["arch"]).Config, options["arch"], shape)
        config = sae_config(options["arch"], x.shape[1], plan["d_sae"], min(plan["k"], plan["d_sae"]), **own)
        training = TrainingConfig(plan["steps"], plan["batch"], options["lr"], seed=options["seed"], **fine)
        train_sae(
            x,
            config,
            training,
            read_fingerprint(loaded, x.shape[1]),
            out,
            progress,
            resume=options["resume"],
            about={"half": options["half"], "per_item": options["per_item"]},
            gallery_digest=source.digest,
            stop=stop,
        )
    from core.saes.checkpoint import load_sae

    made = load_sae(out)
    return {
        "schema": 1,
        "side": "image",
        "attach": READ,
        **{key: made.quality.get(key) for key in ("fvu", "l0", "dead_fraction")},
        "steps": training.steps,
        "samples_per_second": None,
        "settings": {name: plan[name] for name in ("d_sae", "k", "batch")} | {"arch": options["arch"]},
        "why": [] if any(wanted.values()) else list(suggestion.why()),
        "out": str(out),
        "digests": {"gallery": source.digest, "sae": made.digest},
    }


def _parts(names: Sequence[str], side: str | None, attach: str, out: Path) -> list[tuple["Gallery", Attach, Path]]:
    """Gallery, attach point and folder of every SAE to train, all checked before the first is trained.

    InputError where a side is asked for that no gallery has, or a gallery is of a side not asked for; where two
    galleries are of one side; where a gallery lacks the attach point.
    """
    from core.gallery import open_gallery

    galleries = [open_gallery(name) for name in names]
    attaches = _listed(attach, ATTACHES, "--attach")
    sides = [gallery.side for gallery in galleries]
    if side is not None:
        asked = _listed(side, SIDES, "--side")
        if set(asked) != set(sides):
            held = " and ".join(f"{gallery.name} holds {gallery.kind}" for gallery in galleries)
            raise InputError(f"--side was {side}, but {held}; give one gallery for each side, or leave --side out")
    if len(set(sides)) < len(sides):
        raise InputError(f"two galleries are of the {sides[0]} side; train them one by one, each with its own --out")
    for gallery in galleries:
        for place in attaches:
            gallery.embeddings(place)
    if len(galleries) * len(attaches) == 1:
        return [(galleries[0], attaches[0], out)]
    return [(gallery, place, out / f"{gallery.side}-{place}") for gallery in galleries for place in attaches]


def _listed(value: str, allowed: tuple[Name, ...], option: str) -> list[Name]:
    """The parts of a comma list, each of them allowed and named once."""
    return list(dict.fromkeys(one_of(part.strip(), allowed, option) for part in value.split(",")))


def _set(given: list[str]) -> dict[str, str]:
    """Names and values of --set."""
    pairs = [one.partition("=") for one in given]
    for one, (name, equals, value) in zip(given, pairs, strict=True):
        if not (name.strip() and equals and value.strip()):
            raise InputError(f"--set was {one!r}; expected NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """`stop()` is True after the first Ctrl-C, so that training ends between two steps; the second ends at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread: nobody presses Ctrl-C there
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def _lines(result: dict[str, Any]) -> Iterator[str]:
    fvu = "undefined (all rows are equal)" if result["fvu"] is None else f"{result['fvu']:.4f}"
    settings = result["settings"]
    yield f"{settings['arch']}, {settings['d_sae']:,} neurons, k = {settings['k']}, {result['attach']} {result['side']}"
    yield f"fvu {fvu} (0 is perfect, 1 no better than the mean), l0 {result['l0']:.1f} neurons a row"
    yield f"dead {result['dead_fraction']:.0%} of the neurons, {result['steps']:,} steps"
    yield from result["why"]
    yield f"saved to {result['out']}, digest {result['digests']['sae'][:16]}"
