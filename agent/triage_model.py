"""Which triage model is used."""

from __future__ import annotations

from pathlib import Path

from agent.settings import Settings
from triage.model import DESCRIPTION_NAME, MODEL_FOLDER


def triage_model_folder(settings: Settings) -> Path:
    """The model trained on this helpdesk's corrections, else the one that ships."""
    own = settings.triage_model_dir
    return own if (own / DESCRIPTION_NAME).is_file() else MODEL_FOLDER
