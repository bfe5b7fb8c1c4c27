"""Secrets in what people send us, replaced by what they were: `[GitHub token removed]`.

The raw original keeps them; a model, a search, a log, a draft and the desk get the masked text. Pure, linear in the
length of the text, and stable: masking masked text changes nothing. Line ends stay, so line numbers stay right.

Forms of tokens: https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, https://huggingface.co/docs/hub/security-tokens,
https://api.slack.com/authentication/token-types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ingest.message import InboundMessage

PRIVATE_KEY, PASSWORD = "private key", "password"  # names of kinds


@dataclass(frozen=True, slots=True)
class Masked:
    text: str
    kinds: tuple[str, ...]
    """What was removed, once each: `password`, `private key`, `GitHub token` …; empty when nothing was."""


# Tokens that are known by their form alone.
_TOKENS = (
    ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{40,255})"),
    ("GitLab token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|agent)-[\w-]{20,100}"),
    ("Hugging Face token", r"\b(?:hf|api_org)_[A-Za-z]{30,60}"),
    ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("Slack token", r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,250}"),
    ("Slack webhook", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,120}"),
    ("Google key", r"\b(?:AIza[\w-]{35}|ya29\.[\w-]{20,250}|GOCSPX-[\w-]{20,40})"),
    ("API key", r"\bsk-[A-Za-z0-9_-]{20,250}"),
    ("NVIDIA key", r"\bnvapi-[\w-]{40,100}"),
    ("package registry token", r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,250}|dckr_pat_[\w-]{20,60})"),
    ("Azure key", r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[A-Za-z0-9+/%=&.-]{20,300}"),
    ("age key", r"AGE-SECRET-KEY-1[A-Z0-9]{50,70}"),
    ("signed token", r"\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,2000}"),
)  # fmt: skip
_BY_FORM = [(kind, re.compile(pattern)) for kind, pattern in _TOKENS]
_ANCHORS = ("gh", "github_pat", "gl", "hf_", "api_org", "AKIA", "ASIA", "xox", "xapp", "slack.com", "AIza", "ya29.",
            "GOCSPX", "sk-", "nvapi", "npm_", "pypi-", "dckr", "Key=", "Signature=", "AGE-", "eyJ")  # fmt: skip

_QUOTE = r"[\"'`“”‘’*]{0,3}"
_VALUE = r"([^\s\"'`“”‘’,;]{4,200})"
# Names of passwords where something is assigned to them, in the languages that write to us.
_MEMORISED = (
    r"pass(?:word|wd|phrase|code|wort)|kennwort|\bpwd|\bpin|mot de passe|contrase(?:ñ|n)a|\bsenha|palavra-passe"
    r"|wachtwoord|has[łl]o|parola d['’]ordine|parola chiave"
)
_GENERATED = (
    r"(?:api|access|auth|secret|private|account|client|wandb|license|encryption|signing|storage)[_ -]?(?:api[_ -]?)?"
    r"(?:key|secret|token)|(?:api|hf|hub|github|gh|gitlab|slack|bot|bearer|refresh|oauth|session|id|user|access|auth|"
    r"pypi|npm|ngc|wandb|registry|deploy)[_-]token|\bsecret(?:[_-]?key)?|[A-Z]{2,20}_(?:TOKEN|SECRET|KEY)"
)
_GIVEN = r"[\w-]{0,20}" + _QUOTE + r"\s{0,3}(?::=|=>|[:=]|\s(?:is|ist|est|è|es|é|to|jest)\s:?)\s{0,3}" + _QUOTE + _VALUE
_ASSIGNED_PASSWORD = re.compile(r"(?:" + _MEMORISED + r")" + _GIVEN, re.IGNORECASE)
_ASSIGNED_TOKEN = re.compile(r"(?:" + _GENERATED + r")" + _GIVEN, re.IGNORECASE)
_OPTION = re.compile(
    r"--(?:pass(?:word|wd|phrase)?|token|api-key|secret|auth-token)(?:=|\s{1,3})" + _QUOTE + _VALUE, re.IGNORECASE
)
_COMMANDS = re.compile(
    r"(?:sshpass\s{1,3}-p\s?|mysql\s[^\n]{0,80}?\s-p|wandb\s{1,3}login\s{1,3}(?:--\w{1,20}\s{1,3}){0,3}|"
    r"\s-u\s{0,3}[\"']?[\w.@-]{1,60}:|docker\s{1,3}login\s[^\n]{0,80}?-p\s{1,3})" + _QUOTE + _VALUE
)
_HEADER = re.compile(r"\b(?:Bearer|Basic|Authorization:\s{0,3}[Tt]oken)\s{1,3}([A-Za-z0-9+/=_.~-]{12,4000})")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]{0,100}:([^\s/@\"'<>]{3,200})@")
_NETRC = re.compile(r"\blogin\s{1,3}\S{1,100}\s{1,3}password\s{1,3}(\S{3,200})")
_KEY_BEGIN = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:[^\n]{0,80}"
)
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|Private-MAC:[^\n]{0,200}")
_MAX_KEY_CHARACTERS = 20_000
_KEY_LINE = re.compile(
    r"[\s>|*#\"'+]{0,12}(?:[A-Za-z0-9+/=\\]{16,}|[A-Za-z-]{2,20}: [^\n]{1,100}|)[\"'\\,rn]{0,4}[ \t\r]*$"
)

_NO_SECRET = re.compile(
    r"[\[{<$%]|\\?\$|.*[(\[{]|[*xX.…•?_-]+$|os\.|self\.|args\.|cfg\.|config\.|settings\.|env\.|process\.|https?://|~?\.{0,2}/"
    r"|(?:none|null|nil|true|false|undefined|optional|required|str|string|changeme|example|redacted|removed|hidden|secret"
    r"|password|passwd|token|placeholder|dummy|empty|prompt|yes|no|auto)\b(?![\w!@#$%^&+-])"
    r"|(?:your|my|the|some|dein|ihr|votre|mon|tu|seu)[_-]",
    re.IGNORECASE,
)  # fmt: skip
_PLAIN_WORD = re.compile(r"[^\W\d_]+[.!?:]*$|[^\W\d_]+['’-][^\W\d_]+$")


_PIECE = 20_000


def mask_secrets(text: str) -> Masked:
    """Passwords, private keys, tokens and keys masked, wherever in the text they stand."""
    kinds: dict[str, None] = {}

    def by(kind: str, is_secret: Callable[[re.Match[str]], bool] = lambda _: True) -> Callable[[re.Match[str]], str]:
        def masked(found: re.Match[str]) -> str:
            group = 1 if found.re.groups else 0
            if not is_secret(found):
                return found[0]
            kinds[kind] = None
            begin, end = found.start(group) - found.start(), found.end(group) - found.start()
            return f"{found[0][:begin]}[{kind} removed]{found[0][end:]}"

        return masked

    def piece(text: str) -> str:
        if any(anchor in text for anchor in _ANCHORS):
            for kind, pattern in _BY_FORM:
                text = pattern.sub(by(kind), text)
        folded = text.casefold()
        for pattern, words, kind, is_secret in _BY_CONTEXT:
            if any(word in folded for word in words):
                text = pattern.sub(by(kind, is_secret), text)
        return text

    text = _without_keys(text, kinds)
    return Masked("".join(map(piece, _pieces(text))), tuple(kinds))


def _pieces(text: str) -> Iterator[str]:
    """Long texts in pieces: what is searched is then only what stands near a word that tells of a secret.

    Cut after a line that holds no such word, so that no secret is cut from its name.
    """
    begin = at = 0
    while len(text) - begin > _PIECE:
        at = text.find("\n", max(at, begin + _PIECE)) + 1
        if at == 0:
            break
        line = text[max(text.rfind("\n", 0, at - 1), at - 1000, 0) : at].casefold()
        if not any(word in line for word in _WORDS):
            yield text[begin:at]
            begin = at
    yield text[begin:]


def mask_message(message: InboundMessage) -> tuple[InboundMessage, tuple[str, ...]]:
    """The message with subject and texts masked, and what was removed. The bytes of attachments stay as they are."""
    subject, text = mask_secrets(message.subject), mask_secrets(message.text)
    visible = text if message.visible_text == message.text else mask_secrets(message.visible_text)
    kinds = tuple(dict.fromkeys((*subject.kinds, *text.kinds, *visible.kinds)))
    if not kinds:
        return message, ()
    return replace(message, subject=subject.text, text=text.text, visible_text=visible.text), kinds


def _without_keys(text: str, kinds: dict[str, None]) -> str:
    """Private keys left out, their line ends kept. One that is cut off ends where its lines end."""
    if "PRIVATE KEY" not in text and "PuTTY-User-Key" not in text:
        return text
    pieces: list[str] = []
    position = 0
    while (begin := _KEY_BEGIN.search(text, position)) is not None:
        end = _KEY_END.search(text, begin.end(), begin.end() + _MAX_KEY_CHARACTERS)
        stop = end.end() if end else _end_of_key_lines(text, begin.end())
        kinds[PRIVATE_KEY] = None
        key = text[begin.start() : stop]
        pieces += [text[position : begin.start()], f"[{PRIVATE_KEY} removed]", "\n" * key.count("\n")]
        position = stop
    return "".join([*pieces, text[position:]]) if pieces else text


def _end_of_key_lines(text: str, position: int) -> int:
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        if _KEY_LINE.match(text[position : min(end, position + 200)]) is None:
            return position
        position = end + 1
    return len(text)


def _is_given(found: re.Match[str]) -> bool:
    """A value, not a variable, a placeholder or a mask."""
    return _NO_SECRET.match(found[1]) is None


def _is_password(found: re.Match[str]) -> bool:
    """`password: hunter2` and `password = hunter`, not `password: does not work`."""
    if not _is_given(found):
        return False
    is_assigned = found[0][: found.start(1) - found.start()].rstrip("\"'`“”‘’* \t").endswith("=")
    return is_assigned or _PLAIN_WORD.match(found[1]) is None


def _looks_random(found: re.Match[str]) -> bool:
    """Letters and digits of some length: `max_key=4096`, `pad_token=<pad>` and `api_key=API_KEY` are no secrets."""
    value = found[1]
    has_both = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return _is_given(found) and len(value) >= 8 and has_both


# Each with the words without which it finds nothing, folded, and what tells a secret from a word.
_BY_CONTEXT: tuple[tuple[re.Pattern[str], tuple[str, ...], str, Callable[[re.Match[str]], bool]], ...] = (
    (_HEADER, ("bearer", "basic", "authorization:"), "access token", _looks_random),
    (_URL, ("://",), PASSWORD, _is_given),
    (_NETRC, ("login",), PASSWORD, _is_given),
    (_COMMANDS, ("sshpass", "mysql", "wandb", "-u", "docker"), PASSWORD, _is_given),
    (_OPTION, ("--pass", "--token", "--api-key", "--secret", "--auth-token"), PASSWORD, _is_given),
    (
        _ASSIGNED_PASSWORD,
        ("pass", "kennwort", "pwd", "pin", "contrase", "senha", "wachtwoord", "hasl", "hasł", "parola"),
        PASSWORD,
        _is_password,
    ),
    (_ASSIGNED_TOKEN, ("key", "secret", "token"), "access token", _looks_random),
)
_WORDS = tuple({*(word for _, words, _, _ in _BY_CONTEXT for word in words), *(a.casefold() for a in _ANCHORS)})
