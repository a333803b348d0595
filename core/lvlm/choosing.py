"""Which neurons of the read tokens are switched: by rule, by attribution, the smallest set, or by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse
import torch

from core.config import InputError
from core.lvlm.answering import Pictures, answers, prepare, tokens_of
from core.lvlm.model import Lvlm
from core.lvlm.questions import Question
from core.lvlm.spec import TokenEditChoice
from core.lvlm.token_method import METHODS, Evidence, ProbeTokens, TokenEdit, picked
from core.neurons import social_neurons

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[int, int, str], None]
CANDIDATES = 12
"""Neurons with the largest attribution that the search for the smallest set looks at."""
LEFT = 0.1
"""Share of the gap under which the smallest set brings it, where nothing else is asked for."""


@dataclass(eq=False)
class Probe:
    """Pictures of the probe half with their groups, and what is read of them."""

    model: Lvlm
    chunks: list[Pictures]
    groups: tuple[str, ...]
    labels: np.ndarray
    """Place of each picture's group (n,)."""

    @classmethod
    def of(cls, model: Lvlm, images: Sequence[Image], labels: Sequence[str]) -> Probe:
        groups = tuple(sorted(set(labels)))
        return cls(model, prepare(model, images), groups, np.array([groups.index(one) for one in labels]))

    def evidence(self, sae: Any) -> Evidence:
        """What methods are fitted on."""
        return Evidence(sae, {name: self._tokens(name) for name in self.model.attachment.names})

    def _tokens(self, name: str) -> ProbeTokens:
        parts = [one.tokens[name] for one in self.chunks]
        if any(part.ndim != 3 or part.shape[1:] != parts[0].shape[1:] for part in parts):
            # towers that run all pictures' tokens as one list: the mean token of a chunk cannot be told by picture
            raise InputError(
                f"{self.model.name}: tokens at {name} do not come picture by picture; give neurons by number, which "
                "needs no probe pictures"
            )
        x = torch.cat([part.float() for part in parts])
        rows = len(x) // len(self.labels)  # several tiles a picture
        labels = torch.from_numpy(np.repeat(self.labels, rows)).to(x.device)
        return ProbeTokens(x, self.groups, labels)

    def codes(self, sae: Any, tokens: Sequence[int] | None) -> sparse.csr_matrix:
        """Mean codes (n, F) of each picture over its chosen tokens, over all places."""
        found = []
        for one in self.chunks:
            parts = [sae.encode(picked(x, tokens).float()).mean(dim=1) for x in one.tokens.values()]
            mean = torch.stack(parts).mean(0)
            found.append(mean.view(len(one), -1, mean.shape[-1]).mean(1))
        return sparse.csr_matrix(torch.cat(found).double().cpu().numpy())


def choose(
    choice: TokenEditChoice,
    sae: Any,
    probe: Probe | None,
    questions: Sequence[Question],
    tokens: tuple[int, ...] | None,
    labelled: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> tuple[TokenEdit, list[str]]:
    """The edit that a choice stands for, found on the probe half, and notes for people.

    Parameters
    ----------
    questions : one a word, for attribution and the smallest set.
    tokens : which tokens are edited, where the choice does not say.
    labelled : the neurons of the label set that it names.

    InputError where a choice needs probe pictures and there are none, or nothing is found.

    Many parameters: the choice and all that its ways of choosing may look at.
    """
    own = choice.choice
    notes: list[str] = []
    where = choice.tokens if choice.tokens is not None else tokens
    made = lambda neurons: TokenEdit(own.edit(neurons), where, choice.hold)  # noqa: E731
    if own.select == "neurons":
        return made(own.neurons), notes
    if own.select == "label_set":
        return made(tuple(labelled or ())), notes
    if probe is None:
        raise InputError(f"choosing neurons by {own.select} needs pictures of the probe half; name neurons instead")
    if own.select == "rule":
        found = social_neurons(probe.codes(sae, where), [probe.groups[g] for g in probe.labels], own.tau, own.rule)
        if found.empty_groups:
            notes.append(f"the rule found no neuron for {', '.join(found.empty_groups)} at tau {own.tau:g}")
        neurons = [j for group in found.top(own.top).values() for j in group]
        if not neurons:
            raise InputError(
                f"the rule finds no specific neuron at tau {own.tau:g}; lower tau, or choose by attribution"
            )
        return made(tuple(neurons)), notes
    pulls = attribution(probe, sae, questions, where, progress)
    order = np.argsort(-pulls, kind="stable")
    if own.select == "attribution":
        return made(tuple(int(j) for j in order[: own.size] if pulls[j] > 0)), notes
    return _smallest(probe, sae, questions, made, [int(j) for j in order[:CANDIDATES] if pulls[j] > 0], own.size, notes)


def attribution(
    probe: Probe,
    sae: Any,
    questions: Sequence[Question],
    tokens: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """How much each neuron adds to the gap of the answers between groups, (F,); above 0: it widens the gap.

    With l_yes - l_no the logits of the first two answers behind a question and x the read tokens,

        a_ij = sum over tokens t of z_tj (W_dec_j . d(l_yes - l_no) / dx_t)         first order of switching j off

    averaged over each group's pictures; the difference of the two groups whose measured P(yes) differ most, with the
    sign of that difference, summed over questions.
    """
    per: list[np.ndarray] = []
    for number, question in enumerate(questions):
        rows = [_pulls(one, sae, question, tokens) for one in probe.chunks]
        a, leans = (np.concatenate(part) for part in zip(*rows, strict=True))
        means = np.array([leans[probe.labels == g].mean() for g in range(len(probe.groups))])
        high, low = int(means.argmax()), int(means.argmin())
        per.append(a[probe.labels == high].mean(0) - a[probe.labels == low].mean(0))
        if progress:
            progress(number + 1, len(questions), "which neurons move the answers")
    return np.sum(per, axis=0)


def _pulls(
    pictures: Pictures, sae: Any, question: Question, tokens: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """a (n, F) of one question, and l_yes - l_no (n,)."""
    model, n = pictures.model, len(pictures)
    read: dict[str, torch.Tensor] = {}

    def leaf(x: torch.Tensor, name: str) -> torch.Tensor:
        read[name] = x.detach().clone().requires_grad_()
        return read[name]

    tail = model.tokenizer.encode(question.text + pictures.tail, add_special_tokens=False)
    ids = torch.cat([pictures.head, torch.tensor([tail] * n, device=pictures.head.device)], 1)
    yes, no = tokens_of(pictures, [question])[0, :2]
    with torch.inference_mode(False), torch.enable_grad():
        inputs = {k: v.clone() for k, v in {**pictures.inputs, **_grown(pictures, ids)}.items()}
        door = model.attachment.view(leaf)
        out = door(input_ids=ids.clone(), attention_mask=torch.ones_like(ids), logits_to_keep=1, **inputs).logits[:, -1]
        lean = out[:, yes] - out[:, no]
        grads = torch.autograd.grad(lean.sum(), list(read.values()))
        found = torch.zeros((), device=ids.device)
        with torch.no_grad():
            for x, gradient in zip(read.values(), grads, strict=True):
                z, g = sae.encode(picked(x, tokens).float()), picked(gradient, tokens).float()
                found = found + (z * (g @ sae.W_dec.T)).view(n, -1, z.shape[-1]).sum(1)
    return found.double().cpu().numpy(), lean.detach().double().cpu().numpy()


def _grown(pictures: Pictures, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Inputs beside the tokens for prompts of this length."""
    grown = {}
    for name, value in pictures.text.items():
        if name in pictures.inputs:
            continue
        if name.endswith("token_type_ids"):
            value = value[:, : pictures.head.shape[1]]
            value = torch.nn.functional.pad(value, (0, ids.shape[1] - value.shape[1]))
        grown[name] = value
    return grown


def _smallest(
    probe: Probe,
    sae: Any,
    questions: Sequence[Question],
    made: Callable[[tuple[int, ...]], TokenEdit],
    candidates: Sequence[int],
    most: int,
    notes: list[str],
) -> tuple[TokenEdit, list[str]]:
    """Neurons added one by one, each the one that leaves the least gap on the probe half, until a tenth is left.

    Many parameters: the search's state.
    """
    evidence, method = probe.evidence(sae), METHODS.get("neuron-edit")()

    def gap(neurons: tuple[int, ...]) -> float:
        edit = method.fit(evidence, made(neurons))
        yes = np.concatenate(
            [
                answers(one, [questions] * len(one), edit).renormalised[:, 0].reshape(len(one), -1)
                for one in probe.chunks
            ]
        )
        means = np.stack([yes[probe.labels == g].mean(0) for g in range(len(probe.groups))])
        return float((means.max(0) - means.min(0)).mean())

    chosen: tuple[int, ...] = ()
    before = left = gap(())
    while left > LEFT * before and len(chosen) < most:
        trials = {j: gap((*chosen, j)) for j in candidates if j not in chosen}
        if not trials or min(trials.values()) >= left:
            notes.append(
                f"no further neuron makes the gap smaller; {left / before:.0%} of it is left on the probe half"
            )
            break
        best = min(trials, key=lambda j: (trials[j], j))
        chosen, left = (*chosen, best), trials[best]
    if not chosen:
        raise InputError("no neuron was found that makes the gap smaller on the probe half; choose others by number")
    return made(chosen), notes
