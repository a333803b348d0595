"""Names of models as people write them, turned into names that load them."""

import re

OPENAI = {
    "base-patch32": "ViT-B-32",
    "base-patch16": "ViT-B-16",
    "large-patch14": "ViT-L-14",
    "large-patch14-336": "ViT-L-14-336",
}
"""What OpenAI's repositories on the Hugging Face hub are called behind `openai/clip-vit-`, and open_clip's names."""
MODEL = re.compile(r"(ViT)[-_ ]?([BLHgG])[-_/ ]?(\d+)(?:@(\d+)(?:px)?)?|(RN\d+(?:x\d+)?)", re.IGNORECASE)


def understood(name: str) -> str:
    """A name that loads the model that a person means; the name itself where it is one already, or nothing is known.

    "CLIP ViT-B/32 (OpenAI)" and "openai/clip-vit-base-patch32" are "ViT-B-32:openai"; "ViT-B/32" alone is "ViT-B-32",
    of which nobody knows the weights.
    """
    plain = " ".join(name.split())
    if ":" in plain or not plain:
        return name
    repository = re.fullmatch(r"openai/clip-vit-(\S+)", plain, re.IGNORECASE)
    if repository and repository[1].lower() in OPENAI:
        return f"{OPENAI[repository[1].lower()]}:openai"
    weights = ":openai" if re.search(r"open[- ]?ai", plain, re.IGNORECASE) else ""
    rest = re.sub(r"\(.*?\)|\b(?:open[- ]?ai(?:'s)?|open[-_ ]?clip|clip|model)\b", " ", plain, flags=re.IGNORECASE)
    found = MODEL.fullmatch(" ".join(rest.split()).strip("-_/ "))
    if found is None:
        return name
    if found[5]:
        return f"RN{found[5][2:].lower()}{weights}"
    letter = found[2] if found[2] in "gG" else found[2].upper()
    return f"ViT-{letter}-{found[3]}" + (f"-{found[4]}" if found[4] else "") + weights
