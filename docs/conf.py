"""Sphinx configuration: everything is built, and can be read, without a network."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

# Pages show what their code draws, not that kernels were compiled on the way.
logging.getLogger("kuramoto").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[1]

project = "kuramoto-spheres"
author = "the kuramoto developers"
project_copyright = "2026, the kuramoto developers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst", "**.ipynb"]
# Sphinx makes the names of attributes links, and `dimensions` is an attribute of several classes.
suppress_warnings = ["ref.python"]
default_role = "py:obj"  # `name` in a docstring: a link where one is known, else code

# Formulas: MathJax and its fonts are copied into the pages' own _static folder. The path is given
# here as well as by the extension, because Sphinx's own default is an address on the network. The
# menu is off because parts of it would be fetched on demand.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}
math_number_all = False
math_eqref_format = "({number})"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, with shapes and units
autosummary_generate = False
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes of a dataclass are described once, in its docstring

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[/\\]plot_",
    "ignore_pattern": r"(^|[/\\])(?!plot_)[^/\\]*\.py$",
    "download_all_examples": False,
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = f"kuramoto-spheres {release}"
html_copy_source = False
html_show_sphinx = False

LITERAL = re.compile(r"(``.+?``|`[^`]+`)")
MATHEMATICS = re.compile(r"\||\*(?=\w+[,)])")  # |x| and (*batch, *sites, N)


def keep_mathematics(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape what docstrings mean as mathematics and docutils would take for markup."""
    doctest = False
    for number, line in enumerate(lines):
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        if not doctest:
            parts = LITERAL.split(line)
            parts[::2] = [MATHEMATICS.sub(r"\\\g<0>", text) for text in parts[::2]]
            lines[number] = "".join(parts)


def skip_fields(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: the docstring of the class describes them."""
    return True if isinstance(obj, type(Field.name)) else None


class Field(NamedTuple):
    """A named tuple, for the type that fields of named tuples have."""

    name: str


def setup(app: Any) -> None:
    """Run before napoleon, which listens at the default priority of 500."""
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", keep_mathematics, priority=400)
