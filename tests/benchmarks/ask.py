"""`ask`: 500 questions on 50 pictures, the tower once a picture and its keys once an edit, beside the plain model."""

import statistics
import time
from typing import Any

import numpy as np

PICTURES, QUESTIONS, PLAIN_BATCH = 50, 10, 32


def run(runs: int = 3) -> dict[str, Any]:
    """Median milliseconds of processor time of both, alternating, with an edit on; logits are compared in every run.

    Processor time, one thread: on a quiet machine that is the time that passes, and other work does not count.
    """
    import torch

    torch.set_num_threads(1)
    from core.config import Edit
    from core.gallery import open_gallery
    from core.lvlm.answering import logits, plain_logits, prepare
    from core.lvlm.audit import own_tokens
    from core.lvlm.book import read_book
    from core.lvlm.methods.neuron_edit import switch
    from core.lvlm.models import load_lvlm
    from core.lvlm.pictures import pictures_of
    from core.lvlm.protocol import PROTOCOLS
    from core.saes.checkpoint import load_sae

    model, sae = load_lvlm(device="cpu"), load_sae("default-image-residual")
    images = pictures_of(open_gallery("default"), np.arange(PICTURES))
    edit = switch(sae.sae, Edit((1,)), own_tokens(model, sae))
    kind, book = PROTOCOLS.get("direct")(), read_book()
    texts = [
        [kind.questions(word, i, 0, book, True)[0].text for word in model.planted[:QUESTIONS]] for i in range(PICTURES)
    ]
    flat = [(image, text) for image, row in zip(images, texts, strict=True) for text in row]

    def fast() -> np.ndarray:
        found, at = [], 0
        for one in prepare(model, images):
            found.append(logits(one, texts[at : at + len(one)], edit))
            at += len(one)
        return np.concatenate(found).reshape(len(flat), -1)

    def plain() -> np.ndarray:
        parts = [flat[i : i + PLAIN_BATCH] for i in range(0, len(flat), PLAIN_BATCH)]
        return np.concatenate([plain_logits(model, [i for i, _ in p], [t for _, t in p], edit) for p in parts])

    ours, other, difference = [], [], 0.0
    for at in range(runs + 1):
        quick, a = _timed(fast)
        slow, b = _timed(plain)
        difference = max(difference, float(np.abs(a - b).max()))
        if at:
            ours.append(quick)
            other.append(slow)
    prepared = prepare(model, images[:1])[0]
    single = [_timed(lambda: logits(prepared, [[flat[0][1]]], edit))[0] for _ in range(20)]
    medians = {"ours": statistics.median(ours), "other": statistics.median(other)}
    return {
        "ratio": round(medians["other"] / medians["ours"], 1),
        "ours": {
            "median_ms": round(medians["ours"], 1),
            "questions_per_second": round(1e3 * len(flat) / medians["ours"]),
        },
        "other": {
            "name": f"the whole model on batches of {PLAIN_BATCH} questions",
            "median_ms": round(medians["other"], 1),
            "questions_per_second": round(1e3 * len(flat) / medians["other"]),
        },
        "runs": runs,
        "largest_difference": difference,
        "one_question_ms": round(statistics.median(single), 1),
        "questions": len(flat),
        "pictures": PICTURES,
        "what": "next-token logits behind every question with one neuron off, processor and tower included in both",
    }


def _timed(work: Any) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return 1e3 * (time.process_time() - start), found
