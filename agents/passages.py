"""Finding passages about a question, and statements that contradict each other, by plain rules.

A part of ``research.py``: texts in, passages and statements with their source and line out. The
ranking is BM25 (Robertson and Zaragoza, 2009) with its usual constants.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PASSAGE_CHARACTERS = 1200
K1, B = 1.2, 0.75
ALIKE = 0.6
"""Part of the words that two statements share from which on they are about the same thing."""
COMMON_WORDS = 3
"""But so many at least: two words are shared by chance."""

STOP_WORDS = frozenset(  # a list of forty quoted words would be harder to read
    "a about after all also an and any are as at be been before but by can could did do does for "
    "from had has have how if in into is it its many may more most much must no not of on one only "
    "or other our out over same shall should so some such than that the their them then there "
    "these they this those to under until up use used using was we were what when where which "
    "while who why will with without would you your".split()
)
NEGATIONS = re.compile(r"\b(not|never|no longer|cannot|can't|isn't|doesn't|without|nor)\b", re.I)
VALUE = re.compile(
    r"(?P<sign>[<>~^=]=?\s*)?(?P<currency>[$€£]\s?)?(?<![\w.])(?P<number>\d+(?:[.,]\d+)*)"
    r"\s?(?P<unit>%|percent|[A-Za-z]+)?"
)
UNIT_WORDS = {
    "s": "second", "sec": "second", "ms": "millisecond", "min": "minute", "h": "hour",
    "percent": "%", "mib": "mb", "kib": "kb", "gib": "gb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a source."""

    source: str
    line: int
    """Where it begins, counted from 1."""
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence that states a value, or that something is or is not so."""

    source: str
    line: int
    text: str
    words: frozenset[str]
    """What it is about."""
    values: tuple[tuple[str, str], ...]
    """(unit, number) of each value."""
    is_negated: bool


def words_of(text: str) -> list[str]:
    """The words that carry meaning, in their simplest form."""
    found = re.findall(r"[a-zA-Z][a-zA-Z0-9_-]+", text.lower())
    return [stem(word) for word in found if word not in STOP_WORDS]


def stem(word: str) -> str:
    """``retries``, ``retried`` and ``retry`` are one word; rough, and the same for both sides."""
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + instead
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def split_passages(source: str, text: str) -> list[Passage]:
    """Paragraphs, long ones cut at a line."""
    found: list[Passage] = []
    lines: list[str] = []
    begun = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        is_full = sum(map(len, lines)) > PASSAGE_CHARACTERS
        if (not line.strip() or is_full) and lines:
            found.append(Passage(source, begun, "\n".join(lines)[: 2 * PASSAGE_CHARACTERS]))
            lines = []
        if line.strip():
            if not lines:
                begun = number
            lines.append(line)
    return found


def rank(passages: Sequence[Passage], query: Iterable[str], limit: int) -> list[Passage]:
    """The passages that fit best, the best first; those without any word of the query are out."""
    wanted = set(query)
    counts = [Counter(words_of(passage.text)) for passage in passages]
    if not counts:
        return []
    average = sum(map(Counter.total, counts)) / len(counts) or 1.0
    holding = {word: sum(word in count for count in counts) for word in wanted}
    weights = {
        word: math.log(1 + (len(counts) - n + 0.5) / (n + 0.5)) for word, n in holding.items()
    }

    def score(count: Counter[str]) -> float:
        length = K1 * (1 - B + B * count.total() / average)
        return sum(
            weights[word] * count[word] * (K1 + 1) / (count[word] + length)
            for word in wanted
            if count[word]
        )

    scored = [(score(count), -n) for n, count in enumerate(counts)]
    best = sorted((s for s in scored if s[0] > 0), reverse=True)[:limit]
    return [passages[-n] for _, n in best]


def sentences(passage: Passage) -> list[tuple[int, str]]:
    """The sentences of a passage and the lines they begin on; list items and rows stand alone."""
    found: list[tuple[int, str]] = []
    open_words: list[str] = []
    begun = passage.line
    for number, line in enumerate(passage.text.splitlines(), passage.line):
        if re.match(r"\s*(#+\s|```|[=~-]{3,}\s*$)", line):
            continue  # a heading or a fence says nothing
        stands_alone = bool(re.match(r"\s*([-*|>]|\d+\.)\s", line))
        if stands_alone and open_words:
            found.append((begun, " ".join(open_words)))
            open_words = []
        for part in re.split(r"(?<=[a-z)\d%`\"][.!?])\s+(?=[A-Z`\"])", line.strip()):
            if not open_words:
                begun = number
            open_words += part.split()
            if part.endswith((".", "!", "?")):
                found.append((begun, " ".join(open_words)))
                open_words = []
    if open_words:
        found.append((begun, " ".join(open_words)))
    return found


def best_sentences(passage: Passage, query: Iterable[str], limit: int) -> list[tuple[int, str]]:
    """The sentences that say most about the query, in their order."""
    wanted = set(query)
    scored = [
        (len(wanted & set(words_of(text))), n, (line, text))
        for n, (line, text) in enumerate(sentences(passage))
    ]
    best = sorted((s for s in scored if s[0]), key=lambda s: (-s[0], s[1]))[:limit]
    return [sentence for _, _, sentence in sorted(best, key=lambda s: s[1])]


def statements(passage: Passage) -> list[Statement]:
    """The sentences of a passage that can contradict another."""
    found = []
    for line, text in sentences(passage):
        values = tuple(
            ((match["currency"] or "").strip() or unit_of(match["unit"]), number_of(match))
            for match in VALUE.finditer(text)
        )
        words = frozenset(words_of(VALUE.sub(" ", text)))
        if len(words) >= COMMON_WORDS and len(text) < 400:
            negated = bool(NEGATIONS.search(text))
            found.append(Statement(passage.source, line, text, words, values, negated))
    return found


def unit_of(word: str | None) -> str:
    """One name for a unit; empty for a word that is none (``3 and``)."""
    low = (word or "").lower()
    if low in STOP_WORDS:
        return ""
    return UNIT_WORDS.get(low, low[:-1] if len(low) > 3 and low.endswith("s") else low)


def number_of(match: re.Match[str]) -> str:
    """The value as it is compared: ``1,000`` and ``1000`` are the same."""
    return f"{(match['sign'] or '').strip()}{match['number'].replace(',', '')}"


def contradict(one: Statement, other: Statement) -> str | None:
    """On what two statements of different sources contradict each other, or None."""
    common = one.words & other.words
    if one.source == other.source or len(common) < COMMON_WORDS:
        return None
    alike = len(common) / len(one.words | other.words)
    if alike < ALIKE:
        return None
    for unit, number in one.values:
        others = {value for other_unit, value in other.values if other_unit == unit}
        if others and number not in others and not others & {v for u, v in one.values if u == unit}:
            return f"{number} or {', '.join(sorted(others))}{f' {unit}' if unit else ''}"
    if one.is_negated != other.is_negated and one.values == other.values:
        return "whether it is so"
    return None


def contradictions(
    found: Sequence[Statement], limit: int
) -> list[tuple[Statement, Statement, str]]:
    """Pairs that contradict each other, each source pair and subject once."""
    pairs = []
    told: set[tuple[str, str, str]] = set()
    for n, one in enumerate(found):
        for other in found[n + 1 :]:
            on = contradict(one, other)
            if on is None:
                continue
            key = (*sorted((one.source, other.source)), on)
            if key not in told:
                told.add(key)  # type: ignore[arg-type]
                pairs.append((one, other, on))
    return pairs[:limit]
