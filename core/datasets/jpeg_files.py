"""JPEG files taken apart without being decoded: what shows the picture is kept, what tells about it is not."""

KEPT = {0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xEE}
"""Segments that a decoder needs: frames, tables, scans, restart intervals, Adobe's statement of colours."""
JFIF, END = 0xE0, 0xD9
PLAIN_JFIF = 16
"""Length of a JFIF segment without a small picture of its own inside."""


def without_metadata(data: bytes) -> bytes | None:
    """The same picture, bit for bit, without EXIF, comments, profiles and whatever follows its end.

    None for what is no whole JPEG file of the usual kinds (baseline, extended or progressive).
    """
    if data[:2] != b"\xff\xd8":
        return None
    kept, at = [data[:2]], 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind == END:
            return b"".join([*kept, b"\xff\xd9"])
        if (0xC0 <= kind <= 0xCF and kind not in KEPT) or 0xD0 <= kind <= 0xD8 or kind in (0x00, 0x01):
            return None
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            return None
        if kind == 0xDA:
            end = _scan_end(data, end)
        if kind in KEPT or (kind == JFIF and length == PLAIN_JFIF):
            kept.append(data[at:end])
        at = end


def _scan_end(data: bytes, at: int) -> int:
    """Where the next marker stands: 0xFF in a scan is followed by 0, or by the number of a restart."""
    while (at := data.find(b"\xff", at)) >= 0:
        following = data[at + 1 : at + 2]
        if following == b"\0" or (following and 0xD0 <= following[0] <= 0xD7):
            at += 2
        else:
            return at
    return len(data)
