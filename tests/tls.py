"""TLS contexts with certificates of a throw-away authority."""

from __future__ import annotations

import ssl

import trustme


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """For a server that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """For a client that trusts this authority too."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
