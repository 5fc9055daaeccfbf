"""Moments as people write them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from supervisor.config.when import When, WhenError, parse_when

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("03:12", "2026-11-23T03:12:00+00:00"),
        ("3:12:07", "2026-11-23T03:12:07+00:00"),
        ("23:50", "2026-11-22T23:50:00+00:00"),
        ("12:00", "2026-11-23T12:00:00+00:00"),
        ("2026-11-20 03:12", "2026-11-20T03:12:00+00:00"),
        ("2026-11-20T03:12:09+02:00", "2026-11-20T01:12:09+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("yesterday 14:00", "2026-11-22T14:00:00+00:00"),
        ("Yesterday 3:05", "2026-11-22T03:05:00+00:00"),
        ("today 09:30", "2026-11-23T09:30:00+00:00"),
        ("2h", "2026-11-23T10:00:00+00:00"),
        ("-90s", "2026-11-23T11:58:30+00:00"),
        ("1h30m ago", "2026-11-23T10:30:00+00:00"),
    ],
)
def test_a_moment_is_what_people_mean_by_it(text: str, moment: str) -> None:
    assert parse_when(text, NOW) == When(datetime.fromisoformat(moment).timestamp())


def test_a_number_sign_names_an_event() -> None:
    assert parse_when(" #1234 ", NOW) == When(seq=1234)
    assert When(seq=7).params() == {"seq": 7} and When(5.0).params() == {"at": 5.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25:00",
        "soon",
        "03:61",
        "2026-13-01",
        "none",
        "#",
        "#x",
        "-",
        "9" * 40,
        "12:00pm",
        "yesterday",
        "yesterday x",
    ],
)
def test_anything_else_is_refused_with_what_is_understood(text: str) -> None:
    with pytest.raises(WhenError, match=r"expected \"03:12\""):
        parse_when(text, NOW)
