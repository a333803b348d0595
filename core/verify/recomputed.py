"""A report computed again from the embeddings up: rankings, edits, numbers, findings, and the files made from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
from core.report.document import evidence_keys
from core.saes.frozen import FrozenFile, load_frozen
from core.scene.scene import probe_of
from core.threads import one_thread
from core.verify.carried import Edits, carried_metrics, cost_of
from core.verify.closed import other_arrays
from core.verify.compared import checked, compared
from core.verify.digests import Places
from core.verify.engine import wrong_lists
from core.verify.own.findings import findings_list
from core.verify.own.numbers import attribute_document
from core.verify.own.searched import searched_rows
from core.verify.own.words import words_document
from core.verify.rankings import Rankings, wrong_codes
from core.verify.texts import Prompts, check_prompts

if TYPE_CHECKING:
    from core.labelling import LabelSet


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
    asked_for = belonging(kept, document)
    lines += other_arrays(arrays, {name: kept[name] for name in kept if name in asked_for})
    pairs = compared(checked(document), checked(whole))
    lines += [line for line in pairs if line]
    lines += _rendered(folder, document, sources.gallery)
    return lines, len(pairs), carried, prompts


def belonging(names: Iterable[str], document: Mapping[str, Any]) -> set[str]:
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
    with one_thread():
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
            pairs = zip_longest(kept.split("\n"), text.split("\n"))
            at = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), 1)
            yield f"{name}: line {at} is not what report.json gives{other}"
