"""An audit of answers from its spec to its evidence: neurons of the probe half, answers of the evaluation half."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import access
from core.config import UNKNOWN, Edit, InputError, digest_of
from core.gallery import Gallery, open_gallery
from core.interventions import matched_random_edits
from core.interventions.neuron_edit import check_neurons
from core.lvlm import doors
from core.lvlm.ability import PUBLISHED, AbilitySet, published_set, shipped_set
from core.lvlm.answering import Pictures, answers, prepare
from core.lvlm.book import Book, read_book
from core.lvlm.choosing import Probe, choose
from core.lvlm.evidence import EDIT, HELD, ORIGINAL, RANDOM, RECONSTRUCTION, AnswerEvidence
from core.lvlm.model import Lvlm
from core.lvlm.models import load_lvlm
from core.lvlm.numbers import numbers_of
from core.lvlm.pictures import chosen_rows, pictures_of, probe_of
from core.lvlm.protocol import PROTOCOLS
from core.lvlm.questions import Question
from core.lvlm.read_rows import READ, read_fingerprint
from core.lvlm.spec import LvlmSpec
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod
from core.lvlm.vla_files import read_vla
from core.reading import read_arrays
from core.store import atomic_file, write_arrays

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

Progress = Callable[[int, int, str], None]
PROBE_PICTURES = 240


@dataclass(frozen=True, eq=False)
class LvlmResult:
    """What an audit of answers found."""

    spec: LvlmSpec
    model: Lvlm
    gallery: Gallery
    probe: Gallery | None
    sae: SAEFile | None
    rows: np.ndarray
    """Rows of the gallery that were asked about."""
    edit: TokenEdit | None
    evidence: AnswerEvidence
    numbers: dict[str, Any]
    notes: tuple[str, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    """Arm -> the method behind it."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Pictures with the questions of a protocol, ready to be answered under any edit."""

    chunks: list[Pictures]
    questions: list[list[Question]]
    """A list a picture, words one behind the other."""
    answers: tuple[str, ...]

    def prob(self, edit: doors.Edit | None = None, asked: Callable[[str], str] | None = None) -> np.ndarray:
        """Shares of the whole vocabulary (n, questions, answers) in the order of `answers`; NaN: not offered."""
        found, at = [], 0
        for one in self.chunks:
            rows = self.questions[at : at + len(one)]
            given = answers(one, rows, edit, asked).prob
            flat = [question for row in rows for question in row]
            table = np.full((len(flat), len(self.answers)), np.nan)
            for r, question in enumerate(flat):
                for a, name in enumerate(question.answers):
                    table[r, self.answers.index(name)] = given[r, a]
            found.append(table.reshape(len(rows), -1, len(self.answers)))
            at += len(one)
        return np.concatenate(found)


def ask_protocol(
    model: Lvlm, chunks: list[Pictures], protocol: str, words: Sequence[str], seed: int, book: Book | None = None
) -> Asked:
    """The questions of a protocol about prepared pictures; InputError naming words that the model does not know."""
    kind, book = PROTOCOLS.get(protocol)(), book or read_book()
    closed, n = model.known_words is not None, sum(map(len, chunks))
    compared = kind.words(words)
    questions = [[one for word in compared for one in kind.questions(word, i, seed, book, closed)] for i in range(n)]
    for question in questions[0]:
        model.require_known(question.text)
    return Asked(chunks, questions, kind.answers)


def run_lvlm(
    spec: LvlmSpec, model: Lvlm | None = None, folder: Path | None = None, progress: Progress | None = None
) -> LvlmResult:
    """The audit that the spec describes.

    Parameters
    ----------
    model : where it is loaded already.
    folder : where answers of an interrupted run are found and those of this one are kept, arm by arm.

    Raises
    ------
    InputError : what the spec names is not there or does not fit together.
    """
    access.require("audit")
    gallery = open_gallery(spec.gallery)
    protocol = PROTOCOLS.get(spec.protocol)()
    if protocol.needs_scenes and gallery.clusters() is None:
        raise InputError(
            f"protocol {spec.protocol} compares inside scenes, and gallery {gallery.name} does not say which pictures "
            "belong together; build it with --together COLUMN"
        )
    rows = chosen_rows(gallery, spec.attributes[0], spec.n, "evaluation", spec.where, spec.seed)
    if spec.edit is not None and spec.sae is None:
        raise InputError("the spec has an edit and names no SAE; add sae, or leave the edit out")
    book, values = read_book(), None
    if spec.questions:
        given = spec.questions
        book, values = read_vla(Path(given["folder"]), given["task"], given.get("split"))
    model = model or load_lvlm(spec.model)
    words = spec.words or (model.planted if values is None else values)
    if not words:
        raise InputError(
            f"words were not given; {spec.model} has no planted words of its own: name the words to ask about"
        )
    sae = _sae(spec, model)
    asked = ask_protocol(model, prepare(model, pictures_of(gallery, rows)), spec.protocol, words, spec.seed, book)
    if spec.ability:
        root = Path(spec.ability["root"])
        ability = published_set(model, spec.ability["layout"], root, spec.ability.get("n", PUBLISHED))
    else:
        ability = shipped_set(model, seed=spec.seed)
    probe_gallery, probe = _probe(spec, model, gallery)
    notes = [*model.notes, *fit_notes(model, sae)]
    edit = None
    tokens = own_tokens(model, sae)
    if tokens is not None and (spec.edit is None or spec.edit.tokens is None):
        notes.append("the SAE was trained on the token that its tower pools: that token alone is edited")
    if spec.edit is not None:
        assert sae is not None, "an edit without an SAE is refused before"
        labelled = _labelled(spec, sae)
        seen = _words_asked(protocol, words, model, book)
        edit, said = choose(spec.edit, sae.sae, probe, seen, tokens, labelled, progress)
        notes += said
        check_neurons(edit.edit, sae.sae.config.d_sae)
    arms, absent = arms_of(spec, model, sae, probe, edit, tokens)
    used = [spec.to_json(), gallery.digest, probe_gallery.digest if probe_gallery else None, model.weights]
    used += [sae.digest if sae else None, edit.to_json() if edit else None, rows.tolist()]
    prob, right, lost = _answered(asked, ability, arms, folder, digest_of(used), progress)
    kind_words, clusters = tuple(protocol.words(words)), gallery.clusters()
    groups = {name: tuple(gallery.groups(name)) for name in spec.attributes}
    evidence = AnswerEvidence(
        kind_words,
        protocol.per_word,
        protocol.answers,
        groups,
        {name: gallery.group_numbers(name)[rows].astype(np.int64) for name in spec.attributes},
        prob,
        right,
        ability.kinds,
        clusters[rows] if protocol.needs_scenes and clusters is not None else None,
        absent | lost,
    )
    methods = {arm: one.method for arm, one in arms.items() if arm in prob}
    numbers = numbers_of(evidence, spec.seed)
    return LvlmResult(spec, model, gallery, probe_gallery, sae, rows, edit, evidence, numbers, tuple(notes), methods)


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of answering: what is done to the read tokens, and how the question is put."""

    method: str
    change: doors.Edit
    asked: Callable[[str], str] | None = None


def arms_of(
    spec: LvlmSpec,
    model: Lvlm,
    sae: SAEFile | None,
    probe: Probe | None,
    edit: TokenEdit | None,
    tokens: tuple[int, ...] | None,
) -> tuple[dict[str, Arm], dict[str, str]]:
    """Every arm, the original first, and those that cannot be made with the reason.

    Beside an edit that switches off stands the same with the neurons held at their probe mean: off is the answer that
    one group got before, held is nearer to the middle.
    """
    evidence = probe.evidence(sae.sae if sae else None) if probe else Evidence(sae.sae if sae else None)
    arms: dict[str, Arm] = {ORIGINAL: Arm(ORIGINAL, METHODS.get("original")().fit(evidence, TokenEdit()))}
    absent: dict[str, str] = {}

    def add(arm: str, method: str, own: TokenEdit) -> None:
        made: TokenMethod = METHODS.get(method)()
        try:
            text = made.asked("")
            model.require_known(text)
            arms[arm] = Arm(method, made.fit(evidence, own), made.asked if text else None)
        except InputError as error:
            absent[arm] = str(error)

    if edit is not None and sae is not None:
        add(RECONSTRUCTION, "reconstruction", edit)
        try:
            drawn = _random(spec, sae, probe, edit)
        except InputError as error:
            drawn, absent[RANDOM] = [], str(error)
        for number, one in enumerate(drawn, 1):
            add(f"{RANDOM}-{number:02d}", "neuron-edit", replace(edit, edit=one))
        add(EDIT, "neuron-edit", edit)
        if edit.hold == "value" and edit.edit.form == "error-preserving" and not any(edit.edit.each_gamma):
            add(HELD, "neuron-edit", replace(edit, hold="probe mean"))
    manner = edit or TokenEdit(tokens=tokens)
    for name in spec.rivals:
        if METHODS.get(name).needs_edit and edit is None:
            absent[name] = "it changes chosen neurons, and none were chosen"
            continue
        add(name, name, manner)
    return arms, absent


def _random(spec: LvlmSpec, sae: SAEFile, probe: Probe | None, edit: TokenEdit) -> list[Edit]:
    if probe is None:
        raise InputError("random neurons of the same firing rate need pictures of the probe half")
    codes = probe.codes(sae.sae, edit.tokens)
    return matched_random_edits(codes, edit.edit, spec.draws, spec.seed)


def _answered(
    asked: Asked,
    ability: AbilitySet,
    arms: Mapping[str, Arm],
    folder: Path | None,
    key: str,
    progress: Progress | None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]:
    """Answers and right answers of every arm, those that are kept taken up again, and arms that could not be asked.

    `key` is the digest of all that answers depend on, so that another spec never takes them up.
    """
    prob: dict[str, np.ndarray] = {}
    right: dict[str, np.ndarray] = {}
    lost: dict[str, str] = {}
    for done, (name, arm) in enumerate(arms.items()):
        kept = folder / f"answers-{key[:16]}-{name}.npz" if folder else None
        found = _kept(kept)
        if found is not None:
            prob[name], right[name] = found
        else:
            try:
                prob[name] = asked.prob(arm.change, arm.asked)
                right[name] = ability.right(arm.change, arm.asked)
            except InputError as error:
                if name == ORIGINAL:
                    raise
                prob.pop(name, None)
                lost[name] = str(error)
                continue
            if kept is not None:
                with atomic_file(kept, sync=False) as partial, open(partial, "wb") as file:
                    write_arrays(file, {"prob": prob[name], "right": right[name]})
        if progress:
            progress(done + 1, len(arms), f"asking: {name}")
    return prob, right, lost


def _kept(path: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The answers that an interrupted run kept; None where there are none, or where they cannot be read."""
    if path is None or not path.is_file():
        return None
    try:
        prob, right = read_arrays(path, ("prob", "right"), "the answers of an interrupted audit")
    except InputError:
        return None
    return prob, right


def _probe(spec: LvlmSpec, model: Lvlm, gallery: Gallery) -> tuple[Gallery | None, Probe | None]:
    """Pictures of the probe half, as many as are needed to find neurons; none where the gallery has no such half."""
    source = probe_of(gallery)
    try:
        rows = chosen_rows(source, spec.attributes[0], PROBE_PICTURES, "probe", spec.where, spec.seed)
    except InputError:
        return None, None
    labels = source.labels(spec.attributes[0])[rows]
    return source, Probe.of(model, pictures_of(source, rows), [str(one) for one in labels])


def _sae(spec: LvlmSpec, model: Lvlm) -> SAEFile | None:
    if spec.sae is None:
        return None
    from core.saes.checkpoint import load_sae

    found = load_sae(spec.sae, str(model.attachment.device))
    require_fits(model, found)
    return found


def require_fits(model: Lvlm, sae: SAEFile) -> None:
    """InputError where an SAE was made for other tokens than this model reads, with both sides."""
    wanted = sae.sae.config.d_in
    if sae.side == "text":
        raise InputError(
            f"the SAE {sae.name!r} is of the text side; a picture is read by the image side: choose such an SAE"
        )
    if sae.attach == "pooled":
        raise InputError(
            f"the SAE {sae.name!r} was made for pooled embeddings, which no language model reads; choose one of the "
            "residual attach point or of read tokens"
        )
    width = read_width(model)
    if sae.fingerprint is not None and sae.attach == READ:
        sae.require(read_fingerprint(model, width), model.name)
        return
    if wanted != width:
        raise InputError(
            f"the SAE {sae.name!r} reads {wanted} columns, but {model.name} reads tokens of {width}; choose another"
        )
    weights = sae.fingerprint.weights if sae.fingerprint else UNKNOWN
    if UNKNOWN not in (weights, model.tower) and weights != model.tower:
        raise InputError(
            f"the SAE {sae.name!r} was made for weights {weights[:8]}, but {model.name} has the tower {model.tower[:8]}"
        )


def fit_notes(model: Lvlm, sae: SAEFile | None) -> list[str]:
    """What could not be compared between SAE and model."""
    if sae is None or sae.attach == READ or (sae.fingerprint and UNKNOWN not in (sae.fingerprint.weights, model.tower)):
        return []
    return [f"whether the SAE {sae.name!r} belongs to {model.name} could not be compared: weights are not known"]


def read_width(model: Lvlm) -> int:
    """Channels of the tokens that are read."""
    from PIL import Image

    one = prepare(model, [Image.new("RGB", (64, 64), "gray")])[0]
    return next(iter(one.tokens.values())).shape[-1]


def own_tokens(model: Lvlm, sae: SAEFile | None) -> tuple[int, ...] | None:
    """The tokens that an SAE was trained on: of the residual attach point the CLS token, where it is read; else all."""
    keeps = model.attachment.family.keeps_cls(model.model) if model.attachment.family else None
    return (0,) if sae is not None and sae.attach == "residual" and keeps else None


def _labelled(spec: LvlmSpec, sae: SAEFile | None) -> Sequence[int] | None:
    if sae is None or spec.edit is None or spec.edit.choice.select != "label_set":
        return None
    from core.labelling import label_set

    return label_set(str(spec.edit.choice.label_set), sae.digest).neurons


def _words_asked(protocol: Any, words: Sequence[str], model: Lvlm, book: Book) -> list[Question]:
    """One question a word, for choosing neurons."""
    closed = model.known_words is not None
    return [protocol.questions(word, 0, 0, book, closed)[0] for word in protocol.words(words)]
