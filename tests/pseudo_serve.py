"""`deskwire …` that knows the languages in the folder `locales` it runs in, and no others."""

from __future__ import annotations

from pathlib import Path

from deskwire import cli
from deskwire.kit import speech

if __name__ == "__main__":
    speech.LOCALES = Path("locales")
    cli.main()
