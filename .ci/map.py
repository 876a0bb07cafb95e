"""The index of files: each package and each module with the first line of its docstring; `make map` prints it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("helion_ir", "dialects", "passes", "backends", "examples", "benchmarks", "tests")


def said_first(path: Path) -> str:
    """The first line of a module's docstring; nothing where there is none."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def index() -> str:
    """The index as Markdown, a section for each folder."""
    folders = sorted({path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")})
    sections = []
    for folder in folders:
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        package = folder / "__init__.py"
        title = f"## {folder.relative_to(ROOT)}/"
        if package.exists() and (line := said_first(package)):
            title += f": {line}"
        sections.append("\n".join([title, "", *(f"- `{path.name}`: {said_first(path)}" for path in modules)]))
    return "\n\n".join(sections)


if __name__ == "__main__":
    sys.stdout.write(index() + "\n")
