"""Scripts in mails: fenced, indented, quoted, pasted between sentences, wrapped by the mail client."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evals"))

from doctor_cases import Labelled, foreign, labelled

from triage.doctor.diagnosis import Diagnosis, diagnose

SCRIPTS = [
    *labelled("correct_scripts.txt"),
    *foreign("foreign_correct.txt"),
    *(script for script in foreign("third_correct.txt") if script.text.startswith("#!")),
][::2]
BEFORE = "Dear support,\n\nmy job on the cluster does not start as I expected. Here is the script:\n\n"
AFTER = "\nThanks a lot for your help,\nAna\n"


def wrapped(text: str, width: int) -> str:
    """As a mail client wraps: at the last blank that fits, words are never cut."""
    found = []
    for line in text.split("\n"):
        rest = line
        while len(rest) > width and rest[:width].strip().count(" "):
            cut = rest[:width].rstrip().rfind(" ")
            found.append(rest[:cut])
            rest = rest[cut + 1 :]
        found.append(rest)
    return "\n".join(found)


def errors(diagnosis: Diagnosis) -> set[str]:
    found = {item.id for item in diagnosis.findings if item.severity == "error"}
    return {name for name in found if name != "form-broken-continuation"}


MANNERS: dict[str, Callable[[str], str]] = {
    "fenced": lambda text: f"{BEFORE}```bash\n{text}```\n{AFTER}",
    "indented": lambda text: f"{BEFORE}{textwrap.indent(text, '    ')}{AFTER}",
    "quoted": lambda text: BEFORE + textwrap.indent(text, "> ", lambda _: True) + AFTER,
    "raw": lambda text: f"{BEFORE}{text}{AFTER}",
    "windows": lambda text: f"{BEFORE}{text}{AFTER}".replace("\n", "\r\n"),
}


def differing(scripts: list[Labelled], mangle: Callable[[str], str]) -> list[str]:
    """Scripts with errors in the mail that they do not have alone."""
    return [script.name for script in scripts if errors(diagnose(mangle(script.text))) - errors(diagnose(script.text))]


@pytest.mark.parametrize("manner", MANNERS.values(), ids=list(MANNERS))
def test_script_in_a_mail_is_judged_like_the_script_alone(manner: Callable[[str], str]) -> None:
    assert differing(SCRIPTS, manner) == []


@pytest.mark.parametrize("width", [72, 76])
def test_wrapping_of_the_mail_client_is_undone(width: int) -> None:
    different = differing(SCRIPTS, lambda text: f"{BEFORE}{wrapped(text, width)}{AFTER}")
    print(f"wrapped at {width}: {len(different)} of {len(SCRIPTS)} with other errors: {different}")
    assert len(different) <= 0.05 * len(SCRIPTS)


def test_wrapping_of_the_mail_client_is_undone_in_other_scripts() -> None:
    """Comments, texts of `bash -c` and options at the end of a line too."""
    names = ("later", "third", "voices", "guests", "visitors", "tenth")
    scripts = [script for name in names for script in foreign(f"{name}_correct.txt") if script.text.startswith("#!")]
    for width in (72, 76):
        different = differing(scripts, lambda text, width=width: f"{BEFORE}{wrapped(text, width)}{AFTER}")  # type: ignore[misc]
        print(f"wrapped at {width}: {len(different)} of {len(scripts)} with other errors: {different}")
        assert len(different) <= 0.02 * len(scripts)


def test_word_cut_at_its_hyphen_is_joined_without_a_blank() -> None:
    text = (
        "#!/bin/bash\n#SBATCH --gpus-per-node=1\n"
        "srun -c 7 singularity exec /appl/local/laifs/containers/lumi-\nmultitorch-latest.sif python train.py\n"
    )
    corrected = diagnose(text, attachments=()).corrected_script or ""
    assert "/containers/lumi-multitorch-latest.sif python train.py" in corrected


def test_export_is_joined_only_where_the_text_is_wrapped() -> None:
    assignments = "export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 TRANSFORMERS_OFFLINE=1\nWANDB_MODE=offline\n"
    plain = f"#!/bin/bash\n#SBATCH --time=01:00:00\n{assignments}python train.py\n"
    assert "form-broken-continuation" not in {item.id for item in diagnose(plain).findings}
    cut = plain.replace(
        "python train.py", "srun python train.py --data /scratch/project_465000999/very/long\n--lr 1e-4"
    )
    assert "TRANSFORMERS_OFFLINE=1 WANDB_MODE=offline" in (diagnose(cut).corrected_script or "")
