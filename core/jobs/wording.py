"""What is said about a job, for people who read no path of the server's disk."""

import re

PATH = re.compile(r"(?<![\w.:/])(?:~|[A-Za-z]:)?(?:/[^\s/:;,'\"()<>]+)+/([^\s/:;,'\"()<>]+)/?")
"""An absolute path of two parts or more; addresses (https://...) are none."""


def without_paths(text: str) -> str:
    """The text with every absolute path by its last part alone."""
    return PATH.sub(r"\1", text)
