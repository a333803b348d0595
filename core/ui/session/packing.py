"""What is taken along as one file: the files of a report; edits, each a folder that runs without the app."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import InputError

if TYPE_CHECKING:
    from core.portable import PortableEdit


def zipped(name: str, files: Mapping[str, bytes]) -> bytes:
    """Files in a folder `name` of a zip archive."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(f"{name}/{file}", content)
    return written.getvalue()


def packed(edits: Mapping[str, "Callable[[], PortableEdit]"]) -> bytes:
    """The folders of edits in a zip archive, each made when its turn comes; a refusal is a text in its place."""
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
