"""Options that every verb shares which can work on a cluster, and the cluster that they name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.config import InputError

if TYPE_CHECKING:
    from core.cluster import Cluster

Ray = Annotated[
    str | None,
    typer.Option("--ray", help="Ray cluster that does the work: local (on this machine), auto, HOST:PORT, ray://..."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="How many work at once (with --ray); one a processor by default.")
]


@contextmanager
def chosen_cluster(ray: str | None, workers: int | None) -> Iterator["Cluster | None"]:
    """The cluster that was named, until the work is done; None: this process works alone."""
    if ray is None:
        if workers is not None:
            raise InputError(f"--workers was {workers} without --ray; give --ray local or the address of a Ray cluster")
        yield None
        return
    from core.cluster import cluster_at

    with cluster_at(ray, workers) as cluster:
        yield cluster


def model_everywhere(model: str, pretrained: str | None) -> tuple[str, str | None]:
    """A model's name and weights as workers find them, whose current folder is another: files by their whole path."""
    from core.backbones.base import family_of

    if (folder := family_of(model).folder(model)) is not None:
        model = f"{model.partition(':')[0]}:{folder.absolute()}"
    if pretrained is not None and Path(pretrained).is_file():
        pretrained = str(Path(pretrained).absolute())
    return model, pretrained
