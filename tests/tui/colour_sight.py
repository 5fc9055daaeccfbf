"""Contrast and colour blindness, computed: WCAG 2.1 contrast, Machado 2009, CIE76 distance.

The matrices are those of Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model
for Simulation of Color Vision Deficiency", severity 1.0; they apply to linear RGB.
"""

from __future__ import annotations

Colour = tuple[float, float, float]
"""Linear red, green, blue from 0 to 1."""
Matrix = tuple[Colour, Colour, Colour]

SIGHT: dict[str, Matrix] = {
    "usual": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def colour(text: str) -> Colour:
    """``#rrggbb`` as linear light."""
    return tuple(_linear(int(text[at : at + 2], 16) / 255) for at in (1, 3, 5))  # type: ignore[return-value]


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def seen(light: Colour, sight: str) -> Colour:
    """What somebody with that sight sees."""
    rows = SIGHT[sight]
    return tuple(  # type: ignore[return-value]
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in rows
    )


def contrast(first: Colour, second: Colour) -> float:
    """WCAG 2.1: 1 (none) to 21; text needs 4.5, what is no text 3."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(light: Colour) -> float:
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def distance(first: Colour, second: Colour) -> float:
    """CIE76: about 2.3 is just noticeable, over 10 is seen at a glance."""
    return sum((a - b) ** 2 for a, b in zip(_lab(first), _lab(second), strict=True)) ** 0.5


def _lab(light: Colour) -> Colour:
    red, green, blue = light
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
