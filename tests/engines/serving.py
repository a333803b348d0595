"""A small search service on loopback, over FAISS: exact, with inverted lists, biased, or at fault."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import faiss
import numpy as np

from core.gallery import Gallery


@dataclass
class Faults:
    """What goes wrong, and how often."""

    status: int = 0
    """Answered in place of a list, `times` times."""
    times: int = 0
    wait: float = 0.0
    """Seconds before every answer."""
    change: Callable[[list[str]], list[str]] = lambda ids: ids
    raw: bytes | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


class Search:
    """Ids by falling cosine, by an index of FAISS."""

    def __init__(self, gallery: Gallery, embed: Callable[[str], np.ndarray], lists: int = 0, probes: int = 1) -> None:
        unit = gallery.unit()
        self._ids, self._embed = gallery.item_ids(np.arange(gallery.n)), embed
        if lists:
            self._index: Any = faiss.IndexIVFFlat(
                faiss.IndexFlatIP(unit.shape[1]), unit.shape[1], lists, faiss.METRIC_INNER_PRODUCT
            )
            self._index.cp.min_points_per_centroid = 1
            self._index.train(unit)
            self._index.nprobe = probes
        else:
            self._index = faiss.IndexFlatIP(unit.shape[1])
        self._index.add(unit)

    def __call__(self, query: str, k: int) -> list[str]:
        vector = np.asarray(self._embed(query), dtype=np.float32)
        rows = self._index.search((vector / np.linalg.norm(vector))[None], k)[1][0]
        return [self._ids[row] for row in rows if row >= 0]


@contextmanager
def serving(search: Callable[[str, int], list[str]], faults: Faults | None = None) -> Iterator[str]:
    """Address of a running service: POST {"text", "size"} gives {"hits": [{"id"}]}."""
    at_fault = faults or Faults()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            at_fault.requests.append(asked)
            at_fault.headers.append(dict(self.headers))
            time.sleep(at_fault.wait)
            if at_fault.times > 0:
                at_fault.times -= 1
                self.send_response(at_fault.status)
                self.end_headers()
                return
            ids = at_fault.change(search(asked["text"], int(asked["size"])))
            body = at_fault.raw or json.dumps({"hits": [{"id": one} for one in ids]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/search"
    finally:
        server.shutdown()
        server.server_close()


def described(address: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "service",
        "address": address,
        "body": {"text": "{query}", "size": "{k}"},
        "ids": "hits[].id",
        "per_second": 1000,
        "retries": 2,
        "timeout": 5,
        **more,
    }
