"""What a program can take out of a request before a person reads it."""

from __future__ import annotations

import pytest

from agent.anonymous import anonymised, answer_alone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, I am Ada Byron, write to ada.byron@example.org.", "Hello, I am [name], write to [address]."),
        (
            "cd /scratch/project_465000123/abyron and /home/byron_a/run",
            "cd /scratch/[user]/abyron and /home/[user]/run",
        ),
        (
            "#SBATCH --account=project_465000123\n#SBATCH --partition=small-g",
            "#SBATCH --account=[project]\n#SBATCH --partition=small-g",
        ),
        ("ssh abyron@lumi.csc.fi", "ssh [user]@lumi.csc.fi"),
        ("call +49 89 1234 5678 about MIN-2026-17", "call [number] about [ticket]"),
        ("job 4711234 used 8 GPUs for 48:00:00 on 2026-11-23", "job [job] used 8 GPUs for 48:00:00 on 2026-11-23"),
        ("torch==2.13.0, 64 GB, 1,024 GPUs, lr 3e-4", "torch==2.13.0, 64 GB, 1,024 GPUs, lr 3e-4"),
    ],
)
def test_what_names_people_goes_and_what_is_technical_stays(text: str, expected: str) -> None:
    assert anonymised(text, ["Ada Byron"]) == expected


def test_an_answer_without_frame_and_numbers() -> None:
    body = (
        "Dear Ada Byron,\n\nUse small-g for single GPUs. [1] [2]\n\n```bash\nsbatch a[1]\n```\n\n"
        "Sources\n[1] LUMI > Partitions <https://x.eu>\n[2] Jobs\n\nKind regards,\nMINERVA support\n"
    )
    assert answer_alone(body) == "Use small-g for single GPUs.\n\n```bash\nsbatch a\n```"
