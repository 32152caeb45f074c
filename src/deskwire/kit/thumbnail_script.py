"""Make a thumbnail of an image, in a separate program with limited resources.

It reads the image from stdin and writes `WIDTH HEIGHT` of the original, a line feed and a WebP to
stdout. With the argument `square` the thumbnail is cropped to its centre, for avatars. The program
is run by path with `python -I`, imports nothing of Deskwire, and may crash in any way: its caller
(`tickets/files/thumbnails.py`) then does without a thumbnail.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings

from PIL import Image, ImageOps

MAX_PIXELS = 40_000_000  # of the original; decoded, they take 160 MB
MAX_SIDE = 480  # px; twice the displayed size, for high-density screens
SQUARE_SIDE = 192  # px; four times the largest avatar on a page
MEMORY_LIMIT = 1536 * 1024 * 1024  # bytes of address space: image, copy and libraries
CPU_SECONDS = 10  # s of CPU time; the kernel kills the process after that
EXIF_ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 swap width and height
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def main() -> None:
    """Read an image from stdin and write its thumbnail to stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    sys.stdout.buffer.write(
        make_thumbnail(sys.stdin.buffer.read(), square="square" in sys.argv[1:])
    )


def make_thumbnail(content: bytes, *, square: bool) -> bytes:
    """Return the size of the image and its thumbnail, as described above.

    Raises ValueError for too many pixels, and whatever Pillow raises for a broken image.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError("too many pixels")
        if image.getexif().get(EXIF_ORIENTATION, 1) >= 5:
            width, height = height, width
        # Palette colors cannot be blended, so thin lines would vanish when scaled down.
        small = image.convert("RGBA") if image.mode in ("P", "1") else image
        # Before rotating: a JPEG is then decoded at a reduced size.
        small.thumbnail((MAX_SIDE, MAX_SIDE))
        small = ImageOps.exif_transpose(small)
        if square:
            small = ImageOps.fit(small, (SQUARE_SIDE, SQUARE_SIDE))
        is_transparent = "A" in small.mode or "transparency" in small.info
        converted = small.convert("RGBA" if is_transparent else "RGB")
        output = io.BytesIO()
        converted.save(output, "WEBP", quality=80)
    return f"{width} {height}\n".encode() + output.getvalue()


if __name__ == "__main__":
    main()
