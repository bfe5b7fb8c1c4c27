"""`minerva bench` as a user runs it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from bench_examples import SHARED
from click.testing import Result
from typer.testing import CliRunner

from agent.cli.bench import bench_app

HEADER = "Supercomputer,Partition,Model,Dataset,Framework,Concurrency Level,Number of Nodes,GPUs per Node,Total Used GPUs,Tensor"
HEADER += ",TTFT (ms),TPOT (ms),Output Throughput (tokens/s),Request Throughput (requests/s),Global Score"
SOUND = "Hydra,GPU,Some-8B,sonnet,vllm,100,1,4,4,4,100.0,48.0,2000.0,10.0,1.5"
COUNTED_TWICE = "Hydra,GPU,Some-8B,sharegpt,vllm,100,4,4,64,16,100.0,48.0,2000.0,10.0,1.5"
DEAD = "Hydra,GPU,Some-8B,other,vllm,100,1,4,4,4,0.0,0.0,0.0,0.0,inf"
CRASHED = "Namespace(backend='vllm', model='Some-8B', max_concurrency=10)\nStarting initial single prompt test run...\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(bench_app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text("\n".join([HEADER, SOUND, COUNTED_TWICE, DEAD]) + "\n", encoding="utf-8")
    (tmp_path / "client.log").write_text(CRASHED, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing here\n", encoding="utf-8")
    return tmp_path


def test_the_report_counts_verdicts_and_gives_reasons_by_rule(folder: Path) -> None:
    found = run("audit", folder)
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith(
        "4 results in 2 files: 1 verified, 1 suspect, 2 invalid.\nRuns: 2 finished, 2 failed."
    )
    assert "D1  GPUs = nodes x GPUs per node = TP x PP x DP: 1 rows (1 suspect)" in found.stdout
    assert (
        "table.csv:3: Hydra vllm Some-8B sharegpt 4 nodes TP 16 c=100\n    64 GPUs are stated, but 4 nodes"
        in found.stdout
    )
    assert "its Global Score are printed as inf" in found.stdout
    assert "the server did not answer" in found.stdout
    assert "1 files without results that this program knows" in found.stdout


def test_the_report_as_json(folder: Path) -> None:
    found = run("audit", folder, "--json")
    report = json.loads(found.stdout)
    assert report["verdicts"] == {"verified": 1, "suspect": 1, "invalid": 2}
    assert [rule["rule"] for rule in report["rules"]] == ["D1", "D10"]
    assert len(report["rows"]) == 4 and report["rows"][1]["confirmed_by"] == ["D7"]
    assert report["skipped"] == [str(folder / "notes.txt")]
    assert found.stdout == json.dumps(report, ensure_ascii=False, indent=1) + "\n", "written in pieces, read as one"


def test_the_report_on_nothing_as_json(tmp_path: Path) -> None:
    report = json.loads(run("audit", tmp_path, "--json").stdout)
    assert (report["results"], report["rows"], report["rules"]) == (0, [], [])


def test_the_audit_loads_neither_the_desk_nor_a_database(folder: Path) -> None:
    """A hundred thousand rows are to fit beside the program."""
    code = (
        "import sys; from agent.cli import app; app(['bench', 'audit', sys.argv[1]], standalone_mode=False); "
        "sys.exit(str({'agent.store', 'sqlalchemy', 'agent.settings'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("4 results") and done.stderr.endswith("set()\n")


def test_normalised_results_as_lines_of_json(folder: Path) -> None:
    found = run("import", folder, "--jsonl")
    assert found.exit_code == 0
    crashed, sound, _, dead = (json.loads(line) for line in found.stdout.splitlines())
    assert crashed["state"] == "failed" and crashed["metrics"] == []
    assert sound["spec"]["tp"] == 4 and sound["verdict"] == "verified"
    assert {"name": "output_throughput", "value": 2000.0, "unit": "tok/s", "how": "measured"} in sound["metrics"]
    assert sound["provenance"]["line"] == 2 and len(sound["provenance"]["sha256"]) == 64
    assert dead["state"] == "failed" and dead["original"]["Global Score"] == "inf"


def test_importing_twice_gives_the_same_lines(folder: Path) -> None:
    shutil.copy(folder / "table.csv", folder / "zz_copy.csv")
    once, again = run("import", folder / "table.csv", "--jsonl"), run("import", folder / "table.csv", "--jsonl")
    both = run("import", folder / "table.csv", folder / "zz_copy.csv", "--jsonl")
    assert once.stdout == again.stdout == both.stdout
    assert "3 records were the same as others" in both.stderr


def test_importing_stores_once_and_keeps_the_original(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_DATA_DIR", str(folder / "var"))
    table = folder / "table.csv"
    first = run("import", table, "--measured", "2026-01")
    assert first.exit_code == 0
    assert first.stdout.startswith("3 new results stored: 1 verified, 1 suspect, 1 invalid.")
    assert run("import", table).stdout.startswith("No new results. 3 were stored already.")
    (kept,) = (folder / "var" / "bench" / "originals").rglob("*.gz")
    assert gzip.decompress(kept.read_bytes()) == table.read_bytes()


def test_a_date_that_is_none_is_refused(folder: Path) -> None:
    found = run("import", folder / "table.csv", "--measured", "yesterday")
    assert found.exit_code == 2 and "2026-01-31" in found.stderr


def test_bad_input_names_file_and_line_and_the_rest_goes_on(folder: Path) -> None:
    bad = folder / "bad.csv"
    bad.write_text("\n".join([HEADER, "too,few", SOUND]) + "\n", encoding="utf-8")
    found = run("audit", bad, folder / "missing.json", folder / "notes.txt", folder / "table.csv")
    assert found.exit_code == 1
    assert f"minerva: {bad}:2: 2 cells where the header has 15" in found.stderr
    assert "missing.json:1: cannot be read: No such file" in found.stderr
    assert "notes.txt:1: holds no results in a format that this program knows" in found.stderr
    assert found.stdout.startswith("3 results in 2 files") or found.stdout.startswith("4 results in 2 files")


@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe", b'{"completed": ', b"\xef\xbb\xbf"])
def test_broken_files_end_in_a_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    found = run("audit", file)
    assert found.exit_code == 1 and "x.json:1: " in found.stderr
    assert found.exception is None or isinstance(found.exception, SystemExit)


@pytest.mark.skipif(not (SHARED / "benchmarks").exists(), reason="needs the material beside the checkout")
def test_the_real_folder_is_read_without_an_error() -> None:
    found = run("audit", SHARED / "benchmarks" / "minerva-benchmarks", "--json")
    report = json.loads(found.stdout)
    assert found.exit_code == 0 and report["problems"] == []
    assert report["results"] == 849 + 849 + 420 + 147 + 17
    assert {rule["rule"] for rule in report["rules"]} >= {"D1", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D17"}


def test_foreign_text_cannot_break_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(
        '{"completed": 1, "backend": "vllm", "dataset_name": "\\u001b[31m\\ud800red", "x": "\\udfff"}', encoding="utf-8"
    )
    for found in (run("audit", file), run("audit", file, "--json"), run("import", file, "--jsonl")):
        assert found.exit_code == 0 and "\x1b" not in found.stdout
        assert "red" in found.stdout


def test_questions_to_the_stored_results(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_DATA_DIR", str(folder / "var"))
    other = SOUND.replace("vllm", "sglang").replace("2000.0,10.0", "3000.0,15.0").replace("48.0", "31.5")
    (folder / "more.csv").write_text("\n".join([HEADER, other]) + "\n", encoding="utf-8")
    assert run("import", folder / "table.csv", folder / "more.csv", "--measured", "2026-01").exit_code == 0
    ranked = json.loads(run("results", "--system", "hydra", "--json").stdout)["configurations"]
    assert [item["figures"]["output_throughput"]["value"] for item in ranked] == [3000.0, 2000.0, 2000.0]
    text = run("results", "--framework", "vllm", "--at-most", "ttft_mean=200", "--top", "1").stdout
    assert "2000 tok/s (1922 to 2078: one sample, noise of repeats)" in text and "measured 2026-01" in text
    assert "Not measured" in run("results", "--system", "JUPITER").stdout
    compared = run("compare", "--by", "framework").stdout
    assert "output_throughput: 2000 and 3000 tok/s, +50.0%: more than noise (floor 3.9%)" in compared
    two = [item["runs"][0][:8] for item in ranked[:2]]
    assert json.loads(run("compare", *two, "--json").stdout)["pairs"][0]["unlike"]
    assert run("compare").exit_code == 2 and run("compare", "--by", "colour").exit_code == 2
    assert "GPUs" in run("results", "--scaling").stdout
    assert run("plot", "throughput", folder / "a.svg").exit_code == 0 and (folder / "a.svg").stat().st_size > 1000
    assert run("plot", "nothing", folder / "a.svg").exit_code == 2
    assert "4 results (2 verified, 1 suspect, 1 invalid) written" in run("export", folder / "a.csv").stdout
    assert run("export", folder / "a.html", "--system", "hydra").exit_code == 0
    assert "Hydra" in (folder / "a.html").read_text(encoding="utf-8")
    assert (folder / "a.csv").read_text(encoding="utf-8").count("\n") == 5
    assert run("export", folder / "a.txt").exit_code == 2
    assert "Nothing was pushed" in run("publish", folder / "tree").stdout
    assert "4 runs: 2 verified, 1 suspect, 1 invalid." in (folder / "tree" / "README.md").read_text(encoding="utf-8")


def test_the_page_is_served_until_interrupted_and_a_taken_port_is_told(folder: Path) -> None:
    environment = {**os.environ, "MINERVA_DATA_DIR": str(folder / "var")}
    serve = [sys.executable, "-m", "agent", "bench", "serve", "--port"]
    with subprocess.Popen([*serve, "0"], env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            address = started.stdout.readline().split()[2].rstrip(",")
            assert httpx.get(f"{address}columns.json").json()["rows"] == 0
            assert "Benchmarks" in httpx.get(address).text
            port = address.rstrip("/").rpartition(":")[2]
            taken = subprocess.run([*serve, port], env=environment, capture_output=True, text=True, check=False)
            assert taken.returncode != 0
            assert "choose another --port" in taken.stderr and "Traceback" not in taken.stderr
        finally:
            started.send_signal(signal.SIGINT)
        assert started.wait(20) in (0, 130, -signal.SIGINT)
