"""What a contract says, told from its text by rules: the same text always gives the same facts.

A plain part of ``document_pipeline.py``: text in, facts with their line and quote out. It reads
English contracts in ordinary wording and says nothing where it recognises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

QUOTE_LIMIT = 200
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ],
        1,
    )
} | {"thirty": 30, "sixty": 60, "ninety": 90}

_MONTH = "|".join(MONTHS)
_DATE = (
    rf"(?P<date>\d{{4}}-\d\d-\d\d|\d\d?\.\d\d?\.\d{{4}}|\d\d? (?:{_MONTH}) \d{{4}}"
    rf"|(?:{_MONTH}) \d\d?, \d{{4}})"
)
_MONEY = (
    r"(?P<currency>EUR|USD|GBP|CHF|€|\$|£)\s?(?P<sum>\d[\d.,]*\d|\d)"
    r"|(?P<sum2>\d[\d.,]*\d|\d)\s?(?P<currency2>EUR|USD|GBP|CHF|€)"
)
_COUNT = rf"(?P<count>\d+|{'|'.join(NUMBER_WORDS)})(?:\s*\(\d+\))?"
SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}

AMOUNTS = {  # the first that fits the words before the sum; the narrower ones stand first
    "penalty": r"penalt",
    "deposit": r"deposit",
    "liability cap": r"liabilit",
    "rent": r"\brent\b",
    "fee": r"\bfees?\b|\bprice\b|\bcharges?\b|remuneration",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a document states."""

    value: str
    """In one form whatever the wording: 2025-03-01, EUR 48000.00, 60 days, Germany."""
    line: int
    """Where, counted from 1."""
    quote: str
    """The words it was read from, at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or a line of its own, on one line, and the line it begins on."""

    text: str
    line: int


def read_facts(text: str) -> dict[str, Fact]:
    """The facts of a document by name; the first statement of each counts."""
    facts: dict[str, Fact] = {}
    for sentence in split_sentences(text):
        for name, value in _facts_of(sentence.text):
            facts.setdefault(name, Fact(value, sentence.line, sentence.text[:QUOTE_LIMIT]))
    return facts


def read_title(text: str) -> str:
    """The first line that says something."""
    lines = (line.strip("#=-* \t") for line in text.splitlines())
    return next((line for line in lines if line), "(no title)")[:QUOTE_LIMIT]


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of ``text``. An empty line, a heading and ``Label: value`` end one."""
    found: list[Sentence] = []
    words: list[str] = []
    begun = 0

    def close() -> None:
        if words:
            found.append(Sentence(" ".join(words), begun))
            words.clear()

    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        stands_alone = (
            not bare or bare.startswith("#") or bool(re.match(r"[A-Z][\w ]{2,30}:", bare))
        )
        if stands_alone:
            close()
        for part in re.split(r"(?<=[a-z)\d%][.;])(?<!\bNo\.)\s+(?=[A-Z])", bare):
            if not part:
                continue
            if not words:
                begun = number
            words.extend(part.split())
            if part.endswith((".", ";")) or (stands_alone and bare.startswith("#")):
                close()
    close()
    return found


def _facts_of(sentence: str) -> list[tuple[str, str]]:
    """Names and values of what one sentence states."""
    facts: list[tuple[str, str]] = []
    if found := re.search(r"\b(?:No\.?|Number)\s*:?\s*([A-Z0-9][A-Z0-9/-]*\d?[A-Z0-9])", sentence):
        facts.append(("reference", found[1]))
    facts += _parties(sentence)
    facts += _dates(sentence)
    facts += _amounts(sentence)
    facts += _periods(sentence)
    if found := re.search(
        r"governed by (?:and construed in accordance with )?the laws? of (?:the )?([A-Z][\w ]+)"
        r"|^Governing law:\s*(?:the )?([A-Z][\w ]+)",
        sentence,
    ):
        facts.append(("governing law", (found[1] or found[2]).strip()))
    if re.search(r"renews automatically|automatic(?:ally)? (?:renew|extend)", sentence, re.I):
        facts.append(("renewal", "automatic"))
    if re.search(r"liabilit.*\bunlimited\b|unlimited.*liabilit", sentence, re.I):
        facts.append(("liability cap", "unlimited"))
    return facts


def _parties(sentence: str) -> list[tuple[str, str]]:
    if found := re.search(
        r"between (.+?) \(\W*([^)]+?)\W*\) and (.+?) \(\W*([^)]+?)\W*\)", sentence
    ):
        both = sorted((" ".join(found[1].split()), " ".join(found[3].split())))
        return [("parties", " and ".join(both))]
    label = r"^(Customer|Supplier|Landlord|Tenant|Licensor|Licensee|Buyer|Seller):\s*(.+)"
    if found := re.search(label, sentence):
        return [(found[1].lower(), found[2].strip(" ."))]
    return []


def _dates(sentence: str) -> list[tuple[str, str]]:
    facts = []
    for name, words in (
        ("start", r"effective (?:as of|date:?)|enters into force on|^start:|begins on"),
        ("end", r"\bends on|\buntil|expires on|^end:"),
    ):
        if found := re.search(rf"(?:{words})\s+{_DATE}", sentence, re.IGNORECASE):
            value = normal_date(found["date"])
            facts += [(name, value)] if value else []
    return facts


def _amounts(sentence: str) -> list[tuple[str, str]]:
    facts = []
    begin = 0
    for found in re.finditer(_MONEY, sentence):
        before = sentence[begin : found.start()]
        begin = found.end()
        label = next(
            (name for name, words in AMOUNTS.items() if re.search(words, before, re.I)), ""
        )
        value = normal_amount(found["sum"] or found["sum2"])
        if label and value:
            currency = found["currency"] or found["currency2"]
            period = re.search(r"\b(annual|yearly|monthly|weekly|hourly)\b", before, re.IGNORECASE)
            name = f"{period[1].lower()} {label}" if period else label
            facts.append((name, f"{SIGNS.get(currency, currency)} {value}"))
    return facts


def _periods(sentence: str) -> list[tuple[str, str]]:
    facts = []
    unit = r"[\s-]+(?P<unit>day|week|month)s?[’']?"
    notice = rf"{_COUNT}{unit} (?:prior )?(?:written )?notice"
    if found := re.search(notice, sentence, re.IGNORECASE):
        facts.append(("notice period", _period(found)))
    if found := re.search(rf"payable within {_COUNT}{unit}", sentence, re.IGNORECASE):
        facts.append(("payment term", _period(found)))
    return facts


def _period(found: re.Match[str]) -> str:
    word = found["count"].lower()
    count = NUMBER_WORDS.get(word) or int(word)
    return f"{count} {found['unit'].lower()}{'' if count == 1 else 's'}"


def normal_date(words: str) -> str:
    """``2025-03-01`` for any of the ways to write it; empty for a day that does not exist."""
    numbers = [int(number) for number in re.findall(r"\d+", words)]
    month = next((n for n, name in enumerate(MONTHS, 1) if name in words.lower()), 0)
    if month:
        day, year = numbers
    elif "-" in words:
        year, month, day = numbers
    else:
        day, month, year = numbers
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def normal_amount(digits: str) -> str:
    """``48000.00`` for 48,000, 48.000,00 and 48,000.00; empty where it cannot be told.

    The last separator marks the cents unless exactly three digits follow it.
    """
    found = re.fullmatch(r"(\d{1,3}(?:[.,]\d{3})*|\d+)(?:[.,](\d{1,2}))?", digits)
    if not found:
        return ""
    return f"{re.sub(r'[.,]', '', found[1])}.{(found[2] or '0').ljust(2, '0')}"
