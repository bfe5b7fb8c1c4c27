from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.settings import load_settings


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_problem_is_reported_at_once_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_SMTP_PORT", "99999")
    monkeypatch.setenv("MINERVA_SUPPORT_ADDRESS", "nobody")
    monkeypatch.setenv("MINERVA_RELAY_USER", "u")
    monkeypatch.setenv("MINERVA_SMPT_HOST", "typo")
    monkeypatch.setenv("MINERVA_RELAY_PASSWORD_FILE", "/does/not/exist")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for name in ("SMTP_PORT", "SUPPORT_ADDRESS", "RELAY_PASSWORD", "SMPT_HOST", "RELAY_PASSWORD_FILE"):
        assert f"MINERVA_{name}" in str(caught.value)


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("hunter2-long\n")
    monkeypatch.setenv("MINERVA_RELAY_USER", "u")
    monkeypatch.setenv("MINERVA_RELAY_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load_settings()
    assert settings.relay_password is not None
    assert settings.relay_password.get_secret_value() == "hunter2-long"
    assert "hunter2" not in repr(settings)


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minerva.toml").write_text("smtp_port = 2525\ndesk_port = 9090\n")
    monkeypatch.setenv("MINERVA_DESK_PORT", "9999")
    settings = load_settings()
    assert (settings.smtp_port, settings.desk_port) == (2525, 9999)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.toml").write_text("smtp_port = = 3")
    monkeypatch.setenv("MINERVA_CONFIG", str(tmp_path / "broken.toml"))
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings()


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_CONFIG", "/does/not/exist.toml")
    with pytest.raises(SettingsError, match="MINERVA_CONFIG"):
        load_settings()


@pytest.mark.parametrize(
    "url", ["mysql://a:hunter2@h/d", "postgresql://a:hunter2@h", "hunter2", "postgresql://h:port/d"]
)
def test_only_an_address_of_postgresql_is_taken_and_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_DATABASE_URL", url)
    with pytest.raises(SettingsError, match="MINERVA_DATABASE_URL: is no address of PostgreSQL") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_the_database_lies_in_the_data_folder_or_where_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().database == Path("var/minerva.sqlite")
    assert load_settings().workflow_database == Path("var/workflows.sqlite")
    (tmp_path / "url").write_text("postgresql://minerva:hunter2@db.example.org/tickets?sslmode=verify-full\n")
    monkeypatch.setenv("MINERVA_DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = load_settings()
    assert settings.database == settings.workflow_database
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.database)
