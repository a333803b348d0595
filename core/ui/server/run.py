"""`python -m core.ui.server.run OPTIONS...`: the app as `streamlit run app.py` starts it, from its own folder.

Streamlit tells every browser the path of the script, and makes it absolute before: here it stays `app.py`, as nobody
outside is to know where on the disk this server lies.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from streamlit.web import bootstrap, cli

SCRIPT = "app.py"
_run = bootstrap.run


def main(options: Sequence[str]) -> None:
    """Serve until the end of the process."""
    bootstrap.run = _run_beside
    cli.main(["run", SCRIPT, *options], prog_name="streamlit")


def _run_beside(
    main_script_path: str, is_hello: bool, args: list[str], flag_options: dict[str, Any], **more: Any
) -> None:
    _run(os.path.relpath(main_script_path), is_hello, args, flag_options, **more)


if __name__ == "__main__":
    main(sys.argv[1:])
