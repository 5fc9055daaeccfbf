"""How well the detectors tell sick runs from healthy ones, on a labelled set of scripted runs."""

from __future__ import annotations

import time
from collections import defaultdict

from bench.figures import Report, Row
from tests.core.labelled_runs import HEALTHY, SICK, WAITING, Outcome, labelled_set

SEED = 20_261_123
"""Another one than the thresholds were chosen on."""
EACH = 8


def measure(report: Report) -> None:
    """Add the rows: false alarms first, then each kind."""
    began = time.process_time()
    outcomes = list(labelled_set(SEED, EACH, EACH))
    took_s = time.process_time() - began
    healthy = [one for one in outcomes if not one.label]
    sick = [one for one in outcomes if one.label]
    names = {script.__name__ for script in WAITING}
    waiting = [one for one in healthy if one.script in names]
    print(f"  labelled runs, seed {SEED}: {len(healthy)} healthy of {len(HEALTHY)} sorts, "
          f"{len(sick)} sick of {len(SICK)} kinds")  # fmt: skip
    hours = sum(one.hours for one in healthy)
    alarms = sum(len(one.false) for one in healthy)
    report.add(Row("false alarms, waiting runs", "of runs", (float(_alarmed(waiting)),),
                   note=f"of {len(waiting)}"))  # fmt: skip
    report.add(Row("false alarms, healthy runs", "of runs", (float(_alarmed(healthy)),),
                   note=f"of {len(healthy)}; {_kinds(healthy)}"))  # fmt: skip
    report.add(Row("false alarms in 100 h of healthy work", "", (100 * alarms / hours,),
                   note=f"{alarms} in {hours:.0f} h"))  # fmt: skip
    found = sum(bool(one.found) for one in sick)
    report.add(Row("anomalies found, all kinds", "%", (100 * found / len(sick),),
                   note=f"{found} of {len(sick)}"))  # fmt: skip
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for one in sick:
        kinds[one.label].append(one)
    for label, ones in kinds.items():
        delays = tuple(one.delay_s for one in ones if one.delay_s is not None)
        note = f"{len(delays)} of {len(ones)} found"
        if delays:
            report.add(Row(f"until it is flagged: {label}", "s", delays, note=note))
        else:
            report.leave_out(label, note)
    looks = sum(one.hours for one in outcomes) * 240
    report.add(Row("a look at a run, with the scripted world", "µs", (1e6 * took_s / looks,)))


def _alarmed(outcomes: list[Outcome]) -> int:
    return sum(bool(one.false) for one in outcomes)


def _kinds(outcomes: list[Outcome]) -> str:
    kinds = sorted(kind for one in outcomes for kind in one.false)
    return ", ".join(kinds) or "none"
