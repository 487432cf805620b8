"""Photographs of homes that never stood: drawn by number, the same number the same house. A stand-in for the server on
which an MLS keeps its pictures."""

from __future__ import annotations

import io
from functools import lru_cache
from random import Random
from typing import NamedTuple

from PIL import Image, ImageDraw

SIZE = (1068, 801)
"""Pixels; 4 : 3, and sharp at twice the width of a mail."""
_FINE = 2

_Colour = tuple[int, int, int]


class _Light(NamedTuple):
    """An hour of the day: sky above and at the horizon, and what grows in it."""

    above: _Colour
    horizon: _Colour
    grass: _Colour
    leaves: _Colour


_LIGHTS = (
    _Light((157, 170, 198), (223, 199, 178), (125, 146, 120), (94, 120, 104)),
    _Light((166, 162, 204), (226, 196, 196), (137, 135, 112), (110, 136, 114)),
    _Light((158, 194, 204), (222, 222, 204), (134, 150, 116), (102, 138, 110)),
    _Light((196, 212, 228), (232, 232, 228), (139, 159, 134), (92, 128, 106)),
    _Light((120, 148, 184), (214, 214, 210), (118, 140, 104), (82, 116, 92)),
)
_WALLS = ((236, 238, 240), (240, 234, 222), (176, 142, 98), (214, 196, 176), (198, 208, 212), (170, 90, 72))
_ROOFS = ((74, 86, 106), (92, 80, 92), (110, 114, 122), (84, 70, 64), (58, 66, 74))
_DOORS = ((146, 98, 52), (60, 78, 104), (122, 56, 48), (66, 92, 76))
_LIT, _DARK, _TRUNK = (248, 200, 104), (84, 96, 122), (58, 62, 76)


@lru_cache(maxsize=200)
def photo(number: int) -> bytes:
    """A JPEG of SIZE."""
    random = Random(number)
    width, height = (side * _FINE for side in SIZE)
    light = random.choice(_LIGHTS)
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        share = y / height
        draw.line(
            [(0, y), (width, y)],
            tuple(round(a + (b - a) * share) for a, b in zip(light.above, light.horizon, strict=True)),
        )
    ground = round(height * random.uniform(0.80, 0.88))
    draw.ellipse([-width * 0.4, ground, width * 1.4, height * 1.8], light.grass)
    _trees(draw, random, light, ground, (width, height))
    _house(draw, random, ground, (width, height))
    out = io.BytesIO()
    picture.resize(SIZE, Image.Resampling.LANCZOS).save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def _trees(draw: ImageDraw.ImageDraw, random: Random, light: _Light, ground: int, size: tuple[int, int]) -> None:
    width, height = size
    for side in random.sample((0.09, 0.16, 0.84, 0.92), random.choice((1, 2, 2, 3))):
        x, tall = round(width * side), round(height * random.uniform(0.26, 0.44))
        foot = ground + round(height * 0.05)
        if random.random() < 0.35:
            draw.polygon([(x - tall * 0.22, foot), (x + tall * 0.22, foot), (x, foot - tall)], light.leaves)
            continue
        draw.rectangle([x - width * 0.005, foot - tall * 0.6, x + width * 0.005, foot], _TRUNK)
        across = tall * 0.32
        draw.ellipse([x - across, foot - tall, x + across, foot - tall + 2 * across], light.leaves)


def _house(draw: ImageDraw.ImageDraw, random: Random, ground: int, size: tuple[int, int]) -> None:
    width, height = size
    wall, roof, door = random.choice(_WALLS), random.choice(_ROOFS), random.choice(_DOORS)
    wide, tall = width * random.uniform(0.34, 0.46), height * random.uniform(0.26, 0.4)
    middle, foot = width * random.uniform(0.44, 0.54), ground + height * 0.04
    left, right, eaves = middle - wide / 2, middle + wide / 2, foot - tall
    if random.random() < 0.5:
        _garage(draw, wall, roof, (right - width * 0.02, foot, width * 0.17, tall * 0.5))
    ridge = eaves - height * random.uniform(0.13, 0.24)
    if random.random() < 0.6:
        chimney = middle + wide * random.choice((-0.25, 0.22))
        draw.rectangle([chimney, ridge + height * 0.01, chimney + width * 0.03, eaves], roof)
    draw.rectangle([left, eaves, right, foot], wall)
    over = width * 0.025
    if random.random() < 0.35:
        draw.polygon(
            [(left - over, eaves), (left + over * 3, ridge), (right - over * 3, ridge), (right + over, eaves)], roof
        )
    else:
        draw.polygon([(left - over, eaves), (middle, ridge), (right + over, eaves)], roof)
    storeys = 2 if tall > height * 0.34 else 1
    _windows(draw, random, (left, eaves, right, foot), storeys)
    draw.rectangle([middle - wide * 0.06, foot - tall / storeys * 0.72, middle + wide * 0.06, foot], door)


def _garage(draw: ImageDraw.ImageDraw, wall: _Colour, roof: _Colour, place: tuple[float, float, float, float]) -> None:
    left, foot, wide, tall = place
    shade = (wall[0] - 12, wall[1] - 12, wall[2] - 12)
    draw.rectangle([left, foot - tall, left + wide, foot], shade)
    draw.polygon(
        [(left - wide * 0.08, foot - tall), (left + wide / 2, foot - tall * 1.5), (left + wide * 1.08, foot - tall)],
        roof,
    )
    draw.rectangle([left + wide * 0.16, foot - tall * 0.7, left + wide * 0.84, foot], (226, 226, 222))


def _windows(draw: ImageDraw.ImageDraw, random: Random, wall: tuple[float, float, float, float], storeys: int) -> None:
    left, top, right, foot = wall
    wide, storey = right - left, (foot - top) / storeys
    for floor in range(storeys):
        for place in (0.12, 0.70) if floor == storeys - 1 else (0.12, 0.41, 0.70):
            x, y = left + wide * place, top + storey * (floor + 0.24)
            draw.rectangle([x, y, x + wide * 0.18, y + storey * 0.34], _LIT if random.random() < 0.35 else _DARK)
