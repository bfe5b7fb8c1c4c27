"""A rule of ten keyword patterns, to place the figures of triage: `python tests/evals/triage_keywords.py FILE...`

Written once, in the words that anybody would list for the levels and types, and not tuned on any set. Without files: on
the frozen test voices and the blind sets.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from triage.dataset import NONE, Labelled, load_all, load_labelled
from triage.evaluation import Judged, in_scope, level_figures, macro_f1, none_recall, share, type_figures
from triage.text import folded

BLIND = sorted(Path(__file__).parent.glob("triage_blind*.jsonl"))
NO_REQUEST = (
    r"out of office|abwesen|automatic reply|unsubscribe|newsletter",
    r"invoice|rechnung|facture|fattura|factura|% off|angebot|offert",
    r"thank you,? solved|can be closed|cv attached|internship",
)
LEVELS = {
    "L5": r"gdpr|dsgvo|rgpd|ai act|ki-verordnung|licen[cs]e|copyright|bias|consent|ethic|ethik|etic|audit|privacy|datenschutz|legal",
    "L4": r"fine-?tun|\b(?:q?lora|sft|dpo|rag|peft)\b|adapter|chat template|feinabstimm|instruct",
    "L3": r"from scratch|pre-?train|tokenizer|corpus|foundation model|von grund auf|da zero|desde cero",
    "L2": r"slow|throughput|latency|scal(?:e|ing)|multi-?(?:gpu|node)|nccl|ddp|fsdp|vllm|profil|tokens? ?(?:/|per) ?s|langsam|lent",
}
TYPES = {
    "T4": r"months?\b|monate|mois\b|mesi\b|meses|half a year|embedded|long-?term",
    "T3": r"hands-?on|workshop|(?:one|two|1|2) days?\b|zwei tage|deux jours|due giorni|dos dias|together on our",
    "T2": r"plan\b|advi[cs]e|estimate|roadmap|review|assess|recommend|beratung|conseil|consulenza|asesor",
}


def placed(row: Labelled) -> tuple[str, str]:
    text = folded(f"{row.request.subject}\n{row.request.body}")
    if any(re.search(pattern, text) for pattern in NO_REQUEST):
        return NONE, NONE
    level = next((name for name, pattern in LEVELS.items() if re.search(pattern, text)), "L1")
    return level, next((name for name, pattern in TYPES.items() if re.search(pattern, text)), "T1")


def judged(row: Labelled) -> Judged:
    level, kind = placed(row)
    return Judged(truth=row, level=level, type=kind, level_confidence=1.0, type_confidence=1.0)


def figures(name: str, rows: list[Labelled]) -> str:
    found = [judged(row) for row in rows]
    level, kind = (macro_f1([each for each in of(found) if each.label != NONE]) for of in (level_figures, type_figures))
    both = share([each.both_right for each in in_scope(found)])
    return f"{name}: level {level:.3f}, type {kind:.3f}, both {both:.3f}, out of scope {none_recall(found):.3f}"


def main() -> None:
    if not sys.argv[1:]:
        print(figures("frozen", [row for row in load_all() if row.is_test]))
    for path in map(Path, sys.argv[1:] or BLIND):
        print(figures(path.stem, load_labelled(path)))


if __name__ == "__main__":
    main()
