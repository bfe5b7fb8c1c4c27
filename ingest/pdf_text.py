"""Text of a PDF, read in a process of its own: a hostile file can take only its time and memory, not the service's.

Run as `python -m ingest.pdf_text` with the file on standard input.
"""

from __future__ import annotations

import io
import logging
import resource
import subprocess
import sys

MAX_PAGES = 40
TIMEOUT_S = 15
_MAX_MEMORY_BYTES = 1 << 30
_MAX_OUTPUT_BYTES = 1_000_000


def pdf_text(content: bytes) -> tuple[str, str | None]:
    """Text of the first 40 pages, and why it could not be read, None when it could."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ingest.pdf_text"],
            input=content,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"reading it took more than {TIMEOUT_S} s"
    except OSError as error:
        return "", f"no process could be started: {error.strerror}"
    if done.returncode != 0:
        return "", "damaged, encrypted, or far too large when unpacked"
    text = done.stdout.decode("utf-8", "replace").replace("\0", "")
    return text, None if text.strip() else "it holds no text, only pictures"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT_S, TIMEOUT_S))
    from pypdf import PdfReader  # noqa: PLC0415  # only this process pays for it

    logging.disable(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(sys.stdin.buffer.read()))
    written = 0
    for page in reader.pages[:MAX_PAGES]:
        data = f"{page.extract_text()}\n".encode("utf-8", "replace")[: _MAX_OUTPUT_BYTES - written]
        sys.stdout.buffer.write(data)
        written += len(data)


if __name__ == "__main__":
    main()
