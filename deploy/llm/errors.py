"""What can go wrong with a model server, in words for the person who can mend it."""

from __future__ import annotations

from agent.errors import HelpdeskError


class ServiceError(HelpdeskError):
    """A model server cannot be started, found or looked after as asked; `problems` names each reason."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))
        self.problems = problems
