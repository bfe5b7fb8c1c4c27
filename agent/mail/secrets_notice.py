"""What a requester is told who has sent us a secret. Fixed texts, pure."""

from __future__ import annotations

from collections.abc import Collection
from textwrap import fill

WIDTH = 76

_NOTICES = {
    "en": (
        "Your message held something that looks like a password, a private key or an access token. We have hidden it, "
        "but your mail passed through several servers: please change or revoke it."
    ),
    "fr": (
        "Votre message contenait ce qui ressemble à un mot de passe, une clé privée ou un jeton d'accès. Nous l'avons "
        "masqué, mais votre courriel a traversé plusieurs serveurs : veuillez le changer ou le révoquer."
    ),
    "de": (
        "Ihre Nachricht enthielt etwas, das wie ein Passwort, ein privater Schlüssel oder ein Zugangstoken aussieht. "
        "Wir haben es verdeckt, doch Ihre Mail lief über mehrere Server: Bitte ändern oder widerrufen Sie es."
    ),
    "it": (
        "Il suo messaggio conteneva qualcosa che sembra una password, una chiave privata o un token di accesso. "
        "L'abbiamo nascosto, ma la mail è passata per più server: la preghiamo di cambiarlo o revocarlo."
    ),
    "es": (
        "Su mensaje contenía algo que parece una contraseña, una clave privada o un token de acceso. "
        "Lo hemos ocultado, pero el correo pasó por varios servidores: le rogamos que lo cambie o lo revoque."
    ),
}


def with_notice(body: str, masked: Collection[str], language: str) -> str:
    """The mail with a paragraph of its own before the closing one; as it is when nothing was masked.

    English for every language that we have no text in.
    """
    if not masked:
        return body
    notice = fill(_NOTICES.get(language, _NOTICES["en"]), WIDTH)
    before, _, closing = body.rstrip("\n").rpartition("\n\n")
    return f"{before}\n\n{notice}\n\n{closing}\n"
