"""The words of questions for data sets, recipes and trainings, as in `words`."""

from __future__ import annotations

import re

from knowledge_base.rows.words import any_of

TROUBLE = any_of(
    r"why", r"error", r"fail(?:s|ed)?", r"diverges?", r"crash\w*", r"slow", r"reduce", r"cannot", r"can't", r"not load",
    r"mismatch", r"too (?:much|large|big|high|low)", r"zu (?:hoh\w*|hoch|niedrig\w*|groß\w*|viel)", r"trop", r"troppo",
    r"demasiad[oa]", r"pourquoi", r"erreur", r"warum", r"fehler", r"perch[eé]", r"errore",
    r"por qu[eé]",
)  # fmt: skip
DATA_SET = any_of(
    r"data ?sets?", r"corpora", r"corpus", r"jeux? de donn[eé]es", r"datens[aä]tze?n?", r"conjuntos? de datos",
)  # fmt: skip
LICENCE = any_of(r"licen[cs]es?", r"licensed", r"licenza", r"licencia", r"lizenz", r"sous licence")
COMMERCIAL = re.compile(r"commerc|kommerz")
SIZE = any_of(
    r"how (?:large|big|many tokens)", r"(?:what is the )?size", r"taille", r"wie gro(?:ß|ss)", r"quanto [eè] grande",
    r"dimension[ei]", r"tama[nñ]o", r"cu[aá]n grande",
)  # fmt: skip
LANGUAGES = any_of(r"languages?", r"langues?", r"sprachen?", r"lingu[ae]", r"idiomas?")
LIST = any_of(
    r"which", r"what", r"list", r"quels?", r"quelles?", r"welche[rns]?", r"qual[ei]?", r"qu[eé]", r"cu[aá]les?",
)  # fmt: skip
USES = {
    "instruct": re.compile(r"instruction|instrucci[oó]n|istruzion|instruktion"),
    "preference": re.compile(r"pr[eé]f[eé]ren|pr[aä]feren|preferenc"),
    "translation": re.compile(r"translat|traduct|traduz|übersetz"),
    "benchmark": re.compile(r"benchmark|evaluat|évaluat|valutaz|evaluaci"),
    "pre-train": re.compile(r"pre-?train|pr[eé]-?entra|vortraining"),
}
MODALITIES = {
    "speech": any_of(r"speech", r"parole", r"sprach(?:e|daten)?", r"parlato", r"voz"),
    "code": any_of(r"code", r"source code", r"codice", r"c[oó]digo"),
    "image-text": any_of(r"images?", r"bild(?:er)?", r"immagini", r"im[aá]genes"),
}
LICENCES = {
    "Apache-2.0": re.compile("apache"),
    "MIT": re.compile(r"\bmit[ -](?:licen|lizenz)|(?:licen[cs]e|licenza|licencia|lizenz)[ -]mit\b"),
    "CC-BY-SA": re.compile("cc-?by-?sa"),
    "CC-BY": re.compile("cc-?by(?!-?sa)"),
    "CC0": re.compile("cc-?0"),
    "ODC-By": re.compile("odc"),
}
HOW_MUCH = any_of(
    r"how (?:much|many|large|big)", r"size", r"combien", r"taille", r"wie ?viele?", r"wie gro(?:ß|ss)", r"quant[oaei]",
    r"cu[aá]nt[oa]s?", r"tama[nñ]o", r"gpu[ -]hours? for",
)  # fmt: skip
TEXT = any_of(r"texte?s?", r"testo", r"texto", r"data")
COLLECTIONS = any_of(r"fineweb-?2", r"hplt(?: v?2)?")
GPU_HOURS = any_of(r"gpu[ -]?hours?", r"heures?[ -]gpu", r"gpu-?stunden", r"ore gpu", r"horas de gpu")
CHECKPOINT = any_of(r"checkpoints?")
MEMORY = any_of(r"memory", r"vram", r"m[eé]moire", r"(?:grafik)?speicher", r"memoria")
TUNING = {
    "qlora": any_of(r"qlora"),
    "lora": any_of(r"lora"),
    "full": re.compile(r"full[ -]?(?:parameter )?fine-?tun|fine-?tuning (?:complet|completo)|vollständig\w* fein"),
}
LEARNING_RATE = any_of(
    r"learning rates?", r"taux d'apprentissage", r"lernraten?", r"tasso di apprendimento", r"tasa de aprendizaje",
)  # fmt: skip
TRAININGS = any_of(
    r"trainings", r"training (?:courses?|events?|material)", r"courses?", r"workshops?", r"tutorials?",
    r"winter school", r"formations?", r"schulungen", r"kurse", r"corsi", r"cursos", r"formaciones",
)  # fmt: skip
OFFERED = any_of(
    r"minerva", r"offers?", r"are there", r"next", r"propose\w*", r"bietet", r"gibt es", r"offre", r"ofrece",
)  # fmt: skip
NEXT = any_of(r"next", r"coming", r"prochaine?s?", r"n[aä]chste[nrs]?", r"prossim[oaie]", r"pr[oó]xim[oa]s?")
ABOUT_EVENT = any_of(r"slides?", r"materials?", r"where", r"when", r"who", r"folien", r"wann", r"wo", r"quand", r"où")
PARAMS = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)?)[ -]?(?:b|bn|billion|milliarden?|milliards?|miliardi)\b(?! ?tok)")
TOKENS = re.compile(
    r"(?<![\w.,])(\d+(?:[.,]\d+)?) ?(b|bn|billion|t|trillion|milliarden?|milliards?|miliardi)\b[ -]?(?:of |de |di )?tok"
)
ACCELERATOR = re.compile(r"\b(a100|h100|gh200|mi250x?)\b")
