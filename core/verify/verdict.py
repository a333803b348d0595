"""The verdict on a report: which files are not what they were, which numbers are not what the data give."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from core import access
from core.config import InputError, Progress
from core.store import read_json
from core.verify.about import About
from core.verify.answers import recompute_answers, wrong_files
from core.verify.asked_again import ask_again
from core.verify.closed import (
    MANIFEST,
    NAMES,
    strange_document,
    strange_files,
    strange_manifest,
    unlike_the_document,
)
from core.verify.compared import compared
from core.verify.digests import Places, changed_files, compare_digests, find_places, read_manifest
from core.verify.other_versions import refuse_other_schemas
from core.verify.recomputed import recompute
from core.verify.signature import check_signature

ANSWERS = "lvlm"
"""Kind of a manifest whose report is of answers."""
NOT_WHAT_IT_WAS = (
    *(InputError, LookupError, TypeError, ValueError, AttributeError, OSError, TemplateError),
    *(StopIteration, ArithmeticError, AssertionError, RuntimeError),
)
"""What reading a document that somebody changed may raise."""


@dataclass(frozen=True)
class Verdict:
    """What a second reader found."""

    differences: tuple[str, ...]
    """One line for each file that was changed and each number that is another one."""
    files: int
    """Files whose digest was compared."""
    numbers: int
    """Numbers that were computed again."""
    carried: tuple[str, ...] = ()
    """Metrics that were computed again by their own class alone, for want of a second formula."""
    about: About | None = None
    """What was verified, and what of it is only stated; None where the report could not be read."""

    @property
    def equal(self) -> bool:
        return not self.differences

    def sentences(self) -> Iterator[str]:
        """The verdict for people: its differences, or what is equal, and what was not checked."""
        yield from self.differences
        for name in self.carried:
            yield f"{name}: computed again by its own formula, for there is no second one here"
        if self.equal:
            counted = f"{self.files:,} files by digest, {self.numbers:,} values computed again"
            yield f"all equal: {counted}" + (f"; {self.about.sentence()}" if self.about is not None else "")
        if self.equal and self.about is not None:
            yield f"not checked: {'; '.join(self.about.unchecked)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "equal": self.equal,
            "files": self.files,
            "numbers": self.numbers,
            "differences": list(self.differences),
            **({"without_second_formula": list(self.carried)} if self.carried else {}),
            **(self.about.to_json() if self.about is not None else {}),
        }


def verify(
    folder: Path,
    galleries: Sequence[Path] = (),
    saes: Sequence[Path] = (),
    progress: Progress | None = None,
    model: str | None = None,
    encode: bool = True,
    public: Path | None = None,
    trusting: bool = True,
) -> Verdict:
    """Compare every digest, then compute every number again from the embeddings up.

    What it guarantees where it finds everything equal: the folder holds a report's files and nothing else, written as
    reports are; the gallery's and the SAE's bytes are those that the report names by digest; prompt embeddings are
    what the model gives, where it is at hand; rankings, edits, numbers, verdicts, page, table and card follow from
    these. It does not guarantee who wrote the report, when, and that no other one was made and kept back.

    Parameters
    ----------
    folder : the report's folder.
    galleries, saes : where the report's galleries and SAEs are on this machine; shipped ones are found by name.
    model : the text encoder, where it neither ships nor lies in the folder that the gallery names.
    encode : False: the report's prompt embeddings are taken as they are.
    public : the public half of the key that should have signed the report. What is not what that key signed is told in
        one line a file, and nothing more of it is looked at.
    trusting : False: folders that only the report names are not opened.

    Many parameters: the report, and everything that may be given to check it with.

    Raises
    ------
    InputError : the folder is no report, or one of another schema.
    """
    access.require("verify")
    folder = Path(folder)
    if not any((folder / name).is_file() for name in (MANIFEST, "report.json")):
        raise InputError(f"{folder} is no report (it has no {MANIFEST}); give the folder that `audit` wrote")
    barred, besides = strange_files(folder)
    if barred:
        return Verdict((*barred, *besides), len(NAMES), 0)
    signed = check_signature(folder, public)
    if signed.lines:
        return Verdict((*signed.lines, *besides), 1, 0)
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        return Verdict((f"{MANIFEST}: was changed after it was written: {error}", *besides), 1, 0)
    if signed.checked and (changed := changed_files(folder, manifest)):
        return Verdict((*changed, *besides), len(NAMES), 0)
    answered = manifest.get("kind") == ANSWERS
    if not answered:
        refuse_other_schemas(folder, manifest)
    if strange := list(strange_manifest(manifest, answered)):
        return Verdict((*strange, *besides), len(NAMES), 0)
    places = find_places(manifest, galleries, saes, trusting)
    carried: tuple[str, ...]
    lines = [*besides, *compare_digests(folder, manifest, places)]
    files = len(manifest["files"]) + 1 + sum(len(e["files"]) for kind in ("galleries", "saes") for e in manifest[kind])
    missing = [p for by_digest in (places.galleries, places.saes) for p in by_digest.values() if p is None]
    if missing:
        return Verdict(tuple(lines), files, 0)
    try:
        document = read_json(folder / "report.json")
        lines += strange_document(folder, document)
        if unlike := list(unlike_the_document(manifest, document)):
            return Verdict((*lines, *unlike), files, 0)
        if answered:
            again, numbers = _answers(folder, manifest, places)
            asked = ask_again(folder, places, model, encode, progress)
            again += asked.lines
            about, carried = About.of_answers(document, asked), ()
        else:
            again, numbers, carried, prompts = recompute(folder, manifest, places, progress, model, encode)
            about = About.of(document, prompts)
    except NOT_WHAT_IT_WAS as error:
        # a file that is not what it was may be anything at all; what can be said is which and why
        said = f"{type(error).__name__} {error}" if not isinstance(error, InputError) else str(error)
        return Verdict((*lines, f"report.json: could not be computed again: {' '.join(said.split())}"), files, 0)
    return Verdict((*lines, *again), files, numbers, carried, about.with_signature(signed))


def _answers(folder: Path, manifest: Mapping[str, Any], places: Places) -> tuple[list[str], int]:
    """Lines for everything of a report of answers that comes out otherwise, and how many numbers were compared."""
    said, own, gallery = recompute_answers(folder, manifest, places)
    pairs = compared(said, own)
    return [*(line for line in pairs if line), *wrong_files(folder, gallery)], len(pairs)
