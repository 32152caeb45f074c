"""Generate the files of the demo's requests: a table, a log, an image."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from random import Random

WIDTH, HEIGHT = 640, 360  # px
Color = tuple[int, int, int]
BACKGROUND_COLOUR, TILE_COLOUR, HIGHLIGHT_COLOUR, DIM_COLOUR = (
    (16, 20, 31),
    (30, 37, 54),
    (92, 167, 255),
    (58, 74, 105),
)

SEED = 7  # any number; always the same files


def _render_berths_csv() -> bytes:
    """Render a table of ships at berths, as an export would."""
    rng = Random(SEED)  # noqa: S311  nothing secret is drawn
    lines = ["ship,berth,arrived,left,tonnes"]
    for nth, ship in enumerate(("Alba", "Brisa", "Corvus", "Dagny", "Estrid", "Fulmar") * 4):
        day = 1 + nth
        lines.append(
            f"{ship},B{rng.randrange(1, 9)},2026-09-{day:02} 06:{rng.randrange(60):02},"
            f"2026-09-{day:02} 19:{rng.randrange(60):02},{rng.randrange(800, 42_000)}"
        )
    return ("\n".join(lines) + "\n").encode()


def _render_till_log() -> bytes:
    """Render the log of a shop's till before it lost its stock."""
    lines = [
        f"2026-11-14 08:{minute:02}:07 till-2 stock W-28 read: {max(0, 3 - minute // 9)}"
        for minute in range(0, 45, 3)
    ]
    lines += [
        "2026-11-14 08:47:12 till-2 sold W-28 x1, answer after 30.0 s: timed out",
        "2026-11-14 08:47:43 till-2 sold W-28 x1 sent again",
        "2026-11-14 08:47:44 till-2 stock W-28 read: -2",
    ]
    return ("\n".join(lines) + "\n").encode()


def _render_dashboard_png() -> bytes:
    """Render a sketch of a dashboard as a PNG: three dark tiles with bars."""
    rows = [[BACKGROUND_COLOUR] * WIDTH for _ in range(HEIGHT)]
    for tile in range(3):
        left = 20 + tile * 205
        _fill_rectangle(rows, left, 20, 190, 320, TILE_COLOUR)
        _fill_rectangle(rows, left + 16, 36, 90, 12, DIM_COLOUR)
        for bar in range(5):
            bar_height = 60 + (bar * 53 + tile * 71) % 150
            _fill_rectangle(
                rows,
                left + 16 + bar * 33,
                320 - bar_height,
                24,
                bar_height,
                HIGHLIGHT_COLOUR if bar == tile + 1 else DIM_COLOUR,
            )
    return _encode_png(rows)


def _fill_rectangle(
    rows: list[list[Color]], left: int, top: int, width: int, height: int, color: Color
) -> None:
    for row in rows[top : top + height]:
        row[left : left + width] = [color] * width


def _encode_png(rows: list[list[Color]]) -> bytes:
    raw = b"".join(b"\0" + bytes(part for pixel in row for part in pixel) for row in rows)
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)  # 8 bits of RGB
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_encode_png_chunk(*part) for part in parts)


def _encode_png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


ATTACHMENTS: Mapping[str, Callable[[], bytes]] = {
    "berths-september.csv": _render_berths_csv,
    "till-2.log": _render_till_log,
    "night-shift-tiles.png": _render_dashboard_png,
}
