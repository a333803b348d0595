"""The ONNX file of an edit, run by onnxruntime: the same unit rows."""

import importlib.util
import sys

import numpy as np
import pytest

from core.config import InputError
from core.portable.in_torch import write_onnx
from core.portable.pieces import PIECES
from tests.portable.edits import edit_of, rows

needed = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(needed), reason=f"not installed: {', '.join(needed)}")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kinds", [tuple(PIECES)[:4], tuple(PIECES)[4:]], ids=["first", "others"])
def test_onnxruntime_gives_the_same_rows(kinds, tmp_path):
    import onnxruntime

    edit = edit_of(*kinds)
    write_onnx(edit, tmp_path / "items.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "items.onnx"))
    for n in (1, 77):
        found = session.run(None, {"rows": rows(n)})[0]
        np.testing.assert_allclose(found, edit.side()(rows(n)), rtol=0, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["items.onnx"]


def test_without_the_library_the_message_names_the_pip_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx onnxscript"):
        write_onnx(edit_of("switch"), tmp_path / "x.onnx")
