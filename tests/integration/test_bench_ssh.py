"""The ssh transport against a real OpenSSH server on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.sshd_fixture import Sshd, missing_for_ssh, running_sshd

from bench_runner.errors import SlurmError
from bench_runner.reruns import slurm
from bench_runner.reruns.slurm import Ssh, transport_of

missing = missing_for_ssh()
pytestmark = pytest.mark.skipif(bool(missing), reason=missing)

HOSTILE = ["$(touch gone)", "`id`", "a b", "it's", '"', "\\", ";", "|", "&&", "*", "~", "-n", "\n", "é 漢", "#", ""]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd"), environment={"MARK": "seen"}) as running:
        yield running


@pytest.fixture
def cluster(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    monkeypatch.setenv("PATH", f"{server.path}{os.pathsep}{os.environ['PATH']}")
    found = transport_of("ssh:cluster")
    assert isinstance(found, Ssh)
    return found


def test_words_arrive_as_they_are_whatever_a_shell_would_make_of_them(cluster: Ssh) -> None:
    code, out, error = cluster.run(["printf", "%s\\0", *HOSTILE])
    assert (code, out.split("\0")[:-1], error) == (0, HOSTILE, "")


def test_input_exit_code_errors_and_environment_of_the_other_side(cluster: Ssh) -> None:
    assert cluster.run(["cat"], stdin="line one\nline $HOME\n") == (0, "line one\nline $HOME\n", "")
    assert cluster.run(["sh", "-c", "echo bad >&2; exit 7"]) == (7, "", "bad\n")
    assert cluster.run(["printenv", "MARK"])[1] == "seen\n"


def test_a_program_that_is_not_there_is_no_unreachable_host(cluster: Ssh) -> None:
    code, _, error = cluster.run(["no-such-program"])
    assert code == 127 and "no-such-program" in error


def test_files_are_fetched_and_their_ends_read(cluster: Ssh, tmp_path: Path) -> None:
    there = tmp_path / "a name with 'quotes'"
    there.write_text("\n".join(f"line {n}" for n in range(200)) + "\n", encoding="utf-8")
    assert slurm.copy_to(cluster, str(there), tmp_path / "here" / "copy")
    assert (tmp_path / "here" / "copy").read_text(encoding="utf-8") == there.read_text(encoding="utf-8")
    assert slurm.tail(cluster, str(there), 2) == "line 198\nline 199\n"
    assert not slurm.copy_to(cluster, str(tmp_path / "missing"), tmp_path / "here" / "other")


@pytest.mark.parametrize("host", ["stranger", "nowhere.invalid"])
def test_a_host_that_lets_us_not_in_or_is_not_there_is_told_at_once_and_may_be_tried_again(
    cluster: Ssh,  # its PATH
    host: str,
) -> None:
    with pytest.raises(SlurmError, match=f"{host} cannot be reached") as caught:
        Ssh(host).run(["true"])
    assert not caught.value.permanent


def test_a_server_that_stops_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_sshd(tmp_path) as running:
        monkeypatch.setenv("PATH", f"{running.path}{os.pathsep}{os.environ['PATH']}")
        assert Ssh("cluster").run(["true"])[0] == 0
    with pytest.raises(SlurmError, match="cannot be reached"):
        Ssh("cluster").run(["true"])
