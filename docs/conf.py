"""How Sphinx builds the site. ``python -m tools.site`` calls it; nothing here needs a network."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

import simsync
from simsync.sessions.base import INTERNAL

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "simsync"
author = "the simsync authors"
version = release = simsync.__version__
language = "en"
smartquotes = False  # two hyphens and quotes of a command stay what they are

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_diagrams"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "inherited-members": "tuple,object,Exception,BaseException,dict"}
autodoc_preserve_defaults = True
autoclass_content = "class"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = False
add_module_names = False

nitpicky = True
nitpick_ignore_regex = [
    # Names of the standard library and of other packages: their inventories are on other hosts.
    (r"py:.*", r"(?!simsync\b).*"),
    # Variables and unions of types in signatures, which have no place of their own.
    (r"py:class", r"simsync\..*\.(E|Form|Item|Progress|S|Self|T|AccountLike|Reroute)"),
    (r"py:class", r"simsync\.params\.reroute\.Reroute \| .*"),
    # Objects inside of simsync, in the signatures of classes that it makes itself.
    (r"py:class", r"simsync\.(runtime|local\.engine|params\.api_key|events\.event)\..*"),
    (r"py:class", r"simsync\.run\.strategy\.RecordedEvents"),
    (
        r"py:class",
        r"simsync\.run\.(database|event_records|given_session|open_session|recorded_state|sweep_\w+|workers)\..*",
    ),
]
# Two classes have the name Record, and two Bundle: a bare name in an annotation may mean either.
suppress_warnings = ["ref.python"]

html_theme = "furo"
pygments_dark_style = "github-dark"  # the default one underlines the names of modules, as if they were links
html_title = f"simsync {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def without_signature(
    _app: Sphinx,
    what: str,
    _name: str,
    documented: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Leave out how a class is made if that is not described, because simsync makes its objects."""
    if what == "class" and not dataclasses.is_dataclass(documented):
        text = inspect.getdoc(documented) or ""
        if "Args:" not in text and not (isinstance(documented, type) and issubclass(documented, tuple)):
            return "", None
    return signature, returns


def skipped(_app: Sphinx, _what: str, name: str, member: object, _skip: bool, _options: object) -> bool | None:
    """Leave out what sessions have for other parts of simsync, and fields of named tuples.

    The docstring of a named tuple describes its fields.
    """
    function = getattr(member, "fget", member)
    if name in INTERNAL and getattr(function, "__module__", "").startswith("simsync.sessions."):
        return True
    return True if type(member).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", skipped)
    app.connect("autodoc-process-signature", without_signature)
