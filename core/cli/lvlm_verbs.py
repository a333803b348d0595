"""`lvlm`: what a large vision-language model says about people, before and after an edit of what it reads."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from core.cli.app import app
from core.config import InputError
from core.store import atomic_file, read_named_arrays

verbs = typer.Typer(no_args_is_help=True, help="Large vision-language models: ask, audit, score.")
app.add_typer(verbs, name="lvlm")


@verbs.command("score")
def score(
    source: Annotated[Path, typer.Option("--in", help="logits, prompt_options, token_id_marked or _plain; .npz.")],
    out: Annotated[Path, typer.Option("--out", help="Where prob, prob_renormalised and letter_mass go; .npz.")],
) -> None:
    """Probabilities of yes, no and unsure behind option letters, from next-token logits."""
    from core.interventions.arrays import Reader
    from core.lvlm.scoring import MASS_FLOOR, score_options

    arrays = read_named_arrays(source)
    read = Reader(arrays, "lvlm score")
    try:
        logits = read.matrix("logits")
        options = read.array("prompt_options", 2)
        read.fits("prompt_options", len(options) == len(logits) and options.shape[1] >= 3, "a row a prompt, 3 columns")
        name = next((one for one in ("token_id_marked", "token_id_plain") if one in arrays), "token_id_marked")
        found = score_options(logits, options, read.whole(name))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    made = {
        "prob": found.prob,
        "prob_renormalised": found.renormalised,
        "letter_mass": found.mass,
        "no_answer": ~found.answered(MASS_FLOOR),
    }
    try:
        with atomic_file(out) as partial, open(partial, "wb") as file:
            np.savez(file, **made)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror}); choose another path") from None
