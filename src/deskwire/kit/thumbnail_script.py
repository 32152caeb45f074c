"""Makes a small picture of a large one, as a program of its own: stdin to stdout, no more rights.

With the argument `square` it is the middle of the picture, for a face. It is run by path with
`python -I`, knows nothing of a desk, and may break in every way: whoever waits for it
(`tickets/files/thumbnails.py`) then has no small picture. Its answer is `WIDTH HEIGHT`, a line
feed, and a WebP.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings

from PIL import Image, ImageOps

MAX_PIXELS = 40_000_000  # of the whole picture; decoded, 160 MB
MAX_SIDE = 480  # px; twice what a screen shows, for dense screens
SQUARE_SIDE = 192  # px; four times the largest face on a page
MEMORY_LIMIT = 1536 * 1024 * 1024  # bytes of address space: an image, its copy, the libraries
CPU_SECONDS = 10  # of computing
EXIF_ORIENTATION = 0x0112  # of EXIF; 5 to 8 lie on their side
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def main() -> None:
    """Read a picture, write a small one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    sys.stdout.buffer.write(
        make_thumbnail(sys.stdin.buffer.read(), square="square" in sys.argv[1:])
    )


def make_thumbnail(content: bytes, *, square: bool) -> bytes:
    """The answer for `picture`. Raises whatever is wrong with it."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError("too many pixels")
        if image.getexif().get(EXIF_ORIENTATION, 1) >= 5:
            width, height = height, width
        # Colours of a palette cannot be mixed, so a small one would lose lines.
        small = image.convert("RGBA") if image.mode in ("P", "1") else image
        small.thumbnail((MAX_SIDE, MAX_SIDE))  # before it is turned: a JPEG is then decoded small
        small = ImageOps.exif_transpose(small)
        if square:
            small = ImageOps.fit(small, (SQUARE_SIDE, SQUARE_SIDE))
        has_holes = "A" in small.mode or "transparency" in small.info
        plain = small.convert("RGBA" if has_holes else "RGB")
        made = io.BytesIO()
        plain.save(made, "WEBP", quality=80)
    return f"{width} {height}\n".encode() + made.getvalue()


if __name__ == "__main__":
    main()
