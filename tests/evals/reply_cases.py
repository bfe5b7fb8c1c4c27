"""Replies as mail programs write them, in eight languages: what has to stay visible is known by construction.

The frames are written from what the programs send. `dev`: the rules were made with them in view. `test`: not looked at
until the rate was first measured (317 of 352, 0.901); what was missed was then mended, so it is no longer clean.
`fresh`: other programs and rarer wording, written after that; first measured 112 of 160 (0.700), then mended as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    split: str
    text: str
    visible: str


ANSWERS = {
    "en": "Thanks, it is LUMI.\nThe job still waits with reason Priority.",
    "fr": "Merci, c'est LUMI.\nLe travail attend toujours avec la raison Priority.",
    "de": "Danke, es ist LUMI.\nDer Job wartet immer noch mit Grund Priority.",
    "it": "Grazie, è LUMI.\nIl job aspetta ancora con motivo Priority.",
    "es": "Gracias, es LUMI.\nEl trabajo sigue esperando con motivo Priority.",
    "pt": "Obrigado, é o LUMI.\nO trabalho continua à espera com motivo Priority.",
    "nl": "Bedankt, het is LUMI.\nDe job wacht nog steeds met reden Priority.",
    "pl": "Dziękuję, to LUMI.\nZadanie nadal czeka z powodem Priority.",
}
QUESTION = [
    "Dear Ada,",
    "",
    "which system do you use, and what does squeue say?",
    "",
    "Best regards,",
    "MINERVA support",
]
WHO, ADDRESS = "MINERVA support", "support@minerva4ai.eu"

GMAIL = {
    "en": "On Mon, Nov 23, 2026 at 9:12 AM {who} <{address}> wrote:",
    "fr": "Le lun. 23 nov. 2026 à 09:12, {who} <{address}> a écrit :",
    "de": "Am Mo., 23. Nov. 2026 um 09:12 Uhr schrieb {who} <{address}>:",
    "it": "Il giorno lun 23 nov 2026 alle ore 09:12 {who} <{address}> ha scritto:",
    "es": "El lun, 23 nov 2026 a las 9:12, {who} (<{address}>) escribió:",
    "pt": "{who} <{address}> escreveu (segunda, 23/11/2026 à(s) 09:12):",
    "nl": "Op ma 23 nov 2026 om 09:12 schreef {who} <{address}>:",
    "pl": "pon., 23 lis 2026 o 09:12 {who} <{address}> napisał(a):",
}
THUNDERBIRD = {
    "en": "On 23/11/2026 09:12, {who} wrote:",
    "fr": "Le 23/11/2026 à 09:12, {who} a écrit :",
    "de": "Am 23.11.26 um 09:12 schrieb {who}:",
    "it": "Il 23/11/2026 09:12, {who} ha scritto:",
    "es": "El 23/11/26 a las 9:12, {who} escribió:",
    "pt": "Em 23/11/2026 09:12, {who} escreveu:",
    "nl": "Op 23-11-2026 om 09:12 schreef {who}:",
    "pl": "W dniu 23.11.2026 o 09:12, {who} pisze:",
}
APPLE = {
    "en": "On 23 Nov 2026, at 09:12, {who} <{address}> wrote:",
    "fr": "Le 23 nov. 2026 à 09:12, {who} <{address}> a écrit :",
    "de": "Am 23.11.2026 um 09:12 schrieb {who} <{address}>:",
    "it": "Il giorno 23 nov 2026, alle ore 09:12, {who} <{address}> ha scritto:",
    "es": "El 23 nov 2026, a las 9:12, {who} <{address}> escribió:",
    "pt": "No dia 23/11/2026, às 09:12, {who} <{address}> escreveu:",
    "nl": "Op 23 nov. 2026, om 09:12 heeft {who} <{address}> het volgende geschreven:",
    "pl": "Wiadomość napisana przez {who} <{address}> w dniu 23 lis 2026, o godz. 09:12:",
}
K9 = {
    "en": "On November 23, 2026 9:12:03 AM GMT+01:00, {who} <{address}> wrote:",
    "fr": "Le 23 novembre 2026 09:12:03 GMT+01:00, {who} <{address}> a écrit :",
    "de": "Am 23. November 2026 09:12:03 MEZ schrieb {who} <{address}>:",
    "it": "Il 23 novembre 2026 09:12:03 CET, {who} <{address}> ha scritto:",
    "es": "El 23 de noviembre de 2026 9:12:03 CET, {who} <{address}> escribió:",
    "pt": "A 23 de novembro de 2026 09:12:03 WET, {who} <{address}> escreveu:",
    "nl": "Op 23 november 2026 09:12:03 CET schreef {who} <{address}>:",
    "pl": "Dnia 23 listopada 2026 09:12:03 CET, {who} <{address}> napisał/a:",
}
PROTON = {
    "en": "On Monday, 23 November 2026 at 09:12, {who} <{address}> wrote:",
    "fr": "Le lundi 23 novembre 2026 à 09:12, {who} <{address}> a écrit :",
    "de": "Am Montag, 23. November 2026 um 09:12, schrieb {who} <{address}>:",
    "it": "Lunedì 23 novembre 2026 alle 09:12, {who} <{address}> ha scritto:",
    "es": "El lunes, 23 de noviembre de 2026 a las 09:12, {who} <{address}> escribió:",
    "pt": "Em segunda-feira, 23 de novembro de 2026 às 09:12, {who} <{address}> escreveu:",
    "nl": "Op maandag 23 november 2026 om 09:12 schreef {who} <{address}>:",
    "pl": "W dniu poniedziałek, 23 listopada 2026 o 09:12 {who} <{address}> napisał(a):",
}
YAHOO = {
    "en": "On Monday, November 23, 2026, 9:12 AM, {who} <{address}> wrote:",
    "fr": "Le lundi 23 novembre 2026 à 09:12:03 UTC+1, {who} <{address}> a écrit :",
    "de": "Am Montag, 23. November 2026 um 09:12:03 MEZ hat {who} <{address}> Folgendes geschrieben:",
    "it": "Il lunedì 23 novembre 2026 alle ore 09:12:03 CET, {who} <{address}> ha scritto:",
    "es": "El lunes, 23 de noviembre de 2026, 09:12:03 CET, {who} <{address}> escribió:",
    "pt": "Em segunda-feira, 23 de novembro de 2026 09:12:03 WET, {who} <{address}> escreveu:",
    "nl": "Op maandag 23 november 2026 om 09:12:03 CET schreef {who} <{address}>:",
    "pl": "W dniu poniedziałek, 23 listopada 2026 09:12:03 CET użytkownik {who} <{address}> napisał:",
}
MUTT = {"en": "On Mon, Nov 23, 2026 at 09:12:03AM +0100, {who} wrote:"}

OUTLOOK_KEYS = {
    "en": ("From", "Sent", "To", "Subject"), "fr": ("De", "Envoyé", "À", "Objet"), "de": ("Von", "Gesendet", "An", "Betreff"),
    "it": ("Da", "Inviato", "A", "Oggetto"), "es": ("De", "Enviado", "Para", "Asunto"), "pt": ("De", "Enviado", "Para", "Assunto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"), "pl": ("Od", "Wysłane", "Do", "Temat"),
}  # fmt: skip
OUTLOOK_DATES = {
    "en": "Monday, November 23, 2026 9:12 AM", "fr": "lundi 23 novembre 2026 09:12", "de": "Montag, 23. November 2026 09:12",
    "it": "lunedì 23 novembre 2026 09:12", "es": "lunes, 23 de noviembre de 2026 9:12", "pt": "segunda-feira, 23 de novembro de 2026 09:12",
    "nl": "maandag 23 november 2026 09:12", "pl": "poniedziałek, 23 listopada 2026 09:12",
}  # fmt: skip
ORIGINAL = {
    "en": "Original Message", "fr": "Message d'origine", "de": "Ursprüngliche Nachricht", "it": "Messaggio originale",
    "es": "Mensaje original", "pt": "Mensagem original", "nl": "Oorspronkelijk bericht", "pl": "Wiadomość oryginalna",
}  # fmt: skip
ROUNDCUBE = {
    "en": "On 2026-11-23 09:12, {who} wrote:", "fr": "Le 2026-11-23 09:12, {who} a écrit\u00a0:", "de": "Am 2026-11-23 09:12, schrieb {who}:",
    "it": "Il 2026-11-23 09:12 {who} ha scritto:", "es": "El 2026-11-23 09:12, {who} escribió:", "pt": "Em 2026-11-23 09:12, {who} escreveu:",
    "nl": "{who} schreef op 2026-11-23 09:12:", "pl": "W dniu 2026-11-23 09:12, {who} napisał(a):",
}  # fmt: skip
GMAIL_APP = {
    "en": "On Mon, 23 Nov 2026, 09:12 {who}, <{address}> wrote:", "fr": "Le lun. 23 nov. 2026, 09:12, {who} <{address}> a écrit :",
    "de": "{who} <{address}> schrieb am Mo., 23. Nov. 2026, 09:12:", "it": "Il lun 23 nov 2026, 09:12 {who} <{address}> ha scritto:",
    "es": "El lun, 23 nov 2026, 9:12, {who} <{address}> escribió:", "pt": "{who} <{address}> escreveu no dia segunda, 23/11/2026 à(s) 09:12:",
    "nl": "Op ma 23 nov. 2026 09:12 schreef {who} <{address}>:", "pl": "pon., 23 lis 2026, 09:12 użytkownik {who} <{address}> napisał:",
}  # fmt: skip
EM_CLIENT = {
    "en": "------ Original Message ------", "fr": "------ Message d'origine ------", "de": "------ Originalnachricht ------",
    "it": "------ Messaggio Originale ------", "es": "------ Mensaje original ------", "pt": "------ Mensagem Original ------",
    "nl": "------ Origineel bericht ------", "pl": "------ Wiadomość oryginalna ------",
}  # fmt: skip
ZIMBRA = {
    "en": ("From", "To", "Sent", "Subject"), "fr": ("De", "À", "Envoyé", "Objet"), "de": ("Von", "An", "Gesendet", "Betreff"),
    "it": ("Da", "A", "Inviato", "Oggetto"), "es": ("De", "Para", "Enviados", "Asunto"), "pt": ("De", "Para", "Enviadas", "Assunto"),
    "nl": ("Van", "Aan", "Verzonden", "Onderwerp"), "pl": ("Od", "Do", "Wysłane", "Temat"),
}  # fmt: skip
FRESH_SIGNATURES = {
    "en": ["Cheers,\nAda", "Yours sincerely,\n\nAda Example\nHPC Centre | Room 12 | +44 117 123", "Sent from Outlook for Android", "Thanks again,\nAda Example\nada@example.org"],
    "fr": ["Bien à vous,\nAda", "Salutations distinguées,\nAda Exemple", "Envoyé à partir de Outlook pour Android", "Merci d'avance,\nAda Exemple\nada@example.org"],
    "de": ["Beste Grüße\n\nAda Beispiel", "Herzliche Grüße aus Bonn\nAda", "Gesendet mit der GMX Mail App", "Freundliche Grüsse\nAda Beispiel\nTel. +41 44 123"],
    "it": ["Cordialmente,\nAda", "Distinti saluti\n\nAda Esempio", "Scarica Outlook per Android", "Saluti,\nAda"],
    "es": ["Atentamente,\nAda Ejemplo", "Reciba un cordial saludo,\nAda", "Obtener Outlook para Android", "Un abrazo,\nAda"],
    "pt": ["Melhores cumprimentos,\nAda", "Com os meus cumprimentos,\nAda Exemplo", "Obtenha o Outlook para Android", "Abraço,\nAda"],
    "nl": ["Hartelijke groet,\nAda", "Met vriendelijke groeten,\n\nAda Voorbeeld", "Outlook voor Android downloaden", "Mvg,\nAda"],
    "pl": ["Pozdrawiam serdecznie,\nAda", "Z wyrazami szacunku\nAda Przykład", "Pobierz program Outlook dla systemu Android", "Łączę pozdrowienia,\nAda"],
}  # fmt: skip
SIGNATURES = {
    "en": ["-- \nAda Example\nUniversity of Examples", "Best regards,\nAda Example", "Sent from my iPhone", "Kind regards\n\nDr. Ada Example\nTel. +39 051 123"],
    "fr": ["-- \nAda Exemple", "Cordialement,\nAda Exemple", "Envoyé de mon iPhone", "Bien cordialement,\n\nAda Exemple\nIngénieure de recherche"],
    "de": ["-- \nAda Beispiel", "Mit freundlichen Grüßen\nAda Beispiel", "Von meinem iPhone gesendet", "Viele Grüße\nAda"],
    "it": ["-- \nAda Esempio", "Cordiali saluti,\nAda Esempio", "Inviato da iPhone", "Un cordiale saluto,\nAda"],
    "es": ["-- \nAda Ejemplo", "Un saludo,\nAda Ejemplo", "Enviado desde mi iPhone", "Saludos cordiales,\nAda"],
    "pt": ["-- \nAda Exemplo", "Cumprimentos,\nAda Exemplo", "Enviado do meu iPhone", "Atenciosamente,\nAda"],
    "nl": ["-- \nAda Voorbeeld", "Met vriendelijke groet,\nAda Voorbeeld", "Verstuurd vanaf mijn iPhone", "Groeten,\nAda"],
    "pl": ["-- \nAda Przykład", "Pozdrawiam,\nAda Przykład", "Wysłane z iPhone'a", "Z poważaniem\nAda Przykład"],
}  # fmt: skip


def _quoted(mark: str = "> ") -> str:
    return "\n".join((mark + line).rstrip() for line in QUESTION)


def _wrapped(line: str, width: int = 74) -> str:
    if len(line) <= width:
        return line
    at = line.rfind(" ", 0, width)
    return line[:at] + "\n" + line[at + 1 :]


def _outlook(language: str, style: str) -> str:
    keys, date = OUTLOOK_KEYS[language], OUTLOOK_DATES[language]
    space = " " if language == "fr" else ""
    values = (f"{WHO} <{ADDRESS}>", date, "Ada Example <ada@example.org>", "Re: Job pending [MIN-2026-000001]")
    star = "*" if style == "starred" else ""
    head = "\n".join(f"{star}{key}{space}:{star} {value}" for key, value in zip(keys, values, strict=True))
    if style == "ruled":
        head = "_" * 32 + "\n" + head
    if style == "original":
        head = f"-----{ORIGINAL[language]}-----\n{head}"
    if style == "mobile":
        head = "-" * 8 + f" {ORIGINAL[language]} " + "-" * 8 + f"\n{head}"
    return head + "\n\n" + "\n".join(QUESTION)


def _attributed(line: str, *, bare: bool = False) -> str:
    attribution = _wrapped(line.format(who=WHO, address=ADDRESS))
    return f"{attribution}\n\n" + "\n".join(QUESTION) if bare else f"{attribution}\n{_quoted()}"


def histories(language: str) -> Iterator[tuple[str, str, str]]:
    """(program, split, history)"""
    yield "gmail", "dev", _attributed(GMAIL[language])
    yield "thunderbird", "dev", _attributed(THUNDERBIRD[language])
    yield "outlook ruled", "dev", _outlook(language, "ruled")
    yield "outlook original", "dev", _outlook(language, "original")
    yield "apple mail", "test", _attributed(APPLE[language])
    yield "k-9", "test", _attributed(K9[language])
    yield "proton", "test", _attributed(PROTON[language])
    yield "yahoo", "test", _attributed(YAHOO[language], bare=True)
    yield "outlook starred", "test", _outlook(language, "starred")
    yield "outlook plain", "test", _outlook(language, "plain")
    yield "samsung", "test", _outlook(language, "mobile")
    if language == "en":
        yield "mutt", "test", _attributed(MUTT["en"])
        yield (
            "lotus",
            "test",
            f'From:        "{WHO}" <{ADDRESS}>\nTo:        "Ada" <ada@example.org>\nDate:        23.11.2026 09:12\nSubject:        Re: Job pending\n\n'
            + "\n".join(QUESTION),
        )
        yield "outlook quoted", "test", "\n".join("> " + line for line in _outlook("en", "original").split("\n"))


def fresh_histories(language: str) -> Iterator[tuple[str, str]]:
    yield "roundcube", _attributed(ROUNDCUBE[language])
    yield "gmail app", _attributed(GMAIL_APP[language])
    keys = ZIMBRA[language]
    date = OUTLOOK_DATES[language]
    from_line, to_line, sent_line, about = zip(
        keys, (f'"{WHO}" <{ADDRESS}>', '"Ada" <ada@example.org>', date, "Re: Job pending"), strict=True
    )
    yield (
        "em client",
        "\n".join(
            [EM_CLIENT[language], *(f"{k} {v}" for k, v in (from_line, to_line, sent_line, about)), "", *QUESTION]
        ),
    )
    yield "zimbra", "\n".join([*(f"{k}: {v}" for k, v in (from_line, to_line, sent_line, about)), "", *QUESTION])


def fresh_cases() -> Iterator[Case]:
    for language, answer in ANSWERS.items():
        for program, history in fresh_histories(language):
            for number, signature in enumerate(["", *FRESH_SIGNATURES[language]]):
                above = answer + (f"\n\n{signature}" if signature else "")
                yield Case(f"{language} {program} signature {number}", "fresh", f"{above}\n\n{history}\n", answer)


def cases() -> Iterator[Case]:
    yield from fresh_cases()
    for language, answer in ANSWERS.items():
        for program, split, history in histories(language):
            for number, signature in enumerate(["", *SIGNATURES[language]]):
                above = answer + (f"\n\n{signature}" if signature else "")
                # the last signature of each language was not looked at either
                held_out = split == "test" or number == len(SIGNATURES[language])
                name = f"{language} {program} signature {number}"
                yield Case(name, "test" if held_out else "dev", f"{above}\n\n{history}\n", answer)
            if "outlook" not in program and program not in {"yahoo", "samsung", "lotus"}:
                first, second = answer.split("\n")
                head = history.split("\n> ")[0]
                mixed = f"{head}\n> which system do you use?\n\n{first}\n\n> and what does squeue say?\n\n{second}\n"
                yield Case(f"{language} {program} between", split, mixed, f"{first}\n{second}")


def is_right(visible: str, wanted: str) -> bool:
    return [line for line in visible.split("\n") if line.strip()] == wanted.split("\n")
