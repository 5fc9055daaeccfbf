"""Published list prices, US dollars for a million tokens, as far as they were known in spring 2026.

Prices change and models come: ``[prices."MODEL"]`` of config.toml goes before this table. A model
that is in neither has no cost, and that is said. Source: the pricing page of Anthropic's
documentation.
"""

from __future__ import annotations

import re

from supervisor.calls.settings import Price


def _claude(input_usd: float, output_usd: float) -> Price:
    """Cache prices are fixed parts of the input price: a read 0.1, a five-minute write 1.25."""
    return Price(input_usd, output_usd, input_usd * 0.1, input_usd * 1.25)


SHIPPED = {
    "claude-opus-4-6": _claude(5.0, 25.0),
    "claude-opus-4-5": _claude(5.0, 25.0),
    "claude-opus-4-1": _claude(15.0, 75.0),
    "claude-sonnet-4-6": _claude(3.0, 15.0),
    "claude-sonnet-4-5": _claude(3.0, 15.0),
    "claude-haiku-4-5": _claude(1.0, 5.0),
}


def find_price(prices: dict[str, Price], model: str) -> Price | None:
    """The price of ``model``; ``NAME-20250929`` and ``NAME-latest`` have that of NAME."""
    return prices.get(model) or prices.get(re.sub(r"-(\d{8}|latest)$", "", model))


def cost_usd(
    price: Price, *, input_tokens: int, output_tokens: int, cache_read: int, cache_write: int
) -> float:
    """What a call cost; input tokens leave the cached ones out, as Anthropic counts them."""
    return (
        input_tokens * price.input
        + output_tokens * price.output
        + cache_read * price.cache_read
        + cache_write * price.cache_write
    ) / 1e6
