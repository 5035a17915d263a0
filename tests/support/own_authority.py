"""A server whose certificate nobody trusts but who is told to: signed by itself, for 127.0.0.1.

Its key is no secret, and nothing but tests uses it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from support.http_servers import Handler, ScriptedServer

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgssKHL2cpxWBcox3i
GTgStJUeyiVWrB+Af0gEOUGAIg6hRANCAARIFA2oa9poM72ZBeXfOq2J7zJ/j3mc
LwFxgyL9iL1PxnRxp4qN29ZPARndrTbgpRkNpSkqDUWXQXNuqweA5+os
-----END PRIVATE KEY-----
"""

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBazCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBB0ZXN0cyBv
ZiBzYXB3b29kMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAbMRkw
FwYDVQQDDBB0ZXN0cyBvZiBzYXB3b29kMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAESBQNqGvaaDO9mQXl3zqtie8yf495nC8BcYMi/Yi9T8Z0caeKjdvWTwEZ3a02
4KUZDaUpKg1Fl0FzbqsHgOfqLKNDMEEwDwYDVR0RBAgwBocEfwAAATAPBgNVHRMB
Af8EBTADAQH/MB0GA1UdDgQWBBQ6Ip1N7aefwQsqD4EpwHfBM1nOYDAKBggqhkjO
PQQDAgNJADBGAiEA5hXn872GJv43hDSvA31oYsLwI2gDy9ZXwtvBX8nb/gMCIQD2
XsEy2Z7sgm7YSy71AQvwealTAxKUEH6h0Bw2Ud4rjQ==
-----END CERTIFICATE-----
"""  # from 2020 to 2120


@contextlib.contextmanager
def trusted_by_few(handler: Handler, folder: Path) -> Iterator[ScriptedServer]:
    """A server that answers so over TLS while the block lasts.

    Args:
        handler: what answers requests.
        folder: path of a folder, where `key.pem` and `certificate.pem` are put.
    """
    (folder / "key.pem").write_text(KEY)
    (folder / "certificate.pem").write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with ScriptedServer(handler, context) as server:
        yield server
