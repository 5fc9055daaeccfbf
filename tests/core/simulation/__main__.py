"""Many worlds: ``python -m tests.core.simulation --seeds 100000 [--start 0] [--jobs 2]``.

Prints the counts, what the worlds came to, and for every failing seed the command that shows it
again. Exit status 1 when there was one.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

from tests.core.simulation.world import run_world

BATCH = 500


def reproduction(seed: int) -> str:
    """The command that runs this one world again."""
    return f"python -m tests.core.simulation --seeds 1 --start {seed}"


def run_seeds(start: int, count: int) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Where the worlds came to rest, and (seed, story) of each one that failed."""
    ends: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    for seed in range(start, start + count):
        try:
            world = run_world(seed)
        except Exception:  # noqa: BLE001  whatever breaks a world is a finding, with its seed
            failures.append((seed, traceback.format_exc(limit=-4)))
        else:
            assert world.engine is not None
            ends[world.engine.state.status.value] += 1
            ends["events"] += len(world.disk.log)
            ends["attempts"] += len(world.keeper.spawned)
            ends["engine deaths"] += world.engines - 1
    return ends, failures


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.core.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many worlds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args(arguments)
    began = perf_counter()
    stop = options.start + options.seeds
    batches = [(at, min(BATCH, stop - at)) for at in range(options.start, stop, BATCH)]
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs) as pool:
            results = list(pool.map(run_seeds, *zip(*batches, strict=True)))
    else:
        results = [run_seeds(at, count) for at, count in batches]
    ends = sum((counted for counted, _failed in results), Counter[str]())
    failures = [failure for _counted, failed in results for failure in failed]
    for seed, story in failures[:20]:
        sys.stdout.write(f"seed {seed} failed; again: {reproduction(seed)}\n{story}\n")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))
    verdict = f"{options.seeds} seeds, {len(failures)} violations, {perf_counter() - began:.1f} s"
    sys.stdout.write(f"{verdict}; {counts}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
