"""A certificate for `tunebook serve --tls`, made at each start, for the names of this machine alone.

It is signed by an authority that signs nothing else: its key is forgotten at once. Clients are to trust the authority.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY, _SERVED = "authority.pem", "certificate.pem"
_LIFE = timedelta(days=365)


def make_certificate(folder: Path, aliases: Sequence[str]) -> tuple[Path, Path]:
    """Write the authority's certificate, and the one that is served with its key; their paths, in this order."""
    signer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *aliases)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    authority = _certificate("authority", signer, signer, [(x509.BasicConstraints(ca=True, path_length=0), True)])
    served = _certificate(
        "service",
        key,
        signer,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.SubjectAlternativeName(names), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ],
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / _AUTHORITY).write_bytes(authority.public_bytes(Encoding.PEM))
    (folder / _SERVED).write_bytes(served.public_bytes(Encoding.PEM) + private)
    return folder / _AUTHORITY, folder / _SERVED


def _certificate(
    role: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    now, own = datetime.now(UTC), key is signer
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    ) | {"key_cert_sign" if own else "digital_signature": True}
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(role))
        .issuer_name(_name("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in extensions:
        made = made.add_extension(extension, critical=critical)
    return made.sign(signer, hashes.SHA256())


def _name(role: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"tunebook embedded service, {role}")])
