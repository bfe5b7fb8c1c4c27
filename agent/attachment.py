"""Files that go with an answer. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import PurePosixPath

SCRIPT_TYPE = "text/x-shellscript"
SCRIPT_NAME = "job.sh"
_FENCED = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_SAME_SCRIPT = 0.5
"""How alike two blocks of code are, at least, for one to be an edit of the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def script_file(script: str, names: Sequence[str] = ()) -> Attachment:
    """The corrected script, named after the requester's file when one of `names` is a file of theirs."""
    named = next((name for name in names if PurePosixPath(name).suffix), SCRIPT_NAME)
    path = PurePosixPath(re.sub(r"[^\w.-]+", "_", PurePosixPath(named).name))
    return Attachment(
        filename=f"{path.stem[:80]}-corrected{path.suffix[:20]}",
        content_type=SCRIPT_TYPE,
        content=(script.rstrip() + "\n").encode(),
    )


def after_edit(files: Sequence[Attachment], before: str, after: str) -> tuple[Attachment, ...]:
    """The files of an answer whose text has been edited: a script that stands in the text follows it.

    It becomes the most similar block of code of the new text; it goes when the block has been taken out.
    """
    if before == after:
        return tuple(files)
    old, new = _blocks(before), _blocks(after)
    return tuple(kept for file in files if (kept := _followed(file, old, new)) is not None)


def _followed(file: Attachment, old: Sequence[str], new: Sequence[str]) -> Attachment | None:
    text = file.content.decode("utf-8", "replace").rstrip()
    if file.content_type != SCRIPT_TYPE or text not in old or text in new:
        return file
    alike = [(SequenceMatcher(None, text, block, autojunk=False).ratio(), block) for block in new]
    likeness, block = max(alike, default=(0.0, ""))
    return replace(file, content=(block + "\n").encode()) if likeness >= _SAME_SCRIPT else None


def _blocks(text: str) -> list[str]:
    return [found[2].rstrip() for found in _FENCED.finditer(text)]
