"""Writes the tables of crates/jobplate-prefect/src/pyvalue/slug/ from the packages with which Prefect 3 creates labels.

    cargo xtask oracles
    target/oracles/prefect-3.8.8/bin/python tests/oracles/prefect3/slug.py

letters.txt: the output of text-unidecode for each character that NFKD does not change, since python-slugify normalizes
first. A row has the code point of sixteen characters without its last hexadecimal digit, a space, and the outputs, each
followed by `|`. A slug replaces everything but letters, digits, dots and underscores by dashes. So a run of characters
that no step of python-slugify treats specially is written as one space, and a row with only such outputs is omitted. An
empty output means that the character is dropped.

entities.txt: the names of HTML 4's character entities, each with its code point in hexadecimal.
"""

import pathlib
import re
import unicodedata
from html.entities import name2codepoint

from text_unidecode import unidecode

DIRECTORY = pathlib.Path(__file__).parents[3] / "crates/jobplate-prefect/src/pyvalue/slug"
# python-slugify resolves character references (`&#;`), removes commas between digits, and removes quotes.
OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9._&#;,'-]+")


def cell(number):
    """Returns the output for a character, or None if NFKD changes the character."""
    char = chr(number)
    if 0xD800 <= number < 0xE000 or unicodedata.normalize("NFKD", char) != char:
        return None
    return OTHER_CHARACTERS.sub(" ", unidecode(char))


def rows():
    for row in range(0x8, 0x1000):
        cells = [cell(row * 16 + column) for column in range(16)]
        if any(text not in (None, " ") for text in cells):
            yield f"{row:x} " + "".join((text or "") + "|" for text in cells) + "\n"


letters = DIRECTORY / "letters.txt"
letters.write_text("".join(rows()), encoding="ascii", newline="\n")
names = DIRECTORY / "entities.txt"
names.write_text("".join(f"{name} {name2codepoint[name]:x}\n" for name in sorted(name2codepoint)), newline="\n")
