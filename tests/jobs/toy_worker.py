"""A worker that also knows the toy kind; run as a script, and again by itself for every try of a job.

`toy_worker.py` works until it is stopped, `toy_worker.py empty` until nothing is left.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
SCRIPT = (sys.executable, str(Path(__file__).resolve()))
FEW = "TOY_FEW_PICTURES"
"""Variable whose presence makes audits of answers look at few pictures."""


def add_toys() -> None:
    """Let this process know the toy kind."""
    import importlib.util

    from core.jobs.kind import KINDS

    KINDS.load()
    spec = importlib.util.spec_from_file_location("toy_job_count", ROOT / "tests" / "toys" / "job_count.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_job_count"] = module
    spec.loader.exec_module(module)


@contextmanager
def toys() -> Iterator[None]:
    """The toy kind in this process, gone afterwards."""
    from core.jobs.kind import KINDS

    add_toys()
    try:
        yield
    finally:
        del KINDS._variants["toy-count"]
        sys.modules.pop("toy_job_count", None)


def main() -> int:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if "TOY_NICENESS" in os.environ:
        from core.jobs import child

        child.NICENESS = int(os.environ["TOY_NICENESS"])
    add_toys()
    if len(sys.argv) > 2:
        from core.jobs import child
        from tests.lvlm.few import few_pictures

        with few_pictures() if FEW in os.environ else nullcontext():
            return child.main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    import signal

    from core.jobs.store import JobStore
    from core.jobs.worker import Worker

    worker = Worker(JobStore(), SCRIPT)
    signal.signal(signal.SIGTERM, worker.stop)
    worker.run(until_empty=len(sys.argv) > 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
