"""The form on the web, for people who would rather fill in fields than write a mail. Public; kept as a mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints, ValidationError
from starlette.datastructures import FormData, UploadFile

from agent import requesters
from agent.api.forms import Address, Line
from agent.desk.pages import page
from agent.desk.session import DeskState, same_origin
from agent.desk.state import Desk
from agent.mail.as_mail import Written, keep_as_mail
from agent.store.inbound import FORM
from agent.translations import marked

router = APIRouter()

MAX_FILES = 5
MAX_FIELDS = 20
MAX_BYTES = 20_000_000
"""Of the whole form."""
TOPICS = (marked("machine learning"), marked("data mining"), marked("data processing"), marked("other"))
_SAYS = {
    "name": marked("Tell us your name."),
    "address": marked("Give an e-mail address that we can answer to, such as ada@example.org."),
    "affiliation": marked("Choose what your institution is."),
    "subject": marked("Say in one line what it is about."),
    "text": marked("Describe what you need, in at most 100,000 characters."),
    "consent": marked("We cannot keep a request without your consent to the processing of your data."),
}
"""What is said of a field that cannot be used."""


class Filled(BaseModel):
    name: Annotated[Line, StringConstraints(max_length=100)]
    address: Address
    institution: Annotated[str, StringConstraints(max_length=200)] = ""
    affiliation: Literal["research", "public", "sme", "company", "other"]
    community: Annotated[str, StringConstraints(max_length=200)] = ""
    topic: Literal["", "machine learning", "data mining", "data processing", "other"] = ""
    subject: Line
    text: Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
    consent: Literal["yes"]
    newsletter: Literal["", "yes"] = ""

    def body(self) -> str:
        more = {
            "Institution": self.institution,
            "Affiliation": requesters.AFFILIATIONS[self.affiliation],
            "Community": self.community,
            "AI topic": self.topic,
        }
        lines = [f"{name}: {' '.join(value.split())}" for name, value in more.items() if value.strip()]
        return f"{self.text.strip()}\n\n" + "\n".join(lines) + "\n"


@router.get("/request")
def empty(request: Request, desk: DeskState) -> Response:
    return _form(request, desk, {})


@router.get("/request/kept")
def kept(request: Request, desk: DeskState) -> Response:
    return page(request, "request_kept.html", support=desk.settings.support_address)


@router.get("/request/puzzle")
def puzzle(desk: DeskState) -> dict[str, str | int]:
    return desk.puzzles.new()


@router.post("/request")
async def send(request: Request, desk: DeskState) -> Response:
    """Nothing typed is lost: with a problem the form comes back as it was filled in, but for the files."""
    same_origin(request)
    size = request.headers.get("content-length", "")
    if not size.isdigit() or int(size) > MAX_BYTES:
        problem = marked("All files together may have 20 MB. Nothing was kept.")
        return _form(request, desk, {}, problem=problem, status_code=status.HTTP_413_CONTENT_TOO_LARGE)
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            filled = Filled.model_validate(texts)
        except ValidationError as error:
            wrong = {
                str(item["loc"][0]): _SAYS.get(str(item["loc"][0]), marked("This is too long."))
                for item in error.errors()
            }
            return _form(request, desk, texts, wrong=wrong, status_code=422)
        if not desk.puzzles.take(texts.get("proof", "")):
            problem = marked("We could not tell whether a person sent this. Nothing was kept; please send it again.")
            return _form(request, desk, texts, problem=problem, status_code=status.HTTP_403_FORBIDDEN)
        files = [(item.filename or "file", await item.read()) for item in _files(form)]
    peer = request.client.host if request.client else ""
    await run_in_threadpool(_keep, desk, filled, files, peer)
    desk.workflows.wake()
    return RedirectResponse("/request/kept", status.HTTP_303_SEE_OTHER)


def _files(form: FormData) -> list[UploadFile]:
    return [item for item in form.getlist("files") if isinstance(item, UploadFile) and item.filename]


def _keep(desk: Desk, filled: Filled, files: Sequence[tuple[str, bytes]], peer: str) -> None:
    written = Written(
        channel=FORM,
        peer=peer,
        name=filled.name,
        address=filled.address,
        subject=filled.subject,
        text=filled.body(),
        files=files,
    )
    with desk.database.write() as session:
        keep_as_mail(session, desk.settings, written)
        requesters.note_form(
            session,
            filled.address,
            institution=filled.institution.strip(),
            affiliation=filled.affiliation,
            newsletter=bool(filled.newsletter),
        )


def _form(
    request: Request,
    desk: Desk,
    typed: dict[str, str],
    *,
    problem: str = "",
    wrong: dict[str, str] | None = None,
    status_code: int = 200,
) -> Response:
    values: dict[str, Any] = {
        "typed": dict.fromkeys(Filled.model_fields, "") | typed,
        "problem": problem,
        "wrong": wrong or {},
        "AFFILIATIONS": requesters.AFFILIATIONS,
        "TOPICS": TOPICS,
        "MAX_FILES": MAX_FILES,
        "support": desk.settings.support_address,
    }
    return page(request, "request.html", status_code=status_code, **values)
