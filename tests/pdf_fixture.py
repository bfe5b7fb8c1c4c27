"""PDF files written by hand: real enough for every reader, small enough to be seen through."""

from __future__ import annotations

import io

from pypdf import PdfReader, PdfWriter


def pdf_of(
    pages: list[list[str]], *, title: str = "", outline: dict[str, int] | None = None, password: str = ""
) -> bytes:
    """A PDF with these lines on its pages; `outline` maps bookmark titles to page numbers from 0."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        shown = b" ".join(b"(%s) Tj T*" % _escaped(line) for line in lines)
        stream = b"BT /F1 11 Tf 14 TL 50 800 Td %s ET" % shown
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    raw = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    raw += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    raw += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, raw.rindex(b"xref\n0"))
    return _described(raw, title, outline or {}, password)


def _escaped(line: str) -> bytes:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("latin-1")


def _described(raw: bytes, title: str, outline: dict[str, int], password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(raw)))
    if title:
        writer.add_metadata({"/Title": title, "/ModDate": "D:20260301120000Z"})
    for name, page in outline.items():
        writer.add_outline_item(title=name, page_number=page)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
