"""Building and importing galleries, and training SAEs, from the browser: forms, progress, and calm errors."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from core.config import ATTACHES, HALVES, InputError, SAEConfig, TrainingConfig, suggested_training
from core.ui import cache, frame, jobs, loading
from core.ui.state import get_state

TABLES = ["csv", "tsv", "parquet", "feather"]
ARCH = "matryoshka-batch-topk"
WAYS = {"folder": "A folder of pictures", "captions": "A file of captions", "import": "Precomputed embeddings"}


def new_gallery() -> None:
    """Three ways to a gallery: pictures, captions, embeddings that exist already."""
    way = st.segmented_control("Make it from", WAYS, format_func=WAYS.get, default="folder", required=True)
    with st.form(f"make-{way}"):
        left, right = st.columns(2, gap="medium")
        with left:
            source = st.text_input(
                {
                    "folder": "Folder of pictures on this server",
                    "captions": "File of captions on this server (text, CSV, Parquet)",
                    "import": "Embeddings on this server (.npy or .npz, one row an item)",
                }[way or "folder"]
            )
            table_path = st.text_input("Attribute table on this server (CSV, Parquet, Feather)", help=TABLE_HELP)
            table_file = st.file_uploader("or upload the table", type=TABLES)
            more = _import_fields() if way == "import" else _build_fields()
        with right:
            name = st.text_input("Name", value="my-gallery", help="The folder is galleries/NAME")
            licence = st.text_input("Licence of the items", placeholder="in words")
            provenance = st.text_area("Where items and labels come from", height=80, help=PROVENANCE_HELP)
            sent = st.form_submit_button("Make the gallery", type="primary", icon=":material/database:")
    if sent:
        with frame.guard(), _table(table_path, table_file) as table:
            out = _folder("galleries", name)
            said = {"licence": licence or None, "provenance": provenance or None}
            if way == "import":
                _import(source, table, out, said, more)
            else:
                _build(way or "folder", source, table, out, said, more)
            get_state().choose_gallery(str(out))
            get_state().notice(f"The gallery {name} is made and chosen. Train an SAE on it, or choose one that fits.")
            st.rerun()


TABLE_HELP = "First column `file` or `id`; every other column is an attribute. Empty cells are unknown, and counted."
PROVENANCE_HELP = (
    "Who labelled the items, and whether groups are perceived or self-reported: it is shown with every number."
)


def _build_fields() -> dict:
    attaches = st.pills("Attach points", ATTACHES, selection_mode="multi", default=["pooled"], help=ATTACH_HELP)
    st.caption(f"Embedded with the chosen model, {get_state().model}.")
    return {"attaches": attaches}


ATTACH_HELP = "`residual` is what SAEs trained inside the model read; it doubles the size on disk."


def _import_fields() -> dict:
    return {
        "model_name": st.text_input("Model that made them", placeholder="for example RN50:openai"),
        "images": st.text_input("Folder of the pictures (optional)"),
        "texts": st.text_input("Embeddings of known prompts (optional, .npy)"),
        "text_table": st.text_input("Table of known prompts (optional, column prompt)"),
    }


def _build(way: str, source: str, table: Path | None, out: Path, said: dict, more: dict) -> None:
    from core.datasets.base import DATASETS
    from core.gallery import build_gallery

    items = DATASETS.get(way)().items(_given(source, "what the gallery is made from"), table=table, **said)
    model = cache.current_backbone()
    with jobs.progress("Embedding") as report:
        build_gallery(items, model, out, attaches=more["attaches"], progress=report)


def _import(source: str, table: Path | None, out: Path, said: dict, more: dict) -> None:
    from core.gallery import import_gallery

    if table is None:
        raise InputError("no table was given; embeddings need one row of a table each: file or id, then attributes")
    paths = {name: Path(more[name]).expanduser() if more[name] else None for name in ("images", "texts", "text_table")}
    with jobs.progress("Importing") as report:
        embeddings = _given(source, "the embeddings")
        import_gallery(embeddings, table, model_name=more["model_name"], out=out, progress=report, **paths, **said)


def _given(path: str, what: str) -> Path:
    if not path.strip():
        raise InputError(f"the path of {what} is empty; type where it is on this server")
    return Path(path.strip()).expanduser()


def _folder(kind: str, name: str) -> Path:
    """Folder of something new; InputError where the name is no plain folder name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,80}", name):
        raise InputError(f"the name was {name!r}; expected letters, digits, blanks, dots, hyphens or underscores")
    return loading.OWN[kind] / name


@contextmanager
def _table(path: str, file) -> Iterator[Path | None]:
    """The attribute table as a path; an uploaded one lies in a temporary folder while it is read."""
    if file is None:
        yield Path(path.strip()).expanduser() if path.strip() else None
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(file.name).name
        copy.write_bytes(file.getvalue())
        yield copy


# -- training ---------------------------------------------------------------------------------------------------------


def new_sae() -> None:
    """Train an SAE on the chosen gallery."""
    from core.saes.base import SAES

    gallery = cache.current_gallery()
    attaches = [attach for attach in ATTACHES if gallery.has(attach)]
    plan = suggested_training(gallery.n, gallery.fingerprint().d)
    st.caption(
        f"Trained on **{gallery.name}** ({gallery.n:,} items); the settings are filled in from its size. For neurons "
        "that are judged on the evaluation half, train on the probe half."
    )
    with st.form("train"):
        left, middle, right = st.columns(3, gap="medium")
        with left:
            name = st.text_input("Name", value=f"{gallery.name}-sae", help="The folder is saes/NAME")
            attach = st.selectbox("Attach point", attaches)
            half = st.selectbox("Rows", HALVES, format_func=lambda half: "all" if half == "all" else f"{half} half")
        with middle:
            d_sae = st.number_input("Neurons", 2, 1 << 20, plan.d_sae, help="More neurons split finer and die more")
            k = st.number_input("Active neurons per item (k)", 1, 512, plan.k, help="Fewer are easier to read")
            names = SAES.names()
            arch = st.selectbox("Architecture", names, index=names.index(ARCH) if ARCH in names else 0)
        with right:
            steps = st.number_input("Steps", 1, 1_000_000, plan.steps)
            batch = st.number_input("Rows per step", 1, 65_536, plan.batch)
            seed = st.number_input("Seed", 0, 1 << 31, 0)
        sent = st.form_submit_button("Train", type="primary", icon=":material/model_training:")
    if sent:
        with frame.guard():
            config = SAEConfig(arch=arch, d_in=gallery.fingerprint(attach).d, d_sae=int(d_sae), k=int(k))
            training = TrainingConfig(steps=int(steps), batch=int(batch), seed=int(seed))
            _train(gallery, attach, half, config, training, _folder("saes", name))


def _train(gallery, attach, half, config: SAEConfig, training: TrainingConfig, out: Path) -> None:
    from core.backbones.base import default_device
    from core.training import train_on_gallery

    state = get_state()
    device = state.device or default_device()
    with jobs.progress("Training") as report:
        train_on_gallery(gallery, attach, half, config, training, out, report, True, device=device)
    state.choose_sae(gallery.side, str(out))
    with jobs.progress("Encoding the gallery") as report:
        cache.codes(gallery, cache.sae(str(out)), report)
    state.notice(f"The SAE {out.name} is trained, chosen, and its codes are stored with the gallery.")
    st.rerun()
