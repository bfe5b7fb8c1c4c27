"""What can go wrong with benchmark results."""

from __future__ import annotations


class BenchError(Exception):
    """Root of this package's errors; the message says what to do next."""


class SourceError(BenchError):
    """A file of results cannot be read at all."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


class ScanError(BenchError):
    """JSON that breaks off or is not JSON; `offset` is the byte where."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(problem)
        self.offset = offset
        self.problem = problem


class StoreError(BenchError):
    """The store of results cannot be opened or written."""


class PlotError(BenchError):
    """A picture cannot be drawn or written."""


class NotFoundError(BenchError):
    """There is no such result or run."""


class RequestError(BenchError):
    """A specification that cannot be run; `problems` names each field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["this cannot be run:", *(f"  - {problem}" for problem in problems)]))
        self.problems = problems


class BudgetError(BenchError):
    """A run that no budget covers."""


class StateError(BenchError):
    """What was asked does not fit the state of the run."""


class SlurmError(BenchError):
    """A Slurm command failed. `permanent`: the same again would fail the same way."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
