"""Training an SAE from the browser: what is ordered, and how it goes, on every visit of the page."""

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.config import ATTACHES, HALVES, InputError
from core.saes.config import SUGGESTED, own_settings, read_settings
from core.ui.data import sae_charts
from core.ui.data.making import new_folder
from core.ui.data.training_jobs import Job, Order, trainings
from core.ui.parts import frame, grids, standing
from core.ui.parts.charts import config
from core.ui.parts.grids import escape as plain
from core.ui.session import cache, folders, work
from core.ui.session.choices import DATA_VIEW, Choice
from core.ui.session.state import get_state

if TYPE_CHECKING:
    from core.jobs.rows import Job as Made

POLL_SECONDS = 1.0
POLLED = Choice("polled", False)
"""Whether the page asks every second; it does so once more after the training ended."""
WORDS = {
    "running": "is training",
    "pausing": "is pausing at the next step",
    "stopping": "is stopping at the next step",
    "paused": "is paused; what it reached is kept, also if the server restarts",
    "stopped": "was stopped and forgotten",
    "failed": "could not be trained",
    "done": "is trained",
}


def new_sae() -> None:
    """The training of this server where there is one, else the order form for a new one."""
    if work.as_jobs():
        _order()
        standing.standing("sae-train", "Use this SAE", _use_made)
        return
    job = trainings().job
    if job is None:
        _interrupted()
        _order()
        return
    st.fragment(_live, run_every=POLL_SECONDS if job.active else None)()


# -- how it goes ------------------------------------------------------------------------------------------------------


@frame.guarded
def _live() -> None:
    """State, buttons, curves and a first look at the neurons; drawn again every second while it trains."""
    job = trainings().job
    if job is None:
        st.rerun()
        return
    order = job.order
    st.header(f"{plain(order.out.name)} {WORDS[job.status]}", anchor=False)
    shape = f"{order.config.arch}, {order.config.d_sae:,} neurons, k = {order.config.k}"
    place = f"{'tokens of ' if order.tokens else ''}{order.attach} embeddings of **{plain(order.gallery)}**"
    half = "all rows" if order.half == "all" else f"the {order.half} half"
    st.caption(f"{shape} · {place}, {half} · {job.steps:,} steps of {order.training.batch:,} rows")
    if job.reason:
        st.warning(plain(job.reason), icon=":material/info:")
    if job.active:
        st.progress(min(job.step / job.steps, 1.0), text=_progress_text(job))
    _buttons(job)
    if job.curve:
        points = list(job.curve)
        st.plotly_chart(
            sae_charts.training_curves(points, job.steps),
            key="training-curves",
            config=config(f"training-{order.out.name}"),
            alt=f"Training at step {points[-1].step:,}: {points[-1].describe()}.",
        )
    _look(job)
    if not job.active and POLLED.of(get_state()):
        POLLED.put(get_state(), None)
        st.rerun()  # the last time: from here on nothing changes, so nothing asks
    elif job.active:
        POLLED.put(get_state(), True)


def _progress_text(job: Job) -> str:
    left = job.seconds_left()
    if job.step >= job.steps or job.stage != "training the SAE":
        return f"{job.stage[0].upper()}{job.stage[1:]}…"
    time_left = "" if left is None else f", about {duration(left)} left"
    return f"Step {job.step:,} of {job.steps:,}{time_left}. You can leave this page; training goes on."


def duration(seconds: float) -> str:
    """A time in the words one would say."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _buttons(job: Job) -> None:
    """What can be done with a training as it stands."""
    with st.container(horizontal=True):
        if job.active:
            busy, ask = job.status != "running", trainings().ask
            st.button(
                "Pause",
                icon=":material/pause:",
                disabled=busy,
                help="Keeps what it reached",
                on_click=ask,
                args=("pausing",),
            )
            st.button(
                "Stop",
                icon=":material/stop:",
                disabled=busy,
                help="Forgets what it reached",
                on_click=ask,
                args=("stopping",),
            )
            return
        if job.status == "done" and st.button("Use this SAE", type="primary", icon=":material/check:"):
            _use(job)
        if job.status == "paused" and st.button("Resume", type="primary", icon=":material/play_arrow:"):
            trainings().start(job.order, resume=True)
            st.rerun()
        if st.button("Train another", icon=":material/add:"):
            trainings().dismiss()
            st.rerun()


def _use(job: Job) -> None:
    state = get_state()
    state.choose_sae(job.side, folders.name_of("saes", job.order.out))
    codes = "its codes follow when they are needed" if job.reason else "its codes are stored with the gallery"
    state.notice(f"The SAE {job.order.out.name} is chosen; {codes}.")
    trainings().dismiss()
    DATA_VIEW.put(state, "quality")
    st.rerun()


def _use_made(job: "Made") -> None:
    """Choose the SAE that a job has trained."""
    state = get_state()
    state.choose_sae(cache.current_gallery(state).side, folders.name_of("saes", Path(job.place)))
    state.notice("The SAE is chosen; its codes are stored with the gallery.")
    DATA_VIEW.put(state, "quality")


def _look(job: Job) -> None:
    """The strongest items of the most active neurons, so that one sees early what it learns."""
    if not job.look:
        return
    st.markdown(f"**Its most active neurons after step {job.look_step:,}** :small[(their strongest items)]")
    gallery = cache.gallery(job.order.gallery)
    columns = st.columns(3, gap="medium")
    for place, neuron in enumerate(job.look):
        with columns[place % 3]:
            st.caption(f"neuron {neuron.neuron}, fires on {neuron.rate:.0%}")
            grids.strip(gallery, neuron.rows, f"strip-early-{place}", f"neuron {neuron.neuron}")


# -- what is ordered --------------------------------------------------------------------------------------------------


def _interrupted() -> None:
    """Trainings that this server or an earlier one left unfinished, to go on with or to forget."""
    from core.training import forget, interrupted

    folder = folders.place("saes")
    for left in interrupted(folder) if folder.is_dir() else []:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            steps = left.plan.get("training", {}).get("steps", 0)
            st.markdown(f"**{plain(left.out.name)}** was interrupted at step {left.step:,} of {steps:,}")
            if st.button("Go on", key=f"go-on-{left.out.name}", icon=":material/play_arrow:"):
                with frame.guard():
                    trainings().start(_again(left.out, dict(left.plan)), resume=True)
                    st.rerun()
            if st.button("Forget it", key=f"forget-{left.out.name}", icon=":material/delete:"):
                with frame.guard():
                    forget(left.out)
                    st.rerun()


def _again(out: Path, plan: dict) -> Order:
    """The order of an interrupted training, from what it kept; InputError where that is damaged."""
    from core.saes.base import sae_config
    from core.training.config import TrainingConfig

    try:
        shape, training = sae_config(**plan["config"]), TrainingConfig(**plan["training"])
        place, half, tokens = plan["attach"], plan["half"], plan["tokens"]
        return Order(plan["gallery"], place, half, shape, training, out, tokens, get_state().device)
    except (KeyError, TypeError) as error:
        raise InputError(f"the plan of {out.name} is damaged; forget it and train anew") from error


def _order() -> None:
    """Where to train, the settings that suit it with their reasons, and the button."""
    from core.saes.base import SAES, sae_config
    from core.training.config import TrainingConfig, suggested_training

    gallery = cache.current_gallery()
    left, middle, right = st.columns(3, gap="medium")
    attach = left.selectbox("Attach point", [attach for attach in ATTACHES if gallery.has(attach)])
    half = middle.selectbox("Rows", HALVES, format_func=lambda half: "all" if half == "all" else f"{half} half")
    each = gallery.token_settings()["per_item"] if gallery.has_tokens and attach == "residual" else 0
    tokens = bool(each) and right.toggle(f"On {each} random tokens an item", help=TOKEN_HELP)
    n = len(gallery.rows(half)) * (each if tokens else 1)
    plan = suggested_training(n, gallery.fingerprint(attach).d)
    st.caption(" ".join(plan.why()) + " For neurons judged on the evaluation half, train on the probe half.")
    names = SAES.names()
    arch = st.selectbox("Architecture", names, index=names.index(SUGGESTED))
    with st.form(f"train-{attach}-{half}-{tokens}-{arch}"):
        left, middle, right = st.columns(3, gap="medium")
        with left:
            name = st.text_input("Name", value=f"{gallery.name}-sae", help="The folder is saes/NAME")
            steps = st.number_input("Steps", 1, 1_000_000, plan.steps)
        with middle:
            d_sae = st.number_input("Neurons", 2, 1 << 20, plan.d_sae, help="More neurons split finer and die more")
            k = st.number_input("Active neurons per item (k)", 1, 4096, plan.k, help="Fewer are easier to read")
        with right:
            batch = st.number_input("Rows per step", 1, 65_536, plan.batch)
        with st.expander("Fine settings"):
            lr, seed, typed = _fine_settings(arch)
        sent = st.form_submit_button("Train", type="primary", icon=":material/model_training:")
    if sent:
        with frame.guard():
            settings = read_settings(SAES.get(arch).Config, arch, typed)
            shape = sae_config(arch, gallery.fingerprint(attach).d, int(d_sae), int(k), **settings)
            training = TrainingConfig(steps=int(steps), batch=int(batch), lr=lr, seed=int(seed))
            state = get_state()
            out = new_folder("saes", name)
            order = Order(state.gallery, attach, half, shape, training, out, bool(tokens), state.device)
            work.work_or_job("sae-train", partial(_as_job, order), partial(trainings().start, order))
            st.rerun()


def _as_job(order: Order) -> dict[str, Any]:
    """What the job takes that does the same training."""
    return {
        "gallery": str(cache.gallery(order.gallery).path),
        "out": str(order.out),
        "config": order.config.to_json(),
        "training": order.training.to_json(),
        "attach": order.attach,
        "half": order.half,
        "tokens": order.tokens,
        "device": order.device,
    }


TOKEN_HELP = "The published recipe trains on random tokens of the last block; neurons are then read on the pooled one."


def _fine_settings(arch: str) -> tuple[float | None, int, dict[str, str]]:
    """Learning rate and seed, and what was typed of the architecture's own settings."""
    from core.saes.base import SAES

    left, middle, right = st.columns(3, gap="medium")
    lr = left.number_input("Peak learning rate", 0.0, 1.0, None, format="%g", placeholder="by the number of neurons")
    seed = middle.number_input("Seed", 0, 1 << 31, 0)
    typed = {}
    for setting, place in zip(own_settings(SAES.get(arch).Config), cycle((right, left, middle)), strict=False):
        name, title, choices = setting.name, setting.metadata["title"], setting.metadata["choices"]
        typed[name] = place.selectbox(title, choices) if choices else place.text_input(title, key=f"{arch}-{name}")
    return lr or None, int(seed), {name: text for name, text in typed.items() if text.strip()}
