"""What a verdict is about: gallery, SAE, model, spec and date by name and digest, and what is only stated."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.verify.asked_again import Asked
from core.verify.signature import Signed
from core.verify.texts import AGAIN, OF_GALLERY, Prompts

DIGITS = 16
"""Hex digits of a digest in a sentence; documents hold them all."""


@dataclass(frozen=True)
class About:
    """Everything by its digest, and the words of the report that nothing vouches for."""

    named: tuple[tuple[str, str, str], ...]
    """(what it is, its name, its digest), best known first."""
    dated: str
    auditor: str
    removed: Mapping[str, str] = field(default_factory=dict)
    """Findings that the auditor left out, each with the stated reason."""
    rests: Mapping[str, Any] = field(default_factory=dict)
    """Where the embeddings or answers stand that the numbers rest on."""
    unchecked: tuple[str, ...] = ()
    """What was not checked, one sentence each."""
    signed: Signed = field(default_factory=Signed)

    @classmethod
    def of(cls, document: Mapping[str, Any], prompts: Prompts) -> "About":
        """Of an audit of rankings."""
        named = [("gallery", document["gallery"]["name"], document["gallery"]["digest"])]
        probe = document["probe"]
        if probe and probe["digest"] != document["gallery"]["digest"]:
            named.append(("probe set", probe["name"], probe["digest"]))
        named += [("SAE", one["name"], one["digest"]) for one in document["saes"].values()]
        if prompts.model is not None:
            named.append(("model", prompts.model, str(prompts.weights)))
        named.append(("spec", document["spec"]["title"], document["spec_digest"]))
        unchecked = []
        if prompts.rest not in (AGAIN, OF_GALLERY):
            unchecked.append(
                f"prompt embeddings: every number of a prompt was computed with those of the report, as {prompts.why}"
            )
        rests = prompts.to_json()
        if (engine := document.get("engine")) is not None:
            name = engine["engine"]["name"]
            named.append(("lists of the engine", name, engine["digest"]))
            unchecked.append(f"what {name} answered, and its recall: every number was computed with the report's lists")
            rests = {"lists": "of the report", "engine": name}
        return cls(tuple(named), rests=rests, **_stated(document, unchecked))

    @classmethod
    def of_answers(cls, document: Mapping[str, Any], asked: Asked) -> "About":
        """Of an audit of answers."""
        named = [("gallery", document["gallery"]["name"], document["gallery"]["digest"])]
        named += [("SAE", document["sae"]["name"], document["sae"]["digest"])] if document["sae"] else []
        named.append(("model", document["model"]["name"], document["model"]["weights"]))
        named.append(("spec", document["spec"].get("title", "answers"), document["spec_digest"]))
        unchecked = []
        if asked.rest != AGAIN:
            unchecked.append(
                f"the model's answers: every number was computed with the probabilities of the report, as {asked.why}"
            )
        rests = {"model": document["model"]["name"], "weights": document["model"]["weights"]}
        rests |= {"answers": "asked again" if asked.rest == AGAIN else asked.rest}
        return cls(tuple(named), rests=rests, **_stated(document, unchecked))

    def to_json(self) -> dict[str, Any]:
        found = [{"kind": kind, "name": name, "digest": digest} for kind, name, digest in self.named]
        stated = {"auditor": self.auditor, "created_at": self.dated, "removed": dict(self.removed)}
        return {"verified": found, "rests_on": dict(self.rests), "stated": stated} | {
            "not_checked": list(self.unchecked),
            "signature": self.signed.to_json(),
        }

    def with_signature(self, signed: Signed) -> "About":
        """The same with what is known of the signature: a key vouches for who and when, as far as it is trusted."""
        unchecked = (*self.unchecked, *signed.unchecked)
        if signed.checked:
            unchecked = (*unchecked, f"whose the key {str(signed.key)[:DIGITS]} is, which signed all of this")
        return replace(self, unchecked=unchecked, signed=signed)

    def sentence(self) -> str:
        """What was verified, by name and digest."""
        named = ", ".join(f"{kind} {name} ({digest[:DIGITS]})" for kind, name, digest in self.named)
        signed = f", signed by the key {str(self.signed.key)[:DIGITS]}" if self.signed.checked else ""
        return f"{named}, dated {self.dated}{signed}"


def _stated(document: Mapping[str, Any], unchecked: list[str]) -> dict[str, Any]:
    """Fields of `About` that the report only states."""
    options, spec = document["options"], document["spec_digest"][:DIGITS]
    frozen = f" (stated: frozen at {options['frozen']['at']})" if options.get("frozen") else ""
    unchecked = [
        *unchecked,
        f"who the auditor is (stated: {' '.join(options['auditor'].split())})",
        f"the date (stated: {document['created_at']})",
        f"the software that computed it (stated: version {document['software'].get('unskew')})",
        f"whether the spec with digest {spec} was written before anything was measured{frozen}",
    ]
    if options["removed"]:
        left = "; ".join(f"{name} ({' '.join(why.split())})" for name, why in options["removed"].items())
        unchecked.append(f"why and when findings were left out of the page (stated: {left})")
    return {
        "dated": document["created_at"],
        "auditor": options["auditor"],
        "removed": options["removed"],
        "unchecked": tuple(unchecked),
    }
