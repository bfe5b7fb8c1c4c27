"""`minerva serve`."""

from __future__ import annotations


def serve() -> None:
    """Take mail, work on it, and open the desk; runs in the foreground."""
    from agent.logs import configure_logs  # noqa: PLC0415  # the other commands start without all of this
    from agent.serve import serve as run  # noqa: PLC0415
    from agent.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    configure_logs(settings.log_format)
    run(settings)
