"""Writes the tables of crates/jobplate-prefect/src/pyvalue/slug/ from the packages that a Prefect 3 worker makes its labels with.

    cargo xtask oracles
    target/oracles/prefect-3.8.8/bin/python tests/oracles/prefect3/slug.py

letters.txt: what text-unidecode makes of a character that NFKD leaves as it is; the others never reach it. A row is
sixteen characters, their number without its last digit first, with `|` after each text. In a slug all characters
alike become a dash that are no letters, digits, dots or underscores and that no step of python-slugify reads: they
are written as one space, and a row that has nothing else is left out. No text stands for what is dropped.

entities.txt: the names of HTML 4's characters, each with the number of its character.
"""

import pathlib
import re
import unicodedata
from html.entities import name2codepoint

from text_unidecode import unidecode

FOLDER = pathlib.Path(__file__).parents[3] / "crates/jobplate-prefect/src/pyvalue/slug"
# `&#;` are those of references, a comma goes between two digits, a quote goes without a dash.
ALIKE = re.compile(r"[^A-Za-z0-9._&#;,'-]+")


def cell(number):
    """What is written for a character; none where it is not asked for."""
    char = chr(number)
    if 0xD800 <= number < 0xE000 or unicodedata.normalize("NFKD", char) != char:
        return None
    return ALIKE.sub(" ", unidecode(char))


def rows():
    for row in range(0x8, 0x1000):
        cells = [cell(row * 16 + column) for column in range(16)]
        if any(text not in (None, " ") for text in cells):
            yield f"{row:x} " + "".join((text or "") + "|" for text in cells) + "\n"


letters = FOLDER / "letters.txt"
letters.write_text("".join(rows()), encoding="ascii", newline="\n")
names = FOLDER / "entities.txt"
names.write_text("".join(f"{name} {name2codepoint[name]:x}\n" for name in sorted(name2codepoint)), newline="\n")
