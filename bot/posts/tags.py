"""HTML elements, and the only way for untrusted texts to get into them. Pure."""

from html import escape
from typing import NewType

from bot.values import sanitize

Html = NewType("Html", str)
"""HTML in which untrusted texts are escaped."""


def text(content: str) -> Html:
    """An untrusted text, escaped."""
    return Html(escape(sanitize(content)))


_BLOCKS = frozenset(
    {"article", "caption", "div", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "head", "header", "li", "main", "nav"}
    | {"p", "section", "style", "svg", "tr", "ul"}
)
"""Elements that end in a newline, so that files can be read and compared; none occurs within a line of text."""


def tag(element: str, /, *content: Html, **attributes: str) -> Html:
    """An element. In attribute names a trailing `_` is dropped, and other `_` become dashes; values are escaped."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(sanitize(value))}"' for key, value in attributes.items()
    )
    end = "" if element == "meta" else f"{''.join(content)}</{element}>"
    return Html(f"<{element}{said}>{end}" + ("\n" if element in _BLOCKS else ""))
