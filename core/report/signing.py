"""Who stands behind a report: a detached Ed25519 signature over its manifest, and the keys for it.

The manifest holds the digests of all files of the report, so that a signature over it is one over auditor, date,
software and every finding. The key's private half stays with the auditor; its public half goes to whoever checks.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import InputError
from core.report.folder import MANIFEST, canonical
from core.store import atomic_file, read_json, room_for

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "manifest.json.sig"
ALGORITHM = "Ed25519"
KEYS = {"schema", "algorithm", "key", "signature"}
LARGEST = 16_384
"""Bytes of a key's file at most; a file of another kind is not read whole."""
SHOWN = 16
"""Hex digits of a key's fingerprint in a sentence."""


@dataclass(frozen=True)
class Signature:
    """What lies beside a manifest."""

    key: str
    """SHA-256 (hex) of the public half's 32 bytes: which key signed, and not whose it is."""
    value: bytes

    def to_json(self) -> dict[str, Any]:
        return {"schema": 1, "algorithm": ALGORITHM, "key": self.key, "signature": self.value.hex()}

    @classmethod
    def from_json(cls, value: Any) -> "Signature":
        """InputError where it is no signature."""
        if not isinstance(value, Mapping) or set(value) != KEYS or value["algorithm"] != ALGORITHM:
            raise InputError(f"{SIGNATURE} is no Ed25519 signature of a report; expected {', '.join(sorted(KEYS))}")
        try:
            return cls(str(value["key"]), bytes.fromhex(value["signature"]))
        except (TypeError, ValueError):
            raise InputError(f"{SIGNATURE} is no Ed25519 signature of a report: it is not written in hex") from None


def make_keys(out: Path) -> tuple[Path, str]:
    """A new pair: the private half at `out` (mode 0600), the public one at `out`.pub; the public path, and which key.

    Nothing is ever replaced: InputError where one of the files is there.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public_path = out.with_name(f"{out.name}.pub")
    for path in (out, public_path):
        if os.path.lexists(path):
            raise InputError(f"{path} is there already, and a key is never replaced; choose another name for --out")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    out.parent.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        for path, data, mode in ((out, private, 0o600), (public_path, public, 0o644)):
            # the mode is the file's from its first moment: nobody else may read the key in between
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(path)
            with room_for(path), os.fdopen(handle, "wb") as file:
                file.write(data)
    except BaseException:  # half a pair is none
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return public_path, fingerprint(key.public_key())


def sign(folder: Path, private: Path) -> Signature:
    """Sign the manifest of a finished report and put the signature beside it."""
    key = private_key(private)
    made = Signature(fingerprint(key.public_key()), key.sign((Path(folder) / MANIFEST).read_bytes()))
    with atomic_file(Path(folder) / SIGNATURE) as partial:
        partial.write_text(canonical(made.to_json()), encoding="utf-8")
    return made


def read_signature(folder: Path) -> Signature | None:
    """The signature of a report's folder; None where there is none. InputError where it is none."""
    path = Path(folder) / SIGNATURE
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST:
        raise InputError(f"{SIGNATURE} is no Ed25519 signature of a report: it has {path.stat().st_size:,} bytes")
    return Signature.from_json(read_json(path))


def holds(folder: Path, signature: Signature, key: "Ed25519PublicKey") -> bool:
    """Whether a key signed the manifest as it is now."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature.value, (Path(folder) / MANIFEST).read_bytes())
    except InvalidSignature:
        return False
    return True


def fingerprint(key: "Ed25519PublicKey") -> str:
    """SHA-256 (hex) of the 32 bytes of a public half."""
    from cryptography.hazmat.primitives import serialization as form

    raw = key.public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def private_key(path: Path) -> "Ed25519PrivateKey":
    """The private half in a file; InputError where it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = form.load_pem_private_key(_bytes(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is no private Ed25519 key; give the file that `keys make --out FILE` wrote")
    return key


def public_key(path: Path) -> "Ed25519PublicKey":
    """The public half in a file; InputError where it is none, the private half among them."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _bytes(path)
    if b"PRIVATE KEY" in data:
        raise InputError(f"{path} is the private half of a key; give the public one, which ends in .pub")
    try:
        key = form.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} is no public Ed25519 key; give the .pub file that `keys make --out FILE` wrote")
    return key


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give the file of a key") from None
