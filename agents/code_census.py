"""Code census: measures a source tree, ranks its hot spots and finds duplicated functions.

Walks the tree (first argument, else ``CENSUS_ROOT``, else the standard library of the running
Python), parses every file, measures every function (lines, cyclomatic complexity, nesting,
docstring), finds functions that are equal but for names and constants, and near duplicates by
the fingerprints of their tokens. Writes ``code_census.md`` and ``code_census.json`` into
``REPORT_DIR`` (default ``reports/``).

The measures are too large for a checkpoint. They go to ``measures.jsonl`` in the run directory,
which only grows; the checkpoint holds how many bytes of it count, and a restart cuts off the rest.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import sysconfig
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from supervisor.agent import Agent

Facts = dict[str, Any]

STAGES = ["walk", "measure", "duplicates", "near duplicates", "report"]
BATCH_FILES = 20
"""Files between two checkpoints: a few seconds of work at most are done again."""
SMALLEST_STATEMENTS = 5
"""A shorter function is alike by chance."""
SHINGLE = 6
"""Node types in a row that make one fingerprint."""
WINDOW = 8
"""Fingerprints of which the smallest is kept (winnowing): repeats are found, at 1/4 the size."""
TOO_COMMON = 40
"""A fingerprint in more functions than this is an idiom, not a copy."""
NEAR = 0.75
"""Share of common fingerprints from which two functions are near duplicates."""
PORTION = 500
"""Functions compared in one durable step."""
SHOWN = 25
"""Entries of each ranking in the report."""
BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.With,
    ast.AsyncWith,
    ast.IfExp,
    ast.Assert,
    ast.comprehension,
    ast.match_case,
)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Measures:
    """The measures of all files: a file that only grows, one line for each source file."""

    def __init__(self, path: Path, good_bytes: int) -> None:
        self._path = path
        path.touch()
        os.truncate(path, good_bytes)  # past the checkpoint it is work that did not happen
        self.size_bytes = good_bytes

    def append(self, batch: list[Facts]) -> None:
        """Store one batch; on the disk when this returns."""
        data = "".join(json.dumps(entry) + "\n" for entry in batch).encode()
        with self._path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.size_bytes += len(data)

    def __iter__(self) -> Iterator[Facts]:
        """The stored measures, one file at a time."""
        with self._path.open("rb") as file:
            for line in file:
                yield json.loads(line)


# Measuring: plain functions of plain values.


def walk(root: str) -> list[str]:
    """All Python files below ``root``, relative to it, installed packages left out."""
    found = []
    for folder, subfolders, files in os.walk(root):
        hidden = {"site-packages", "dist-packages", "__pycache__", "node_modules"}
        subfolders[:] = sorted(s for s in subfolders if s not in hidden and not s.startswith("."))
        names = sorted(name for name in files if name.endswith(".py"))
        found += [os.path.relpath(Path(folder) / name, root) for name in names]
    return found


def measure_file(root: str, name: str) -> Facts:
    """Lines, functions and fingerprints of one file; ``problem`` when it does not parse."""
    try:
        source = (Path(root) / name).read_bytes()
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return {"file": name, "problem": f"{type(error).__name__}: {error}", "functions": []}
    functions = [measure_function(node, path) for path, node in functions_of(tree)]
    lines = source.splitlines()
    return {
        "file": name,
        "lines": len(lines),
        "blank": sum(not line.strip() for line in lines),
        "classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        "has_docstring": ast.get_docstring(tree, clean=False) is not None,
        "functions": functions,
    }


def functions_of(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every function with its dotted name, methods and nested ones included."""
    for node in ast.iter_child_nodes(tree):
        name = getattr(node, "name", None)
        path = f"{inside}.{name}" if inside and name else name or inside
        if isinstance(node, FUNCTIONS):
            yield path, node
        is_named = isinstance(node, (*FUNCTIONS, ast.ClassDef))
        yield from functions_of(node, path if is_named else inside)


def measure_function(node: Any, path: str) -> Facts:
    """The measures of one function, and what duplicates are found by."""
    shape = list(shape_of(node.body))
    statements = sum(isinstance(inner, ast.stmt) for inner in ast.walk(node)) - 1
    facts = {
        "name": path,
        "line": node.lineno,
        "length": node.end_lineno - node.lineno + 1,
        "complexity": complexity(node),
        "nesting": nesting(node.body),
        "has_docstring": ast.get_docstring(node, clean=False) is not None,
    }
    if statements >= SMALLEST_STATEMENTS:
        facts["shape"] = hashlib.sha256(" ".join(shape).encode()).hexdigest()[:24]
        facts["prints"] = fingerprints(shape)
    return facts


def complexity(function: ast.AST) -> int:
    """McCabe: one, and one more for each branch and each further operand of and/or."""
    total = 1
    for node in ast.walk(function):
        if isinstance(node, BRANCHES):
            total += 1
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
    return total


def nesting(body: Iterable[ast.AST]) -> int:
    """How deep blocks stand in blocks; functions inside count for themselves."""
    return max((_depth(node) for node in body), default=0)


def _depth(node: ast.AST) -> int:
    if isinstance(node, FUNCTIONS):
        return 0
    if isinstance(node, ast.If) and [type(n) for n in node.orelse] == [ast.If]:
        # An elif stands beside its if, though the tree has it inside.
        return max(1 + nesting([node.test, *node.body]), _depth(node.orelse[0]))
    return nesting(ast.iter_child_nodes(node)) + isinstance(node, BLOCKS)


def shape_of(body: list[ast.stmt]) -> Iterator[str]:
    """The types of the nodes in order, docstring, names and constants left out."""
    first = body[0]
    has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    for statement in body[1:] if has_text else body:
        yield from _shape(statement)


def _shape(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield f".{node.attr}"  # what is called tells one loop from another
    elif not isinstance(node, (ast.Load, ast.Store)):
        yield type(node).__name__
    for child in ast.iter_child_nodes(node):
        yield from _shape(child)


def fingerprints(shape: list[str]) -> list[int]:
    """The winnowed hashes of all runs of ``SHINGLE`` node types (Schleimer et al., 2003)."""
    runs = (" ".join(shape[i : i + SHINGLE]) for i in range(len(shape) - SHINGLE + 1))
    hashes = [
        int.from_bytes(hashlib.blake2b(run.encode(), digest_size=6).digest(), "big") for run in runs
    ]
    windows = (hashes[i : i + WINDOW] for i in range(max(1, len(hashes) - WINDOW + 1)))
    return sorted({min(window) for window in windows if window})


# Duplicates.


def duplicates(measures: Iterable[Facts]) -> list[Facts]:
    """Groups of functions that differ in names and constants only, most lines to save first."""
    groups: dict[str, list[Facts]] = defaultdict(list)
    for entry in measures:
        for function in entry["functions"]:
            if "shape" in function:
                groups[function["shape"]].append(place(entry, function))
    repeated = [group for group in groups.values() if len(group) > 1]
    ranked = sorted(repeated, key=lambda group: -group[0]["length"] * (len(group) - 1))
    return [{"saves": g[0]["length"] * (len(g) - 1), "functions": g} for g in ranked]


def place(entry: Facts, function: Facts) -> Facts:
    """Where a function stands, and how long it is."""
    return {
        "file": entry["file"],
        "name": function["name"],
        "line": function["line"],
        "length": function["length"],
    }


class NearIndex:
    """Functions by fingerprint, to find pairs that share most of them."""

    def __init__(self, measures: Iterable[Facts]) -> None:
        self.functions: list[tuple[Facts, set[int], str]] = []
        self._by_print: dict[int, list[int]] = defaultdict(list)
        for entry in measures:
            for function in entry["functions"]:
                if len(function.get("prints", ())) >= SMALLEST_STATEMENTS:
                    self._add(entry, function)
        common = [p for p, owners in self._by_print.items() if len(owners) > TOO_COMMON]
        for fingerprint in common:
            del self._by_print[fingerprint]

    def _add(self, entry: Facts, function: Facts) -> None:
        number = len(self.functions)
        prints = set(function["prints"])
        self.functions.append((place(entry, function), prints, function["shape"]))
        for fingerprint in prints:
            self._by_print[fingerprint].append(number)

    def pairs(self, start: int, stop: int) -> list[Facts]:
        """The near duplicates of functions ``start`` to ``stop`` among the ones after them."""
        found = []
        for number in range(start, stop):
            where, prints, shape = self.functions[number]
            shared = Counter(
                other
                for fingerprint in prints
                for other in self._by_print.get(fingerprint, ())
                if other > number
            )
            for other, count in shared.items():
                also, others, other_shape = self.functions[other]
                likeness = len(prints & others) / len(prints | others) if count > 1 else 0.0
                if likeness >= NEAR and shape != other_shape:
                    found.append({"likeness": round(likeness, 3), "functions": [where, also]})
        return found


# The report.


def summary(measures: Iterable[Facts]) -> Facts:
    """Totals over the tree, and its hot spots: long, branching and deeply nested at once."""
    totals: Counter[str] = Counter()
    problems, functions = [], []
    for entry in measures:
        totals["files"] += 1
        if "problem" in entry:
            problems.append({"file": entry["file"], "problem": entry["problem"]})
            continue
        totals["lines"] += entry["lines"]
        totals["blank lines"] += entry["blank"]
        totals["classes"] += entry["classes"]
        for function in entry["functions"]:
            totals["functions"] += 1
            totals["functions with docstring"] += function["has_docstring"]
            measured = {key: function[key] for key in ("complexity", "nesting")}
            functions.append({**place(entry, function), **measured})
    functions.sort(key=heat, reverse=True)
    return {"totals": dict(totals), "problems": problems, "hot_spots": functions[:SHOWN]}


def heat(function: Facts) -> int:
    """How hard a function is to change: the product of what makes it so."""
    return int(function["complexity"] * (1 + function["nesting"]) * function["length"])


def markdown(report: Facts) -> str:
    """The report for people."""
    lines = [f"# Code census of {report['root']}", ""]
    lines += [f"- {name}: {count}" for name, count in report["totals"].items()]
    lines += [
        "",
        "## Hot spots",
        "",
        "| function | lines | complexity | nesting |",
        "|---|---|---|---|",
    ]
    for spot in report["hot_spots"]:
        where = f"{spot['file']}:{spot['line']} `{spot['name']}`"
        lines.append(f"| {where} | {spot['length']} | {spot['complexity']} | {spot['nesting']} |")
    lines += ["", f"## Duplicates: {report['duplicate_groups']} groups", ""]
    for group in report["duplicates"]:
        places = ", ".join(f"{f['file']}:{f['line']}" for f in group["functions"][:6])
        lines.append(f"- {group['saves']} lines: `{group['functions'][0]['name']}` in {places}")
    lines += ["", f"## Near duplicates: {report['near_pairs']} pairs", ""]
    for pair in report["near_duplicates"]:
        one, other = (f"{f['file']}:{f['line']} `{f['name']}`" for f in pair["functions"])
        lines.append(f"- {pair['likeness']:.0%}: {one} and {other}")
    lines += ["", f"## Files that do not parse: {len(report['problems'])}", ""]
    lines += [f"- {p['file']}: {p['problem']}" for p in report["problems"]]
    return "\n".join(lines) + "\n"


def replace_text(path: Path, text: str) -> None:
    """Put ``text`` into ``path``; a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(path)


def root_folder() -> str:
    """The tree to measure, as an absolute path."""
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CENSUS_ROOT", "")
    return str(Path(named or sysconfig.get_paths()["stdlib"]).resolve())


def main() -> None:
    """Run the census, or go on with it."""
    warnings.simplefilter("ignore")  # about the source being measured, which is not ours
    root = root_folder()
    with Agent() as agent:
        agent.stages(STAGES)
        stored = agent.resumed or {"measured_bytes": 0}
        measures = Measures(Path(agent.run_dir) / "measures.jsonl", stored["measured_bytes"])

        agent.stage("walk")
        files = agent.step(walk, root)
        batches = [files[i : i + BATCH_FILES] for i in range(0, len(files), BATCH_FILES)]

        for batch in agent.track(batches, stage="measure", unit=f"batches of {BATCH_FILES}"):
            measures.append([measure_file(root, name) for name in batch])
            # Stored together with the position of the loop, so the two never disagree.
            agent.stash({"measured_bytes": measures.size_bytes})

        agent.stage("duplicates")
        report = {"root": root, **summary(measures)}
        if report["problems"]:
            names = [problem["file"] for problem in report["problems"]]
            agent.anomaly("unparsable-files", f"{len(names)}, such as {names[0]}", "info")
        groups = duplicates(measures)

        agent.stage("near duplicates")
        pairs = find_near_duplicates(agent, NearIndex(measures))

        agent.stage("report")
        report |= {"duplicate_groups": len(groups), "duplicates": groups[:SHOWN]}
        report |= {"near_pairs": len(pairs), "near_duplicates": pairs[:SHOWN]}
        folder = Path(os.environ.get("REPORT_DIR", "reports"))
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / "code_census.json", json.dumps(report, indent=2) + "\n")
        replace_text(folder / "code_census.md", markdown(report))
        agent.log(f"{len(files)} files measured, reports in {folder}")


def find_near_duplicates(agent: Agent, index: NearIndex) -> list[Facts]:
    """All near pairs, likest first. Each portion is a durable step: found once, kept."""
    pairs: list[Facts] = []
    total = len(index.functions)
    for start in range(0, total, PORTION):
        agent.progress(start, total, "functions")
        pairs += agent.step(index.pairs, start, min(start + PORTION, total))
    agent.progress(total, total, "functions")
    return sorted(pairs, key=lambda pair: -pair["likeness"])


if __name__ == "__main__":
    main()
