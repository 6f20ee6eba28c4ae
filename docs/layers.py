"""Draw the layers of `bot/`, and one commit's and one command's way through them: `python docs/layers.py`.

The layers come from the contract in `pyproject.toml`, what each module is for from its docstring, the adapters from the
folders in `adapters/`, and the two ways from the steps in CONTRIBUTING.md.
"""

import ast
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "layers.svg"
WALKS = {"### Follow one commit": "#1a6fb5", "### Follow one command": "#b3471d"}
"""The heading of each way in CONTRIBUTING.md, and its colour."""
WIDTH, LEFT, RIGHT, COLUMN = 1080, 20, 790, 270
TOP, ROW, GAP, DOT = 92, 42, 6, 22
STEP = re.compile(r"^\d+\. \*\*(\w+)\.\*\* (.*?)(?=^\d+\. |\Z)", re.M | re.S)
ROOM = re.compile(r"`(?:bot|adapters)/(\w+)")


@dataclass(frozen=True)
class Box:
    """A module or package in the picture."""

    name: str
    x: float
    y: float
    width: float
    text: str


def picture() -> str:
    """The whole drawing as SVG."""
    layers = _layers()
    height = TOP + len(layers) * (ROW + GAP) + 14
    boxes = {box.name: box for box in (*_rooms(layers), *_adapters(height))}
    parts = [_frame(height), *(_drawn(box) for box in boxes.values())]
    taken: Counter[str] = Counter()
    for number, (heading, colour) in enumerate(WALKS.items()):
        title, steps = walk(heading)
        parts += [_legend(number, title, steps, colour), *_way(steps, boxes, colour, taken)]
    return "\n".join([*parts, "</svg>\n"])


def walk(heading: str) -> tuple[str, list[tuple[str, list[str]]]]:
    """The title of a way in CONTRIBUTING.md, and its steps: a word, and the packages it passes through."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(heading)[2]
    title, _, rest = text.partition("\n")
    steps = STEP.findall(re.split(r"^#", rest, maxsplit=1, flags=re.M)[0])
    kind = heading.removeprefix("### Follow one ").capitalize()
    return f"{kind}{title}".replace("`", ""), [(word, list(dict.fromkeys(ROOM.findall(said)))) for word, said in steps]


def _layers() -> list[list[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (core,) = (each for each in contracts if each.get("containers") == ["bot"])
    return [layer.split(" | ") for layer in core["layers"]]


def _purpose(path: Path) -> str:
    """The first sentence of a module's docstring."""
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s|\n\n", said)[0].replace("\n", " ").replace("`", "")


def _rooms(layers: list[list[str]]) -> list[Box]:
    boxes = []
    for row, names in enumerate(layers):
        width = (RIGHT - LEFT - 40 - GAP * (len(names) - 1)) / len(names)
        for column, name in enumerate(names):
            x, y = LEFT + 20 + column * (width + GAP), TOP + row * (ROW + GAP)
            boxes.append(Box(name, x, y, width, _purpose(ROOT / "bot" / name)))
    return boxes


def _adapters(height: float) -> list[Box]:
    names = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py"))
    step = (height - TOP - 60) / len(names)
    return [
        Box(name, RIGHT + 16, TOP + 26 + row * step, COLUMN - 32, _purpose(ROOT / "adapters" / name))
        for row, name in enumerate(names)
    ]


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" {style}/>'


def _frame(height: float) -> str:
    tall = height - TOP + 18
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" font-size="13"'
            ' font-family="system-ui, -apple-system, Segoe UI, sans-serif" fill="#1f2328">',
            _rect(0, 0, WIDTH, height, 'rx="8" fill="#ffffff"'),
            _rect(LEFT, TOP - 26, RIGHT - LEFT - 20, tall, 'rx="6" fill="#f6f8fa"'),
            _rect(RIGHT, TOP - 26, COLUMN, tall, 'rx="6" fill="#f6f8fa"'),
            _text(LEFT + 20, TOP - 9, "bot/: a layer may import from those below it", 'fill="#59636e"'),
            _text(RIGHT + 16, TOP - 9, "adapters/: behind the ports", 'fill="#59636e"'),
        ]
    )


def _drawn(box: Box) -> str:
    """A box with its name and, where there is room, what it is for; else that appears under the pointer."""
    fits = len(box.text) <= (box.width - 70) / 5.6
    rect = _rect(box.x, box.y, box.width, ROW, 'rx="5" fill="#ffffff" stroke="#d1d9e0"')
    name = _text(box.x + 10, box.y + (17 if fits else ROW / 2 + 5), box.name, 'font-weight="600"')
    said = _text(box.x + 10, box.y + 34, box.text, 'font-size="11" fill="#59636e"') if fits else ""
    return f"<g><title>{escape(box.text)}</title>{rect}{name}{said}</g>"


def _legend(number: int, title: str, steps: list[tuple[str, list[str]]], colour: str) -> str:
    said = " · ".join(f"{n} {word}" for n, (word, _) in enumerate(steps, 1))
    return _text(LEFT, 24 + 22 * number, f"{title}:  {said}", f'fill="{colour}" font-weight="600"')


def _way(steps: list[tuple[str, list[str]]], boxes: dict[str, Box], colour: str, taken: Counter[str]) -> list[str]:
    """The numbered dots of a way, in the boxes it passes through, and the line that joins them."""
    dots = []
    for number, (_, names) in enumerate(steps, 1):
        for name in names:
            taken[name] += 1
            box = boxes[name]
            dots.append((number, box.x + box.width - 4 - DOT * taken[name], box.y + 12))
    line = " ".join(f"{x:.0f},{y:.0f}" for _, x, y in dots)
    path = f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-opacity="0.45"/>'
    return [path, *(_dot(number, x, y, colour) for number, x, y in dots)]


def _dot(number: int, x: float, y: float, colour: str) -> str:
    mark = _text(x, y + 4, str(number), 'fill="#ffffff" text-anchor="middle" font-size="11" font-weight="600"')
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9" fill="{colour}"/>{mark}'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
