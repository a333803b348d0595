"""The first screen of a cold server waits for nothing that it does not draw with."""

import subprocess
import sys

from tests.browser.serving import ROOT

HEAVY = ("faiss", "open_clip", "pandas", "scipy", "sklearn", "sqlalchemy", "torch", "transformers", "umap")
DRAW = f"""
import sys
from streamlit.testing.v1 import AppTest
drawn = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=300).run()
assert not drawn.exception and drawn.title, drawn
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_the_first_screen_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", DRAW], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-600:]
