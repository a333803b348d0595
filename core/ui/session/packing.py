"""Edits to take along, as one file: each a folder that runs without the app, a refusal as a text in its place."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import InputError

if TYPE_CHECKING:
    from core.portable import PortableEdit


def packed(edits: Mapping[str, "Callable[[], PortableEdit]"]) -> bytes:
    """The folders of edits in a zip archive, each made when its turn comes."""
    from core.portable import write_edit

    file = io.BytesIO()
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for title, make in edits.items():
            try:
                folder = Path(name) / title
                write_edit(make(), folder)
                for path in sorted(folder.iterdir()):
                    archive.write(path, f"{title}/{path.name}")
            except InputError as error:
                archive.writestr(f"{title}/refused.txt", f"{error}\n")
    return file.getvalue()
