"""The one escape of texts that other people wrote, for every place that reads Markdown."""

SIGNS = "\\`*_{}[]<>#+-!|$~:"


def escape(text: str) -> str:
    """A text as Markdown that shows it literally."""
    for sign in SIGNS:
        text = text.replace(sign, f"\\{sign}")
    return text
