"""Time-based one-time codes (RFC 6238) as a second factor, by pyotp."""

from __future__ import annotations

import secrets
import time

import pyotp
import segno

from agent.store.tables import Engineer

ISSUER = "MINERVA helpdesk"
STEP_S = 30


def new_secret() -> str:
    """Base32, 160 bits."""
    return pyotp.random_base32()


def address(secret: str, email: str) -> str:
    """`otpauth://…`, as authenticator programs read it."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def picture(secret: str, email: str) -> str:
    """The address as a QR code, a `data:` URI of an SVG."""
    return segno.make(address(secret, email)).svg_data_uri(scale=4, light="white")


def step_of(secret: str, code: str, at_s: float) -> int | None:
    """The time step that the code is of: this one, the one before or after; None for a wrong code."""
    digits = "".join(code.split())
    generator, step = pyotp.TOTP(secret), int(at_s) // STEP_S
    steps = [n for n in (step, step - 1, step + 1) if secrets.compare_digest(generator.at(n * STEP_S), digits)]
    return steps[0] if digits.isascii() and steps else None


def passes(engineer: Engineer, code: str) -> bool:
    """Whether this is the engineer's code of now; it is then used up. Without a secret any code does."""
    if engineer.totp_secret is None:
        return True
    step = step_of(engineer.totp_secret, code, time.time()) if code.isascii() else None
    if step is None or step <= engineer.totp_step:
        return False
    engineer.totp_step = step
    return True
