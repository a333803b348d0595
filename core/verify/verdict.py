"""The verdict on a report: which files are not what they were, which numbers are not what the data give."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import TemplateError

from core import access
from core.audit.arms import Ranked, edits_of
from core.audit.engine import engine_notes
from core.audit.recorded_texts import RecordedTexts
from core.audit.run import AuditResult, OtherMethod, after_alone, notes_of
from core.audit.sources import Sources, sources_of
from core.audit.spec import AuditSpec
from core.config import VERSION, InputError, Progress
from core.gallery import Gallery, open_gallery
from core.reading import through_json
from core.readout import ARRAYS
from core.report import ReportOptions, read_report, rendered, report_document
from core.report.document import SCHEMA, evidence_keys
from core.saes.frozen import FrozenFile, load_frozen
from core.scene.scene import probe_of
from core.store import file_digest, read_json
from core.verify.about import About
from core.verify.answers import recompute_answers, wrong_files
from core.verify.asked_again import ask_again
from core.verify.carried import Edits, carried_metrics, cost_of
from core.verify.closed import (
    MANIFEST,
    NAMES,
    other_arrays,
    strange_document,
    strange_files,
    strange_manifest,
    unlike_the_document,
)
from core.verify.digests import Places, changed_files, compare_digests, find_places, read_manifest
from core.verify.engine import wrong_lists
from core.verify.own.findings import findings_list
from core.verify.own.numbers import attribute_document
from core.verify.own.searched import searched_rows
from core.verify.own.words import words_document
from core.verify.rankings import Rankings, wrong_codes
from core.verify.signature import check_signature
from core.verify.texts import Prompts, check_prompts

if TYPE_CHECKING:
    from core.labelling import LabelSet

ANSWERS = "lvlm"
"""Kind of a manifest whose report is of answers."""
EQUAL = 1e-9
"""Numbers that differ by less, relative to 1 or their size, are equal: sums in another order."""
ROUNDED = {"cost": 1e-5, "leakage": 1e-4}
"""The same for what is computed from float32 embeddings: AUC and accuracy, and a fitted probe."""
P_RELATIVE = 1e-6
"""A p is compared relative to its own size: small ones differ by much where their difference is small."""
NOT_WHAT_IT_WAS = (
    *(InputError, LookupError, TypeError, ValueError, AttributeError, OSError, TemplateError),
    *(StopIteration, ArithmeticError, AssertionError, RuntimeError),
)
"""What reading a document that somebody changed may raise."""
OLDER = (1,)
"""Schemas of earlier versions, whose numbers had other meanings."""
OTHER_DRAWS = ("0.2.0",)
"""Versions with the same keys whose drawn numbers and leakage come out a little otherwise."""
UNCHECKED = ("created_at", "software", "options")
"""Parts of the document that say who and when; only their digest vouches for them."""


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
    pairs = list(compared(said, own))
    return [*(line for line in pairs if line), *wrong_files(folder, gallery)], len(pairs)


def refuse_other_schemas(folder: Path, manifest: Mapping[str, Any]) -> None:
    """InputError for a report whose numbers have other meanings: it can neither be confirmed nor contradicted here.

    A document that was changed, or cannot be read, is left to the digests.
    """
    path = folder / "report.json"
    if not path.is_file() or file_digest(path) != manifest["files"].get(path.name):
        return
    try:
        document = read_json(path)
    except InputError:
        return
    wrote = document.get("software", {}).get("unskew", "unknown")
    if wrote in OTHER_DRAWS:
        raise InputError(
            f"{path} was written by version {wrote} of the app, which draws p of means and fits leakage otherwise "
            f"than this version {VERSION}: verify it with version {wrote}, or run `audit` on its spec again"
        )
    if (schema := document.get("schema")) in OLDER:
        raise InputError(
            f"{path} has schema {schema}, written by version {wrote} of the app; this is version {VERSION}, which "
            f"verifies schema {SCHEMA}: verify it with version {wrote}, or run `audit` on its spec again"
        )


def recompute(
    folder: Path,
    manifest: Mapping[str, Any],
    places: Places,
    progress: Progress | None = None,
    model: str | None = None,
    encode: bool = True,
) -> tuple[list[str], int, tuple[str, ...], Prompts]:
    """Lines for everything that comes out otherwise, how many numbers were compared, metrics without a second formula,
    and where the prompt embeddings come from.
    """
    document, arrays = read_report(folder)
    spec = AuditSpec.from_json(document["spec"])
    sources = _sources(document, arrays, manifest, places)
    prompts = check_prompts(document, arrays, sources.gallery, model, encode)
    lines = [*prompts.lines]
    if (line := _wrong_codes(spec, sources)) is not None:
        lines.append(line)
    whole_spec, notes, engine = spec, list[str](), document.get("engine")
    parts: list[OtherMethod] = []
    carried: tuple[str, ...] = ()
    for n, name in enumerate((spec.method, *spec.others)):
        spec = whole_spec.with_method(name)
        block = document["methods"][n - 1] if n else document
        recorded = _recorded(document, arrays, spec, n)
        edits, own_notes, wrong = _edits(spec, sources, block)
        notes, lines = notes or own_notes, [*lines, *wrong]
        if engine is None:
            rankings = Rankings(spec, sources)
            for (attribute, prompt), one in recorded.items():
                own = edits[attribute][spec.all_prompts.index(prompt)]
                rankings.add(attribute, prompt, own, one, not n and prompt in spec.prompts)
            lines += rankings.check(progress)
        else:
            # an engine's lists are the evidence: nobody can rank them again
            lines += wrong_lists(spec, sources.gallery, engine, recorded)
        numbers = [_numbers(spec, sources, a, edits[a], recorded, progress) for a in spec.attributes]
        for about in numbers:
            carried = carried_metrics(spec, sources, about["attribute"], about["prompts"], recorded)
        parts.append(OtherMethod(name, edits, recorded, [after_alone(one) for one in numbers] if n else numbers))
    first, *others = parts
    words = words_document(whole_spec.all_prompts, document["texts"])
    findings = findings_list(
        first.attributes,
        first.method,
        [(one.method, one.attributes) for one in others],
        {one["prompt"] for one in words if not one["interpreted"]},
    )
    told = notes_of(whole_spec, sources, notes)
    if engine is not None:
        told = (*told, *engine_notes(spec.k, engine))
    about_all = (first.edits, first.ranked, first.attributes, findings, told, tuple(others))
    found = AuditResult(whole_spec, sources, *about_all, engine=engine)
    options = document["options"]
    whole, kept = report_document(found, ReportOptions.from_json(options))
    whole = through_json(whole) | {"unknown_words": words}
    lines += other_arrays(arrays, {name: kept[name] for name in kept if name in _belonging(kept, document)})
    pairs = list(compared(_checked(document), _checked(whole)))
    lines += [line for line in pairs if line]
    lines += _rendered(folder, document, sources.gallery)
    return lines, len(pairs), carried, prompts


def _belonging(names: Iterable[str], document: Mapping[str, Any]) -> set[str]:
    """Names of evidence that something asks for: rankings, and texts at the attach points that the document lists."""
    attaches = document["texts"]["texts"] if document["texts"] is not None else ()
    texts = {f"text_{attach}" for attach in attaches}
    texts |= {f"text_readout_{name}" for name in ARRAYS} if "residual" in attaches else set()
    return {name for name in names if not name.startswith("text_")} | texts


def _numbers(
    spec: AuditSpec,
    sources: Sources,
    attribute: str,
    edits: Sequence[Edits],
    recorded: Mapping[tuple[str, str], Ranked],
    progress: Progress | None,
) -> dict[str, Any]:
    """Every number of one attribute, by the second author."""
    searched = searched_rows(sources.gallery, attribute, spec.where, spec.target_of(attribute))
    ranked = {prompt: recorded[attribute, prompt] for prompt in spec.all_prompts}
    found = attribute_document(spec, attribute, searched, ranked, edits, sources.gallery.item_ids)
    return found | cost_of(spec, sources, searched, edits, recorded, progress)


def _sources(
    document: Mapping[str, Any], arrays: Mapping[str, np.ndarray], manifest: Mapping[str, Any], places: Places
) -> Sources:
    entries = manifest["galleries"]
    # a gallery names its partner by name or by place; here both lead to where it is now
    galleries = {entry[key]: places.galleries[entry["digest"]] for key in ("given", "name") for entry in entries}

    def find(name: str) -> Gallery:
        return open_gallery(galleries.get(name) or name)

    gallery = find(document["gallery"]["name"])
    saes = {entry["side"]: _frozen(place) for entry in manifest["saes"] if (place := places.saes[entry["digest"]])}
    texts = RecordedTexts(document["texts"], arrays) if document["texts"] is not None else None
    labelled = _label_set(document.get("label_set"), next(iter(saes.values()), None))
    # the auditor's own restriction of the probe gallery is the gallery's, wherever it lies here
    return sources_of(gallery, probe_of(gallery, find), saes, texts, labelled)


def _label_set(recorded: Mapping[str, Any] | None, sae: FrozenFile | None) -> "LabelSet | None":
    """The labelled set as the report took it along: its hash vouches for it, no label log is needed here."""
    if recorded is None:
        return None
    from core.labelling import LabelSet

    made = LabelSet.from_json(dict(recorded))
    if sae is None or made.sae != sae.digest:
        raise InputError(f"the set {made.name!r} names neurons of the SAE {made.sae[:12]}, which is not the report's")
    return made


def _frozen(path: Path) -> FrozenFile:
    """The SAE without torch; a file of another project is read by torch and used without it."""
    if (path / "weights.safetensors").is_file():
        return load_frozen(path)
    from core.saes.checkpoint import load_sae

    return FrozenFile.of(load_sae(path))


def _recorded(
    document: Mapping[str, Any], arrays: Mapping[str, np.ndarray], spec: AuditSpec, method: int
) -> dict[tuple[str, str], Ranked]:
    found = {}
    for key, attribute, prompt in evidence_keys(spec, method):
        found[attribute, prompt] = Ranked(
            arms=tuple(document["arms"][key]),
            rows=arrays[f"rows_{key}"].astype(np.int64),
            rows_changed=tuple(arrays[f"changed_{key}"].tolist()),
            cosine=tuple(arrays[f"cosine_{key}"].tolist()),
            spread=tuple(arrays[f"spread_{key}"].tolist()),
            ties=tuple(arrays[f"ties_{key}"].tolist()),
            absent=tuple(document.get("absent", {}).get(key, {}).items()),
        )
    return found


def _edits(
    spec: AuditSpec, sources: Sources, document: Mapping[str, Any]
) -> tuple[dict[str, list[Edits]], list[str], list[str]]:
    """The edits chosen again on the probe half, and lines where the report switches others."""
    edits, notes = edits_of(spec, sources)
    lines = []
    for one in document["attributes"]:
        for prompt, said, own in zip(spec.all_prompts, one["edits"], edits[one["attribute"]], strict=True):
            again = {side: edit.to_json() for side, edit in own.items()}
            if said != again:
                lines.append(f"{one['attribute']} | {prompt} | edits: says {said}, the probe half gives {again}")
    return edits, notes, lines


def _wrong_codes(spec: AuditSpec, sources: Sources) -> str | None:
    wrong = wrong_codes(sources, sources.gallery.rows("evaluation", spec.where))
    return f"gallery {sources.gallery.name}, codes: {wrong}" if wrong else None


# ------------------------------------------------------------------------------------- comparing documents


def _checked(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in UNCHECKED}


def compared(said: Any, own: Any, path: tuple[str, ...] = ()) -> Iterator[str | None]:
    """For every value of two documents a line where they differ, None where they are equal."""
    where = " | ".join(path)
    if isinstance(said, Mapping) and isinstance(own, Mapping):
        for key in dict.fromkeys([*said, *own]):
            if key not in said or key not in own:
                why = "is not in the report" if key not in said else "does not follow from the data"
                yield f"{where} | {key}: {why}"
            else:
                yield from compared(said[key], own[key], (*path, str(key)))
    elif isinstance(said, list) and isinstance(own, list):
        if len(said) != len(own):
            yield f"{where}: has {len(said)} entries, recomputed {len(own)}"
        for i, (a, b) in enumerate(zip(said, own, strict=False)):
            yield from compared(a, b, (*path, _name(b, i)))
    elif _is_number(said) and _is_number(own):
        off = abs(said - own)
        same = off <= _allowed(path, own) or (said == own)
        yield None if same else f"{where}: says {said!r}, recomputed {own!r}, differs by {off:.3g}"
    else:
        yield None if said == own and type(said) is type(own) else f"{where}: says {said!r}, recomputed {own!r}"


def _allowed(path: tuple[str, ...], own: float) -> float:
    """Largest difference that sums in another order explain."""
    if any(_is_p(part) for part in path):
        return P_RELATIVE * abs(own)
    return max((ROUNDED[part] for part in path if part in ROUNDED), default=EQUAL) * max(1.0, abs(own))


def _is_p(key: str) -> bool:
    return key in ("p", "lean_p") or key.startswith(("p_", "lean_p_"))


def _name(item: Any, i: int) -> str:
    """What a reader calls an entry of a list: its prompt, attribute or id, else its place."""
    if isinstance(item, Mapping):
        return str(next((item[name] for name in ("id", "prompt", "attribute") if item.get(name)), i + 1))
    return str(i + 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _rendered(folder: Path, document: Mapping[str, Any], gallery: Gallery) -> Iterator[str]:
    """Lines for files that do not follow from the document."""
    wrote = document["software"].get("unskew", "unknown")
    other = (
        "" if wrote == VERSION else f" (version {wrote} of the app wrote it, this is {VERSION}: verify with that one)"
    )
    for name, text in rendered(document, gallery).items():
        path = folder / name
        bytes_kept = path.read_bytes()
        if bytes_kept != text.encode():
            kept = bytes_kept.decode("utf-8", "replace")
            at = next(
                (i for i, (a, b) in enumerate(zip(kept.split("\n"), text.split("\n"), strict=False), 1) if a != b), 1
            )
            yield f"{name}: line {at} is not what report.json gives{other}"
