"""`deskwire …` that knows the languages in the folder `locales` it runs in, and no others."""

from __future__ import annotations

from pathlib import Path

from deskwire.cli import main
from deskwire.kit import i18n

if __name__ == "__main__":
    i18n.LOCALES = Path("locales")
    main.main()
