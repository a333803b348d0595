"""One table written as many programs write it; every writer takes a frame of texts, numbers with gaps and truths."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Writer:
    """A program's way of writing a table: the ending of its file, and the bytes."""

    name: str
    suffix: str
    write: Callable[[pd.DataFrame], bytes]


def _suffix(separator: str) -> str:
    return ".tsv" if separator == "\t" else ".csv"


def _python(separator: str, quoting: int, double: bool, end: str) -> Writer:
    escaped = not double or quoting == csv.QUOTE_NONE

    def write(frame: pd.DataFrame) -> bytes:
        text = io.StringIO(newline="")
        if escaped and any("\\" in str(cell) for cell in frame["group"]):
            raise csv.Error("escaped, a backslash is the same bytes as two of them that nobody escaped")
        how = {"escapechar": "\\"} if escaped else {}
        out = csv.writer(
            text,
            delimiter=separator,
            quoting=quoting,
            doublequote=double,
            lineterminator=end,
            **how,  # type: ignore[arg-type]
        )
        out.writerow(frame.columns)
        for row in frame.astype(object).itertuples(index=False):
            out.writerow(["" if cell is None or cell != cell else cell for cell in row])
        return text.getvalue().encode()

    return Writer(f"csv {separator!r} {quoting} {double} {end!r}", _suffix(separator), write)


def _pandas(separator: str, quoting: int, index: bool, missing: str, coding: str, end: str) -> Writer:
    def write(frame: pd.DataFrame) -> bytes:
        out = io.BytesIO()
        frame.to_csv(
            out,
            sep=separator,
            quoting=quoting,
            index=index,
            na_rep=missing,
            encoding=coding,
            lineterminator=end,  # type: ignore[call-overload]
        )
        return out.getvalue()

    return Writer(f"pandas {separator!r} {quoting} {index} {missing} {coding} {end!r}", _suffix(separator), write)


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _arrow_csv(style: str) -> Writer:
    def write(frame: pd.DataFrame) -> bytes:
        out = io.BytesIO()
        pa_csv.write_csv(_arrow(frame), out, pa_csv.WriteOptions(quoting_style=style))
        return out.getvalue()

    return Writer(f"pyarrow {style}", ".csv", write)


def _parquet(indexed: bool) -> Writer:
    def write(frame: pd.DataFrame) -> bytes:
        out = io.BytesIO()
        if indexed:
            frame.set_index("id").to_parquet(out)
        else:
            pq.write_table(_arrow(frame), out)
        return out.getvalue()

    return Writer("parquet with an index" if indexed else "parquet", ".parquet", write)


def _feather(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    feather.write_feather(_arrow(frame), out)
    return out.getvalue()


def _json_lines(plain: bool) -> Writer:
    def write(frame: pd.DataFrame) -> bytes:
        rows = [
            {key: None if cell is None or cell != cell else cell for key, cell in row.items()}
            for row in frame.astype(object).to_dict("records")
        ]
        return "".join(json.dumps(row, ensure_ascii=plain) + "\n" for row in rows).encode()

    return Writer(f"json lines {plain}", ".jsonl", write)


def _r(separator: str, quoted: bool, escape: bool, names: str) -> Writer:
    """write.table: strings quoted, NA bare, TRUE and FALSE; row names without a header, with an empty one, or none."""

    def cell(value: object) -> str:
        if value is None or value != value:
            return "NA"
        if isinstance(value, bool):
            return str(value).upper()
        if isinstance(value, float) and value % 1 == 0:
            return str(int(value))
        text = str(value)
        return '"' + text.replace('"', '\\"' if escape else '""') + '"' if quoted and isinstance(value, str) else text

    def write(frame: pd.DataFrame) -> bytes:
        header = [cell(name) for name in frame.columns]
        lines = [separator.join([*(['""'] if names == "empty" else []), *header])]
        for number, row in enumerate(frame.astype(object).itertuples(index=False), 1):
            lines.append(separator.join([*([cell(str(number))] if names != "none" else []), *map(cell, row)]))
        return ("\n".join(lines) + "\n").encode()

    return Writer(f"R {separator!r} {quoted} {escape} {names}", _suffix(separator), write)


def _spreadsheet(separator: str, said: bool, trailing: int) -> Writer:
    """Excel's CSV: byte-order mark, perhaps the line sep=, CRLF, TRUE and FALSE, whole numbers bare, empty cells."""

    def cell(value: object) -> str:
        if value is None or value != value:
            return ""
        if isinstance(value, bool):
            return str(value).upper()
        return str(int(value)) if isinstance(value, float) and value % 1 == 0 else str(value)

    def write(frame: pd.DataFrame) -> bytes:
        text = io.StringIO(newline="")
        out = csv.writer(text, delimiter=separator, lineterminator="\r\n")
        extra = [""] * trailing
        out.writerow([*frame.columns, *extra])
        for row in frame.astype(object).itertuples(index=False):
            out.writerow([*map(cell, row), *extra])
        for _ in range(trailing):
            out.writerow([""] * (len(frame.columns) + trailing))
        head = f"sep={separator}\r\n" if said else ""
        return b"\xef\xbb\xbf" + (head + text.getvalue()).encode()

    return Writer(f"spreadsheet {separator!r} {said} {trailing}", ".csv", write)


QUOTINGS = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE)
WRITERS = [
    *(_python(*how) for how in product(",;\t|", QUOTINGS, (True, False), ("\n", "\r\n", "\r"))),
    *(
        _pandas(*how)
        for how in product(
            ",;\t|",
            QUOTINGS[:3],
            (True, False),
            ("", "NA", "NaN", "NULL"),
            ("utf-8", "utf-8-sig", "utf-16"),
            ("\n", "\r\n"),
        )
    ),
    *(_arrow_csv(style) for style in ("needed", "all_valid", "none")),
    _parquet(False),
    _parquet(True),
    Writer("feather", ".feather", _feather),
    _json_lines(True),
    _json_lines(False),
    *(_r(*how) for how in product(",;\t", (True, False), (True, False), ("bare", "empty", "none"))),
    *(_spreadsheet(*how) for how in product(",;\t", (True, False), (0, 1, 2))),
]
