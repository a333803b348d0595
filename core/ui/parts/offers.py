"""Fields that take files and buttons that give them: shown to those alone who may do either."""

from typing import Any

from core import access


def upload(place: Any, *given: Any, **more: Any) -> Any:
    """`place.file_uploader(...)`; without the field, and as if nothing had been sent, for whoever may not upload."""
    if access.may("upload"):
        return place.file_uploader(*given, **more)
    return [] if more.get("accept_multiple_files") else None


def download(place: Any, *given: Any, **more: Any) -> bool:
    """`place.download_button(...)`; no button, and False, for whoever may not download."""
    return access.may("download") and bool(place.download_button(*given, **more))
