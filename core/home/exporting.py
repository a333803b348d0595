"""From a scene and what was decided in it to an edit that travels, with what it did there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import access
from core.config import UNKNOWN, Edit, Fingerprint, Half, InputError, Progress, Side
from core.edits.choosing import EditChoice, choose_edits
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, Intervention
from core.metrics.targets import Target
from core.portable import PortableEdit, SideEdit, SideName
from core.ranking.cost import utility_cost
from core.ranking.fitting import Fitter
from core.ranking.items import editable_at
from core.ranking.request import RankRequest
from core.ranking.results import RankResult
from core.ranking.steps import rank
from core.scene import Scene, text_model
from core.store import file_digest, plain, read_json
from core.verdicts import effect_line

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile
    from core.saes.frozen import FrozenFile

MOVES: Mapping[str, tuple[SideName, ...]] = {"items": ("items",), "query": ("queries",), "both": ("items", "queries")}
SAME_MODEL = "It is for embeddings of this one model and attach point: others have the same shape and other meanings."
MEASURED_THERE = (
    "What is said above was measured on these rows and searches alone. Audit your own search after applying it."
)
PER_QUERY = (
    "It was found for the searches that are named: let them alone ask the edited rows, others the rows as they were."
)
NOT_NEUTRAL = "An edit that evens a list is no proof that the model is fair: the group can still be read from the rows."


@dataclass(frozen=True)
class ExportRequest:
    """What is taken along, and the searches on which it is measured."""

    method: str = "neuron-edit"
    edits: Mapping[Side, Edit] = field(default_factory=dict)
    """Of methods that switch neurons, by side."""
    smallest: bool = False
    """Whether the edit is searched on the probe half, for `queries` together."""
    attribute: str | None = None
    queries: tuple[str, ...] = ()
    k: int = 100
    target: Target = "gallery"
    target_skew: float = 0.15
    size: int = 16
    half: Half = "evaluation"
    """On which it is measured."""
    where: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    name: str = "edit"
    audit: Path | None = None
    """Folder of the report that it comes from."""

    def __post_init__(self) -> None:
        if self.smallest and not (self.queries and self.attribute):
            raise InputError("the smallest edit is found for searches and an attribute: give --query and --attribute")
        if self.queries and not self.attribute:
            raise InputError("--query was given without --attribute, so that nothing can be measured; give both")
        if not INTERVENTIONS.get(self.method).needs.edit and not self.attribute and _is_fitted(self.method):
            raise InputError(f"{self.method} is fitted on the groups of an attribute; give --attribute")

    def asked(self, query: str | None) -> RankRequest:
        """A search as rankings take it."""
        return RankRequest(
            attribute=self.attribute or "",
            query=query or "queries",
            k=self.k,
            target=self.target,
            half=self.half,
            where=self.where,
            edits=self.edits,
            method=self.method,
            seed=self.seed,
        )


def _is_fitted(method: str) -> bool:
    needs = INTERVENTIONS.get(method).needs
    return bool(needs.prompts or needs.wanted or needs.references)


def encoder_for(
    gallery: Gallery, request: ExportRequest, model: str | None = None, pretrained: str | None = None
) -> "Backbone | None":
    """The encoder of texts; None where items alone are edited and nothing is searched or fitted in words."""
    method = INTERVENTIONS.get(request.method)
    own = method.changes == "items" or (method.changes == "edit" and set(request.edits) <= {gallery.side})
    if own and not (request.queries or method.needs.prompts or method.needs.wanted or model):
        return None
    return text_model(gallery, request.queries or ("a photo",), model, pretrained)


def export_edit(scene: Scene, request: ExportRequest, progress: Progress | None = None) -> PortableEdit:
    """The edit with all that it needs, measured where searches were given.

    Raises
    ------
    InputError : the method is no fixed map, or what was asked for does not fit together.
    """
    access.require("export-edit")
    notes: tuple[str, ...] = ()
    if request.smallest:
        choice = EditChoice(select="smallest", target_skew=request.target_skew, size=request.size, per_query=False)
        found = choose_edits(scene, choice, request.asked(None), list(request.queries), progress)
        if not found[0].neurons:
            raise InputError("the search found nothing to switch: these searches do not lean on the probe half")
        request, notes = replace(request, edits={scene.gallery.side: found[0]}), found.notes
    sides = sides_of(scene, request)
    method = INTERVENTIONS.get(request.method)
    measured = [measure(scene, request, query, progress) for query in request.queries]
    used = {side: scene.saes[side] for side in Fitter(scene, request.asked(None)).sides if side in scene.saes}
    about: dict[str, Any] = {
        "name": request.name,
        "method": {"name": request.method, "title": method.title, "formula": method.formula, "paper": method.paper},
        "attribute": request.attribute,
        "query": list(request.queries) if request.smallest else [],
        "edits": {side: edit.to_json() for side, edit in request.edits.items()},
        "saes": {side: {"name": one.name, "digest": one.digest} for side, one in used.items()},
        "gallery": {"name": scene.gallery.name, "digest": scene.gallery.digest},
        "audit": None if request.audit is None else audit_of(request.audit),
        "measured": measured,
        "limits": [*limits(sides, request, method), *notes],
    }
    return PortableEdit(sides, plain(about))


def sides_of(scene: Scene, request: ExportRequest) -> dict[SideName, SideEdit]:
    """The pieces of every side that the request changes."""
    gallery, method = scene.gallery, INTERVENTIONS.get(request.method)()
    if method.changes == "edit":
        edits = request.edits or ({} if method.needs.edit else {gallery.side: Edit()})
        if gallery.side == "text" and "image" in edits:
            raise InputError(f"gallery {gallery.name} holds captions, which an image SAE cannot edit; use a text SAE")
        return {
            "items" if side == gallery.side else "queries": _of_neurons(scene, method, side, edit)
            for side, edit in edits.items()
        }
    fitter = Fitter(scene, request.asked(None))
    if method.stays:
        method.pieces(None, gallery.side)  # which says why
    fitted = fitter(request.method)
    found: dict[SideName, SideEdit] = {}
    for name in MOVES[method.changes]:
        side: Side = gallery.side if name == "items" else "text"
        file = scene.sae(side) if method.needs.sae else None
        pieces = method.pieces(fitted, side, request.edits.get(side, Edit()), file.sae if file else None)
        found[name] = _side(scene, side, pieces, file)
    return found


def _of_neurons(scene: Scene, method: Intervention, side: Side, edit: Edit) -> SideEdit:
    file = scene.sae(side)
    return _side(scene, side, method.pieces(None, side, edit, file.sae), file)


def _side(scene: Scene, side: Side, pieces: tuple, file: "SAEFile | FrozenFile | None") -> SideEdit:
    """A side's pieces with the fingerprint of the rows that they change; refuses an SAE of other embeddings."""
    gallery, model = scene.gallery, scene.model
    attach = (file.attach or "pooled") if file else "pooled"
    if side == gallery.side:
        if file is not None:
            editable_at(gallery, file)
        readout = gallery.readout() if attach == "residual" else None
        return SideEdit(pieces, gallery.fingerprint(attach), readout)
    if model is not None:
        fingerprint = model.fingerprint(side, attach)
    elif attach == "pooled":
        fingerprint = _text_side(gallery.fingerprint("pooled"))
    else:
        raise InputError(f"the {side} SAE edits the residual attach point; load the gallery's model with --model")
    if file is not None:
        file.require(fingerprint, "the query")
    return SideEdit(pieces, fingerprint, model.readout(side) if model is not None and attach == "residual" else None)


def _text_side(items: Fingerprint) -> Fingerprint:
    """Fingerprint of queries in the space of a gallery's items, where their model is not here."""
    return replace(items, side="text", preprocess=UNKNOWN, normalised=None)


def measure(scene: Scene, request: ExportRequest, query: str, progress: Progress | None = None) -> dict[str, Any]:
    """What the edit does to one search: the lean of every group before and after, the effect in words, its cost."""
    asked = request.asked(query)
    asked = replace(asked, half=scene.half(asked.half))
    found = rank(scene, asked, progress)
    result: dict[str, Any] = {
        "query": query,
        "attribute": asked.attribute,
        "k": asked.k,
        "half": request.half,
        "where": dict(asked.where),
        "target": asked.target if isinstance(asked.target, str) else dict(asked.target),
        "n": found.part.n,
        "groups": _groups(found),
    }
    if found.after is None or found.difference is None:
        return result | {"effect": found.reason, "cosine": 1.0, "rows_changed": 0}
    effect = found.difference.to_json()["effect"]
    shares = [
        arm.shares[effect["group"]].estimate if effect.get("group") else None for arm in (found.before, found.after)
    ]
    changed = found.difference
    cost = utility_cost(scene, asked, scene.class_prompts, edited=scene.gallery.components(asked.attribute))
    return result | {
        "effect": effect_line(effect, shares[0], shares[1], asked.target != "gallery"),
        "cosine": changed.cosine.estimate,
        "query_cosine": changed.query_cosine,
        "rows_changed": changed.rows_changed,
        "cost": {f"zero-shot accuracy of {name}": _accuracy(one.to_json()) for name, one in cost.zeroshot.items()},
    }


def _groups(found: RankResult) -> dict[str, Any]:
    arms = {"before": found.before} | ({"after": found.after} if found.after is not None else {})
    leans = {arm: one.numbers.to_json()["lean"] for arm, one in arms.items()}
    return {
        group: {
            "searched": count,
            "points": {arm: lean[group]["points"] for arm, lean in leans.items()},
            "retrieved": {arm: lean[group]["retrieved"] for arm, lean in leans.items()},
        }
        for group, count in zip(found.part.groups, found.part.counts, strict=True)
    }


def _accuracy(cost: Mapping[str, Any]) -> str:
    """ "0.950 before, 0.940 after (change -0.020 to 0.000)"."""
    if "reason" in cost:
        return f"not computed: {cost['reason']}"
    before, after, change = (cost[arm]["accuracy"] for arm in ("before", "after", "difference"))
    if None in (before["estimate"], after["estimate"]):
        return f"not computed: {before.get('reason') or after.get('reason')}"
    return (
        f"{before['estimate']:.3f} before, {after['estimate']:.3f} after "
        f"(change {change['lo']:+.3f} to {change['hi']:+.3f})"
    )


def audit_of(folder: Path) -> dict[str, Any]:
    """Name and digest of the report that an edit comes from: that of its manifest, which names all other files'."""
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        raise InputError(f"{folder} is no report: it has no manifest.json; give the folder that audit wrote")
    report = read_json(Path(folder) / "report.json")
    return {"name": str(report.get("title") or Path(folder).name), "digest": file_digest(path)}


def limits(sides: Mapping[SideName, SideEdit], request: ExportRequest, method: type[Intervention]) -> list[str]:
    """What must be known before it is used elsewhere, one sentence each."""
    said = [SAME_MODEL, MEASURED_THERE, NOT_NEUTRAL]
    if request.smallest:
        said.append(PER_QUERY)
    for name, side in sides.items():
        unsure = [key for key, value in side.fingerprint.to_json().items() if value in (UNKNOWN, None)]
        if unsure:
            said.append(
                f"Of the {name}' embeddings nobody could tell {', '.join(unsure)}: check that yours are the same."
            )
        if side.attach != "pooled":
            said.append(f"The {name} are edited inside the model: stored embeddings cannot be edited with it.")
    if "items" in sides and "queries" in sides:
        said.append("Both sides are edited: apply it to the stored rows and to every query, or to neither.")
    if "queries" in sides and "items" not in sides:
        said.append("Queries alone are edited: stored rows stay as they are.")
    return said
