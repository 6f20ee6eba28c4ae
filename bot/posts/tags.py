"""HTML elements, and the only way in which texts from outside get into them. Pure."""

from html import escape
from typing import NewType

from bot.values import sanitize

Html = NewType("Html", str)
"""HTML; everything from outside in it is escaped."""


def text(content: str) -> Html:
    """A text from anywhere, which means only itself."""
    return Html(escape(sanitize(content)))


_BLOCKS = frozenset(
    {"article", "caption", "div", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "head", "header", "li", "main", "nav"}
    | {"p", "section", "style", "svg", "tr", "ul"}
)
"""Elements that end in a new line, so that the file can be read and compared; none stands inside a line of text."""


def tag(element: str, /, *content: Html, **attributes: str) -> Html:
    """An element. A trailing `_` of an attribute's name is dropped, another `_` is a dash; the values are escaped."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(sanitize(value))}"' for key, value in attributes.items()
    )
    end = "" if element == "meta" else f"{''.join(content)}</{element}>"
    return Html(f"<{element}{said}>{end}" + ("\n" if element in _BLOCKS else ""))
