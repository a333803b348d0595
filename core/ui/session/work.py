"""Long work of a page: done here on one person's machine, asked of the workers on a team server.

Closing the browser changes nothing about a job; the page that asked for it, and Jobs, show how far it is.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core import access
from core.team import roots
from core.team.configuration import current
from core.ui.session import cache
from core.ui.session.choices import Choice
from core.ui.session.scene import only_known_prompts
from core.ui.session.state import AppState, get_state

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.jobs.rows import Job
    from core.jobs.store import JobStore

T = TypeVar("T")


@st.cache_resource(max_entries=4, show_spinner=False)
def _store(address: str, process: int) -> "JobStore":
    from core.jobs.store import JobStore

    return JobStore(address)


def store() -> "JobStore":
    """The jobs of this server."""
    from core.jobs.opening import default_address

    return _store(default_address(), os.getpid())


def as_jobs() -> bool:
    """Whether long work is done by workers: wherever a team server's configuration is in force."""
    return access.configured()


def asked(kind: str) -> Choice[str | None]:
    """The job of a kind that this session asked for last."""
    return Choice(f"job {kind}", None)


def work_or_job(
    kind: str,
    order: Callable[[], Mapping[str, Any]],
    work: Callable[[], T],
    files: Mapping[str, tuple[str, bytes]] | None = None,
) -> T | None:
    """What the work gives, done here; on a team server None, and a job that waits.

    Parameters
    ----------
    kind : of job, a name of `core.jobs.kind.KINDS`.
    order : what the job takes; asked for on a team server alone.
    files : parameter -> name and content of an uploaded file, on a team server.
    """
    if not as_jobs():
        return work()
    asked(kind).put(get_state(), store().submit(kind, order(), files=files))
    return None


def model_order(state: AppState) -> dict[str, str | None]:
    """The chosen model as a job takes it: a name of the configuration's roots stands for its folder."""
    configuration = current()
    named = None if configuration is None else roots.folder_of(configuration, "models", state.model)
    model = state.model if named is None else f"local-dir:{named}"
    return {"model": model, "pretrained": state.pretrained, "device": state.device}


def scene_order(state: AppState, gallery: "Gallery", texts: bool = True) -> dict[str, Any]:
    """What is looked at, as a job takes it; see `core.jobs.scenes.SceneOrder`.

    Parameters
    ----------
    texts : whether texts beyond the gallery's known prompts are embedded.
    """
    probe = cache.current_probe(state)
    saes = {side: cache.current_sae(side, state) for side in state.saes}
    return {
        "gallery": str(gallery.path),
        "saes": {side: str(sae.path) for side, sae in saes.items() if sae is not None},
        "probe": None if probe is gallery else str(probe.path),
        "digests": {
            "gallery": gallery.digest,
            "probe": probe.digest,
            **{side: sae.digest for side, sae in saes.items() if sae is not None},
        },
        **(model_order(state) if texts and not only_known_prompts(state, gallery) else {"model": None}),
    }


def latest(kind: str, order: Mapping[str, Any]) -> "Job | None":
    """The newest job for exactly this work, whoever asked for it."""
    return store().latest(kind, order)


def own(kind: str) -> "Job | None":
    """The job of a kind that this session asked for last, as it stands now; None where it asked for none."""
    from core.config import InputError

    name = asked(kind).of(get_state())
    if name is None:
        return None
    try:
        return store().get(name)
    except InputError:
        asked(kind).put(get_state(), None)
        return None
