"""Files that browsers send: in memory alone, no more of them than this machine bears, overwritten when they go.

The web server would write what is larger than a megabyte to a temporary file, and keep a closed tab's files until
another visitor comes. Here nothing is spooled, a clock of its own looks for sessions that are gone, and the bytes
are overwritten before they are given back. What the allocator or the browser keeps beside is said by CONSENT.
"""

import ctypes
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.access import Person
from core.team.configuration import current
from core.team.quotas import limits_of
from core.ui.session import entering

if TYPE_CHECKING:
    from core.ui.session.uploads import Uploads

SESSION_BYTES, ALL_BYTES = 200 << 20, 1 << 30
"""Most that the files of one session, and those of all, hold together before they are read."""
FILE_BYTES = 32 << 20
"""Above the largest file that is taken (server.maxUploadSize): what is below it is never spooled to the disk."""
GONE_SECONDS, LOOK_SECONDS = 60.0, 10.0
"""How long a tab may be away (a reload, a bad line) before its uploads are forgotten, and how often one looks."""
LEAST = 64
"""Bytes below which Python may share a value with others, so that it is not overwritten."""
TOO_MUCH = (
    f"more than {SESSION_BYTES >> 20} MB of files, or what your roles allow, wait in this session, or "
    f"{ALL_BYTES >> 20} MB in all sessions of this server: send fewer at once, or forget some first"
)

_lock = threading.Lock()
_kept: dict[str, "Uploads"] = {}
"""Session -> what was made of its files."""
_away: dict[str, float] = {}
"""Session that is not connected -> since when."""
_refused: set[str] = set()
"""Ids of files that were above a limit."""


def keep(session: str, uploads: "Uploads") -> None:
    """Have the uploads of a session forgotten once the session is gone."""
    with _lock:
        _kept[session] = uploads


def session_bytes(person: Person) -> int:
    """Most that the files of one session hold together: by the person's roles, none for whoever may not upload."""
    if not person.may("upload"):
        return -1
    limit = limits_of(person, current()).upload_mb
    return SESSION_BYTES if limit is None else min(int(limit * (1 << 20)), SESSION_BYTES)


def refused(file: Any) -> bool:
    """Whether a file of a page's field was above a limit, so that nothing of it was kept."""
    return getattr(file, "file_id", "") in _refused


def overwrite(data: bytes) -> None:
    """Fill bytes that nobody reads any more with zeros, where they lie."""
    if len(data) >= LEAST:
        ctypes.memset(id(data) + bytes.__basicsize__ - 1, 0, len(data))


def wipe(uploads: "Uploads") -> None:
    """Overwrite and drop everything that was made of a session's files."""
    for item in uploads.items:
        overwrite(item.picture)
        for array in item.embeddings.values():
            if array.flags.writeable:
                array.fill(0)
    uploads.items.clear()
    uploads.problems.clear()


def give_back() -> None:
    """Return free memory to the system, which hands it to nobody unread; what is frozen is looked through as well."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def guard_uploads() -> None:
    """Make all of this hold in this process, once; the frame calls it."""
    if getattr(MemoryUploadedFileManager.add_file, "guarded", False):
        return
    _never_spool()
    plain_add, plain_remove = MemoryUploadedFileManager.add_file, MemoryUploadedFileManager.remove_session_files
    plain_remove_one = MemoryUploadedFileManager.remove_file

    def add_file(self: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
        held = {session: sum(len(one.data) for one in files.values()) for session, files in list(_files(self))}
        own = held.get(session_id, 0) + len(file.data)
        if own > session_bytes(entering.person_of(session_id)) or sum(held.values()) + len(file.data) > ALL_BYTES:
            _refused.add(file.file_id)
            file = UploadedFileRec(file.file_id, file.name, file.type, b"")
        plain_add(self, session_id, file)

    def remove_session_files(self: MemoryUploadedFileManager, session_id: str) -> None:
        going = list(self.file_storage.get(session_id, {}).values())
        plain_remove(self, session_id)
        for file in going:
            _refused.discard(file.file_id)
            overwrite(file.data)

    def remove_file(self: MemoryUploadedFileManager, session_id: str, file_id: str) -> None:
        going = self.file_storage.get(session_id, {}).get(file_id)
        plain_remove_one(self, session_id, file_id)
        if going is not None:
            overwrite(going.data)

    add_file.guarded = True  # type: ignore[attr-defined]
    MemoryUploadedFileManager.add_file = add_file  # type: ignore[method-assign]
    MemoryUploadedFileManager.remove_session_files = remove_session_files  # type: ignore[method-assign]
    MemoryUploadedFileManager.remove_file = remove_file  # type: ignore[method-assign]
    threading.Thread(target=_watch, name="uploads of closed tabs", daemon=True).start()


def _files(manager: MemoryUploadedFileManager) -> Iterator[tuple[str, dict[str, UploadedFileRec]]]:
    return iter(dict(manager.file_storage).items())


def _never_spool() -> None:
    try:
        from starlette.formparsers import MultiPartParser
    except ImportError:  # another server, which keeps parts in memory
        return
    MultiPartParser.spool_max_size = FILE_BYTES


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        if Runtime.exists():
            runtime = Runtime.instance()
            look(runtime, time.monotonic())
            with suppress(RuntimeError, TimeoutError):  # the server ends
                if _on_its_loop(runtime):
                    give_back()


def _on_its_loop(runtime: Any) -> bool:
    """`forget_closed` where nothing else reads or writes sessions meanwhile."""
    done: Future[bool] = Future()
    runtime._get_async_objs().eventloop.call_soon_threadsafe(lambda: done.set_result(forget_closed(runtime)))
    return done.result(timeout=LOOK_SECONDS)


def forget_closed(runtime: Any) -> bool:
    """Drop the sessions whose tab was closed longer ago than Streamlit keeps them; whether there were any.

    It keeps them for two minutes, but looks at the clock only when another tab opens or closes: those of the last
    visitors of a day would lie in memory until the next one.
    """
    closed = runtime._session_mgr._session_storage._cache
    held = len(closed._data)
    closed.expire()
    return len(closed._data) < held


def look(runtime: Any, now: float) -> int:
    """Forget the uploads of sessions that have been away for GONE_SECONDS; how many sessions that were."""
    manager, gone = runtime.uploaded_file_mgr, []
    with _lock:
        for session in {*_kept, *(session for session, _ in _files(manager))}:
            if runtime.is_active_session(session):
                _away.pop(session, None)
            elif now - _away.setdefault(session, now) >= GONE_SECONDS:
                gone.append((session, _kept.pop(session, None)))
                del _away[session]
    for session, uploads in gone:
        manager.remove_session_files(session)
        if uploads is not None:
            wipe(uploads)
    if gone:
        give_back()
    return len(gone)
