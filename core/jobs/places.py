"""The folders of jobs: what each needs until it is over, and what it leaves behind."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from core.config import own_folder
from core.jobs.rows import Job
from core.store import forget_workplace

LONGEST_NAME = 80
"""Letters of an uploaded file's name that are kept, from its end."""


def workplaces() -> Path:
    """The folder in which every job that is not over has its own."""
    return own_folder() / "jobs"


def workplace(job: str) -> Path:
    """The folder in which a job keeps what it needs until it is over."""
    return workplaces() / job


def tidy(job: Job) -> None:
    """Remove what a job that is over has left beside its result; what a failed one reached may be gone on with."""
    shutil.rmtree(workplace(job.id), ignore_errors=True)
    if job.place and job.state != "failed":
        forget_workplace(Path(job.place))


def keep_files(job: str, files: Mapping[str, tuple[str, bytes]]) -> dict[str, str]:
    """Uploaded files in the job's workplace: parameter -> path."""
    kept = {}
    for parameter, (name, content) in files.items():
        plain = re.sub(r"[^\w. -]", "-", Path(name).name)[-LONGEST_NAME:]
        path = workplace(job) / "given" / parameter / (plain if plain.strip(". ") else "file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kept[parameter] = str(path)
    return kept


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if place.is_file():
        return place.stat().st_size
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink())
