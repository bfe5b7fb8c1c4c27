"""Which access mode gives so many hours."""

from __future__ import annotations

from knowledge_base.rows.row import Row, standing
from knowledge_base.tables import AccessMode, access_modes, as_of

TITLE = "Access modes"


def modes_for(hours: int, unit: str) -> list[Row]:
    """The modes whose band holds the amount, else those in the unit whose notes speak of amounts."""
    modes = [mode for mode in access_modes() if not mode.superseded]
    if unit == "gpu":
        inside = [mode for mode in modes if _holds(mode, hours)]
        return [_row(mode, f"{hours:,} GPU-hours lie in its band") for mode in inside] or [_unknown(hours, unit)]
    large = [mode for mode in modes if mode.id in {"regular", "extreme"}]
    said = f"no band in node-hours is confirmed, so {hours:,} node-hours can only be compared with its note"
    return [_row(mode, said) for mode in large if hours >= 10_000] or [_unknown(hours, unit)]


def _holds(mode: AccessMode, hours: int) -> bool:
    if mode.unit != "GPU-hours" or (mode.low is None and mode.high is None):
        return mode.id == "playground" and hours < 10_000
    return (mode.low or 0) <= hours <= (mode.high or hours)


def _row(mode: AccessMode, why: str) -> Row:
    systems = f"; systems: {mode.systems}" if mode.systems else ""
    text = (
        f"{mode.name} ({mode.family}): {why}. Amount as noted: {mode.amount}. "
        f"For {', '.join(mode.who)}; not for {', '.join(mode.not_for) or 'nobody in particular'}{systems}. "
        f"Cut-off: {mode.cut_off or 'not found'}. Open the call page before quoting "
        f"{standing(mode.status, as_of('access'))}."
    )
    return Row(id=f"access/{mode.id}", title=TITLE, heading=mode.name, text=text, url=mode.url)


def _unknown(hours: int, unit: str) -> Row:
    text = (
        f"Our table names no access mode with a confirmed band that holds {hours:,} {unit}-hours "
        f"(facts of {as_of('access')}); for small amounts Benchmark and Development Access count in "
        "node-hours, Playground Access in GPU-hours."
    )
    return Row(id=f"access/none/{unit}/{hours}", title=TITLE, heading="Amounts", text=text, url=None, known=False)
