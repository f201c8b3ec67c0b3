"""Adapts Markdown pages of the repository to the site. MkDocs calls the functions that begin with `on_`."""

import re
from pathlib import Path

from mkdocs.structure.files import File

# Pages outside of `docs/`, with their names on the site.
OTHER_PAGES = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}

# The info string of a code block: a language, then a file name or the programs that a test needs.
FENCE = re.compile(r"^```(\w+) (.+)$", re.MULTILINE)


def on_files(files, config):
    """Adds the pages outside of `docs/`. Their links to `docs/` become links between pages."""
    root = Path(config.config_file_path).parent
    for path, name in OTHER_PAGES.items():
        text = (root / path).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, other_name in OTHER_PAGES.items():
            text = text.replace(f"]({other})", f"]({other_name})")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, **_):
    """Shows the file name of a code block as its title, and drops the names of programs."""
    title = lambda match: f'```{match[1]} title="{match[2]}"' if re.search(r"[./]", match[2]) else f"```{match[1]}"
    return FENCE.sub(title, markdown)
