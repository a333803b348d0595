"""Fields that take files and buttons that give them: shown to those alone who may do either."""

from typing import Any

from core import access
from core.ui.session import keeping
from core.ui.session.escaping import escape


def upload(place: Any, *given: Any, refusals: list[str] | None = None, **more: Any) -> Any:
    """`place.file_uploader(...)`; without the field, and as if nothing had been sent, for whoever may not upload.

    A file that was above a limit, of which nothing was kept, is left out and said.

    Parameters
    ----------
    refusals : takes the lines about such files, for a form that is emptied once it was sent; None: they are shown here.
    """
    many = bool(more.get("accept_multiple_files"))
    sent = place.file_uploader(*given, **more) if access.may("upload") else None
    files = [] if not sent else sent if many else [sent]
    lost = [f"{file.name} was not kept: {keeping.TOO_MUCH}" for file in files if keeping.refused(file)]
    if refusals is not None:
        refusals += lost
    for line in lost if refusals is None else []:
        place.warning(escape(line), icon=":material/info:")
    kept = [file for file in files if not keeping.refused(file)]
    return kept if many else next(iter(kept), None)


def download(place: Any, *given: Any, **more: Any) -> bool:
    """`place.download_button(...)`; no button, and False, for whoever may not download."""
    return access.may("download") and bool(place.download_button(*given, **more))
