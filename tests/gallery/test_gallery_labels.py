"""A gallery's table: what is wrong in it is said with its path, whenever it is read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.config import InputError
from core.gallery.labels import Labels


def test_a_column_that_is_damaged_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "attributes.parquet"
    words = np.random.default_rng(0).choice(["Female", "Male", "someone else"], 4000).tolist()
    pq.write_table(pa.table({"gender": words}), path, compression="snappy")
    data = bytearray(path.read_bytes())
    page = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    data[page + 40 : page + 400] = b"\xff" * 360  # the header of the page stays, what is packed in it does not
    path.write_bytes(data)
    labels = Labels(path, "the gallery")
    for read in (lambda: labels.table, lambda: labels.numbered("gender"), lambda: labels.column("gender")):
        with pytest.raises(InputError) as refused:
            read()
        assert str(refused.value) == f"{path} cannot be read as Parquet: it is damaged or cut; make the gallery again"
