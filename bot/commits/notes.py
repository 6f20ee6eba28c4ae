"""The maintainers' own words: what a commit itself adds for users to read, and its pull request's labels. Pure.

These are changesets, changelog fragments, release notes and changelogs, read from their patches only. Only added lines
count: what was moved or corrected was said before. Nothing is parsed as YAML or JSON: a patch has pieces of files, and
nothing may come of an alias or a tag. `bot.commits.levels` says where each fragment format is documented.

Patches are untrusted: a file is read up to a bound, line by line, and every repetition in a pattern is bounded.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.commits import levels
from bot.commits.files import is_manifest, is_note
from bot.values import Commit, FilePatch, Note, NoteLevel, one_line, sanitize

_FILES, _READ, _LINE, _ALL = 400, 120_000, 2_000, 2_000_000
"""Files of a commit that are looked at, characters of each one's patch, of a line, and of all patches."""
_MOST = 20
"""Notes of a commit that are kept."""
_TEXT, _HEADING = 600, 120
"""Characters of a note's text, and of its heading."""
_ORDER = {level: weight for weight, level in enumerate(NoteLevel)}


def is_telling(path: str, habits: Sequence[str] = ()) -> bool:
    """Whether a file can hold a commit's own word to users.

    `habits` are patterns, as fnmatch knows them, of folders or files in which a repository keeps its notes beyond the
    usual ones.
    """
    path = path[-400:]
    usual = is_note(path) and not _TRANSLATION.search(path)
    return usual or any(fnmatchcase(path, f"{habit.rstrip('/')}/*") or fnmatchcase(path, habit) for habit in habits)


_TRANSLATION = re.compile(r"(?:^|/)locale/", re.IGNORECASE)


# --- Patches ---------------------------------------------------------------------------------

_HEADER = re.compile(r"@@ -\d{1,9}(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@ ?(.*)")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of one side of a patch, without its mark; `number` is that of the new file; `changed` added or removed."""

    text: str
    number: int
    changed: bool


@dataclass(slots=True)
class _Hunk:
    """A hunk: the line that git names for it, and its lines on the new and on the old side."""

    section: str
    new: list[_Line] = field(default_factory=list)
    old: list[_Line] = field(default_factory=list)


def _hunks(text: str) -> list[_Hunk]:
    """The hunks of a file's patch. Only a header starts with `@@`: every other line has its mark in front."""
    found: list[_Hunk] = []
    number = 0
    for raw in sanitize(text[:_READ]).split("\n"):
        line = raw[:_LINE]
        if header := _HEADER.match(line):
            number = int(header[1])
            found.append(_Hunk(header[2].strip()))
        elif found and line[:1] != "\\":
            mark, said = line[:1] or " ", line[1:]
            if mark != "-":
                found[-1].new.append(_Line(said, number, mark == "+"))
            if mark != "+":
                found[-1].old.append(_Line(said, number, mark == "-"))
            number += mark != "-"
    return found


# --- Text ------------------------------------------------------------------------------------

_FENCE = re.compile(r"\s{0,12}(```|~~~(?!~))\s{0,3}(.{0,80})")
_BULLET = re.compile(r"(\s{0,40})(?:[-*+•]|\d{1,3}[.)]|#\.)\s{1,8}")
# No text: comments, directives and targets of reStructuredText, tables, images, HTML, the targets of Markdown's links.
_NO_TEXT = re.compile(
    r"\s{0,12}(?:\.\. |\|.{0,2000}\|$|!\[|<!--|-->|</?[a-zA-Z][^<>]{0,200}>$|\[[^\[\]]{1,200}\]: "
    r"|:[\w-]{1,40}:( |$)|//)"
)
_UNDERLINE = re.compile(r"([=\-~^\"'#*+.`:])\1{2,}\s*")
_ATX = re.compile(r"(#{1,6}|={2,6})\s{1,4}(\S.{0,200}?)\s{0,4}#{0,6}\s*")
_BOLD = re.compile(r"(\*\*|__)(?=\S)([^*_]{1,100}[^*_\s])\1[:：]?\s*")
_COLON = re.compile(r"([^\W\d_][\w /&-]{1,40})[:：]\s*")

# Links and roles are shown as their words; a reference to an issue or a change request says nothing to a reader.
_CLEANED = (
    (re.compile(r"!\[[^\[\]]{0,200}\]\([^()\s]{0,400}\)"), ""),
    (re.compile(r"\[([^\[\]]{1,300})\]\((?:[^()\s]|\([^()\s]{0,80}\)){1,400}\)"), r"\1"),
    (re.compile(r"(?::|\{)(?:issue|pr|pull|gh|ghissue|bug)(?::|\})`#?(\d{1,9})`"), r"#\1"),
    (re.compile(r"(?::|\{)user(?::|\})`([^`]{1,100})`"), r"@\1"),
    (re.compile(r"(?::[a-z][\w:+.-]{0,40}:|\{[a-z][\w:+.-]{0,40}\})`~(?:\w{1,60}\.){0,12}(\w{1,80})`"), r"`\1`"),
    (re.compile(r":[a-z][\w:+.-]{0,40}:`([^`<>]{1,200}?)\s{0,3}(?:<[^<>`]{1,200}>)?`"), r"`\1`"),
    (re.compile(r"\{[a-z][\w:+.-]{0,40}\}`([^`<>]{1,200}?)\s{0,3}(?:<[^<>`]{1,200}>)?`"), r"`\1`"),
    (re.compile(r"`([^`<>]{1,200}?)\s{0,3}<[^<>`]{1,400}>`_{1,2}"), r"\1"),
    (re.compile(r"``([^`]{1,200})``"), r"`\1`"),
    (re.compile(r"\*\*([^*]{1,300})\*\*"), r"\1"),
    (re.compile(r"\[\[?(#\d{1,9})\]?\]"), r"\1"),
    (re.compile(r"\(merge [0-9a-f]{7,40} [^\s()]{1,80} later to maint(?:enance)?\)\.?"), ""),
    (re.compile(r"\s{1,9}([,.;])(?=\s|$)"), r"\1"),
)
_REFERENCE_FIRST = re.compile(
    r"(?:[\s(\[]{0,3}(?:gh-|#)\d{1,9}[)\]]?[\s:,，-]{0,4}){0,6}(?:`[0-9a-f]{7,40}`\s{1,3})?(?:Thanks @.{1,300}?! - )?"
)
_REFERENCE_LAST = re.compile(
    r"\s{0,3}(?:[（(\[](?:[^()（）\[\]]{0,60}#|gh-)\w{1,12}[^()（）\[\]]{0,60}[)）\]]|\(\s{0,3}\)|--\s?by\b.{0,100}|\brefs\.?"
    r"|(?<!\bby)(?<!\bfrom)(?<!\bin)(?<!\bof)(?<!\bsee)(?<!\bto)(?:\s{1,3}#\d{1,9}){1,6}"
    r"|by @[\w-]{1,60}(?: in #\d{1,9})?)\s{0,3}\.?$"
)
_PART = re.compile(r"【\s{0,9}([^【】]{1,40}?)\s{0,9}】\s{0,9}")


def _clean(text: str) -> str:
    """A text on one line as a reader sees it: without markup, and without references in front and at the end."""
    text = one_line(text)
    for pattern, instead in _CLEANED:
        text = pattern.sub(instead, text)
    text = _PART.sub(r"\1: ", one_line(text), count=1)
    text = found.string[found.end() :] if (found := _REFERENCE_FIRST.match(text)) else text
    for _ in range(3):
        text = _REFERENCE_LAST.sub("", text)
    return text.strip(" ,;")


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """A paragraph of an entry on one line, or an item of a list in it."""

    text: str
    item: bool


def _paragraphs(lines: Sequence[str]) -> list[_Paragraph]:
    """What lines say, without code, headings, tables and directives."""
    found: list[tuple[list[str], bool]] = []
    hidden = _begins_in_code(lines)
    open_ = False
    aside = -1
    for line in lines:
        if _FENCE.match(line):
            hidden, open_ = not hidden, False
            continue
        indent = len(line) - len(line.lstrip())
        aside = aside if not line.strip() or indent > aside else -1
        if hidden or not line.strip() or aside >= 0 or _UNDERLINE.fullmatch(line.strip()) or _ATX.fullmatch(line):
            open_ = False
        elif _NO_TEXT.match(line):
            aside, open_ = indent, False
        elif bullet := _BULLET.match(line):
            found.append(([line[bullet.end() :]], True))
            open_ = True
        elif open_:
            found[-1][0].append(line)
        else:
            found.append(([line], False))
            open_ = True
    said = (_Paragraph(_clean(_joined(words)), item) for words, item in found)
    return [each for each in said if each.text]


def _joined(lines: Sequence[str]) -> str:
    """Lines as one, without a space between two Chinese characters."""
    return re.sub(r"(?<=[\u3400-\u9fff，、。]) (?=[\u3400-\u9fff])", "", one_line(" ".join(lines)))


def _begins_in_code(lines: Sequence[str]) -> bool:
    """Whether a piece of a file begins within a block of code: then the first fence closes."""
    fences = [found for line in lines if (found := _FENCE.match(line))]
    return len(fences) % 2 == 1 and not fences[0][2].strip()


def _summary(paragraphs: Sequence[_Paragraph]) -> str:
    """Whole sentences, as many as a note has room for: the first paragraph, and what goes on from it in prose."""
    text = ""
    listing = False
    for each in paragraphs:
        led = text.endswith((":", "："))
        wanted = led or listing if each.item else not led and not listing
        if text and (not wanted or len(text) + len(each.text) > _TEXT):
            break
        text += ("; " if listing else " " if each.item else _ended(text)) * bool(text) + each.text
        listing = listing or (each.item and led)
    return _whole(text)


def _ended(text: str) -> str:
    """What stands between a paragraph and the next: a first line is often without its full stop."""
    return " " if text.rstrip(")\"'").endswith(tuple(".!?:;。！？：；")) else ". "


def _joined_up(texts: Iterable[str]) -> str:
    """Paragraphs as one text, of whole sentences."""
    whole = ""
    for text in texts:
        whole += _ended(whole) * bool(whole) + text
    return whole


def _whole(text: str) -> str:
    """A text up to the bound of a note, ended at a sentence's end."""
    if len(text) <= _TEXT:
        return text
    kept = ""
    for sentence in levels.sentences(text):
        if len(kept) + len(sentence) >= _TEXT:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or one_line(text, _TEXT)


# --- Entries ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is said in one place of a file: its lines, what its heading, its section or its name says, and a title.

    `certain` says that it is new though none of its text is.
    """

    lines: tuple[_Line, ...]
    level: NoteLevel | None = None
    heading: str = ""
    title: str = ""
    certain: bool = False

    @property
    def changed(self) -> list[_Line]:
        """The lines that the commit adds."""
        return [line for line in self.lines if line.changed]

    @property
    def words(self) -> frozenset[str]:
        """The words that the commit adds to it."""
        return _words(line.text for line in self.changed)


_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]{2,40}|[\u3400-\u9fff]")


_NO_WORDS = frozenset({"issue", "issues", "pr", "pull", "gh", "https", "com", "github"})
"""What references are made of."""


def _words(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(word for line in lines for word in _WORD.findall(line.lower())) - _NO_WORDS


# Front matter: a bump for each package (Changesets, knope, Sampo, Nx; covector adds a kind, `minor:feat`), or a title.
_MATTER = re.compile(r"[\"']?([\w@./ -]{1,120}?)[\"']?\s{0,3}:(?:\s{1,4}|$)(.{0,400})")
_BUMP = re.compile(r"[\"']?((?:pre)?(?:major|minor|patch)|none)(?::[\w-]{1,30})?[\"']?\s*", re.IGNORECASE)
_CHANGESET = re.compile(r"(?:^|/)(?:\.changeset|\.sampo/changesets|\.nx/version-plans)/", re.IGNORECASE)
_GUIDE = re.compile(r"(?:^|/)migration[-_]guides/", re.IGNORECASE)
_NOTES_PAGE = re.compile(r"(?:^|/)release[-_]?notes/", re.IGNORECASE)


_PHRASE = 6
"""Words that a later piece of a page adds where it says something: fewer are a correction, or a line of code."""


def _matter(lines: Sequence[_Line]) -> tuple[list[_Line], list[_Line]]:
    """The front matter of a page, and what follows it; later lines of a page have none. A hunk may begin within it."""
    if not lines or lines[0].number > 4:
        return [], list(lines)
    first = lines[0].text.strip() == "---" and lines[0].number == 1
    end = next((n for n, line in enumerate(lines[first:60], first) if line.text.strip() == "---"), None)
    begins = first or (end is not None and all(_MATTER.match(line.text.strip()) for line in lines[:end]))
    return (list(lines[:end]), list(lines[end + 1 :])) if begins and end is not None else ([], list(lines))


def _changeset(path: str, lines: Sequence[_Line]) -> _Entry | None:
    """A changeset: the heaviest bump it asks for, of which packages, and what follows; None for any other page.

    One without a package releases nothing (Changesets, `add --empty`).
    """
    matter, rest = _matter(lines)
    pairs = [
        (found[1], bump[1].lower(), line)
        for line in matter
        if (found := _MATTER.match(line.text.strip())) and (bump := _BUMP.fullmatch(found[2].strip()))
    ]
    if not pairs:
        empty = (
            bool(matter)
            and _CHANGESET.search(path) is not None
            and all(line.text.strip() in ("", "---") for line in matter)
        )
        return _Entry((*matter, *rest), NoteLevel.INTERNAL, "none", certain=True) if empty else None
    heaviest = min((level for _, bump, _ in pairs if (level := levels.named(bump))), key=_ORDER.__getitem__)
    packages = [(name, bump, line) for name, bump, line in pairs if levels.named(bump) is heaviest]
    names = ", ".join(name for name, _, _ in packages[:3]) + (", …" if len(packages) > 3 else "")
    raised = any(line.changed for _, _, line in packages)
    return _Entry(tuple(rest), heaviest, f"{names}: {packages[0][1]}", certain=raised)


def _page(path: str, hunk: _Hunk) -> _Entry | None:
    """A page that is one note: what must be done to migrate, or what is new; None for any other page.

    Its title says most. A commit that adds its number to `pull_requests` (Bevy, "Writing release notes") belongs to it.
    """
    matter, rest = _matter(hunk.new)
    guide = bool(_GUIDE.search(path))
    fields = {found[1].lower(): (found[2], line) for line in matter if (found := _MATTER.match(line.text.strip()))}
    if "title" not in fields and not guide:
        return None
    if not guide and not _NOTES_PAGE.search(path):
        return None
    title, at = fields.get("title", ("", None))
    number = fields.get("pull_requests")
    old = {digits for line in hunk.old if line.changed for digits in re.findall(r"\d{1,9}", line.text)}
    joined = number is not None and number[1].changed and not set(re.findall(r"\d{1,9}", number[0])) <= old
    lines = rest if at is not None and at.changed else [line for line in rest if line.changed]
    if at is None and len(_words(line.text for line in lines)) < _PHRASE:
        return _Entry(())
    level, heading = (NoteLevel.BREAKING, "migration guide") if guide else (NoteLevel.FEATURE, "release note")
    return _Entry(tuple([at, *lines] if at else lines), level, heading, title.strip("\"' "), certain=joined)


# --- Fragments -------------------------------------------------------------------------------

_HISTORY = re.compile(
    r"(?:^|/)(?:change[-_]?logs?|changes|news|history|releases|release[-_]?notes|whats?[-_]?new)(?:[-_.][^/]*)?$",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[^/]+")


def _kind(path: str) -> tuple[NoteLevel, str] | None:
    """The kind that a fragment has in its name (`123.bugfix.rst`, towncrier's way) or its folder's (blurb, NumPy)."""
    *folders, name = _PARTS.findall(path) or [""]
    parts = name.split(".")[1:][-3:]
    for word in (*reversed(parts), *folders[-1:]):
        if (level := levels.named(word)) and not _HISTORY.search(path):
            return level, word
    return None


_TOP = re.compile(r"[\"']?([A-Za-z][\w-]{0,40})[\"']?\s{0,3}[:=](?:\s{1,4}|$)(.{0,2000})")
_BLOCK = re.compile(r"[|>][+-]?\d?[+-]?")
_ITEM = re.compile(r"(\s{0,20})- ?(.*)")
_KINDS = frozenset({"kind", "type", "change_type", "changetype"})
_TEXTS = frozenset(
    {"note", "body", "title", "summary", "description", "comment", "subtext", "details", "impact", "changes", "message"}
)


def _yaml(hunk: _Hunk) -> list[_Entry]:
    """The entries of a fragment in YAML or TOML: of each section its items, or of a record its text by its kind."""
    fields = list(_fields(hunk))
    kind = next((text for key, lines in fields if key in _KINDS and (text := _value(lines))), "")
    if kind and (level := levels.named(kind)):
        texts = tuple(line for key, lines in fields if key in _TEXTS for line in (*lines, _blank(lines)))
        return [_Entry(texts, level, kind)]
    return [
        _Entry(item, levels.named(key), key)
        for key, lines in fields
        if levels.named(key) or key in ("issues", "other")
        for item in _items(lines)
    ]


def _blank(lines: Sequence[_Line]) -> _Line:
    return _Line("", lines[-1].number if lines else 0, False)


def _value(lines: Sequence[_Line]) -> str:
    return lines[0].text.split(" #")[0].strip("\"' ,") if lines else ""


def _fields(hunk: _Hunk) -> Iterator[tuple[str, list[_Line]]]:
    """The keys at the top of a file, each with its lines; git may name the one that a hunk begins in."""
    named = _TOP.match(hunk.section)
    key, lines = (named[1].lower() if named else ""), list[_Line]()
    for line in hunk.new:
        if found := _TOP.match(line.text):
            yield key, lines
            key, value = found[1].lower(), found[2].strip()
            own = value.strip("\"'") if value and not _BLOCK.fullmatch(value) else ""
            lines = [_Line(own, line.number, line.changed)] if own else []
        elif not line.text.startswith(("#", "---", "...")):
            lines.append(line)
    yield key, lines


def _items(lines: Sequence[_Line]) -> Iterator[tuple[_Line, ...]]:
    """The items of a section; text that is in no list is one."""
    block: list[_Line] = []
    depth: int | None = None
    for line in lines:
        item = _ITEM.match(line.text)
        if item and (depth is None or len(item[1]) <= depth):
            depth = len(item[1])
            yield tuple(block)
            own = "" if _BLOCK.fullmatch(item[2].strip()) else item[2].strip("\"' ")
            block = [_Line(own, line.number, line.changed)] if own else []
        else:
            block.append(line)
    yield tuple(block)


_PAIR = re.compile(r"\"(\w{1,40})\"\s{0,4}:\s{0,4}\"((?:[^\"\\]|\\.){0,1500})\"")


def _json(hunk: _Hunk) -> list[_Entry]:
    """The entries of a fragment in JSON (beachball, Rush, botocore): each text with the kind next to it."""
    pairs = [(found[1].lower(), found[2], line) for line in hunk.new for found in _PAIR.finditer(line.text)]
    kinds = [(value, level) for key, value, _ in pairs if key in _KINDS and (level := levels.named(value))]
    texts = [_Line(re.sub(r"\\[nrt]", " ", value).replace('\\"', '"'), line.number, line.changed)
             for key, value, line in pairs if key in _TEXTS and value]  # fmt: skip
    if not kinds:
        return []
    return [
        _Entry((line,), level, kind)
        for line, (kind, level) in zip(texts, [*kinds, *kinds[-1:] * len(texts)])  # noqa: B905
    ]


_NOTE_FENCE = re.compile(r"\s{0,3}(?:```|~~~)\s{0,3}release-notes?(?::([\w-]{1,40}))?\s*", re.IGNORECASE)


def _fenced(lines: Sequence[_Line]) -> list[_Entry]:
    """The entries in blocks of `release-note:KIND` (go-changelog) or `release-note` (Kubernetes)."""
    found: list[_Entry] = []
    block: list[_Line] | None = None
    kind = ""
    for line in lines:
        if opened := _NOTE_FENCE.fullmatch(line.text) if block is None else None:
            block, kind = [], opened[1] or ""
        elif block is not None and _FENCE.match(line.text):
            found.append(_Entry(tuple(block), levels.named(kind), kind or "release-note"))
            block = None
        elif block is not None:
            block.append(line)
    return found


# --- Changelogs ------------------------------------------------------------------------------

_RST_DEPTHS = "=-~^\"'*+.#:`"
_DEEP = 20
_VERSION = re.compile(
    r"\W{0,4}(?:[^\W\d]{1,30}[ -])?\[?v?\d{1,6}\.\d{1,6}|\W{0,4}(?:unreleased|未发布|待发布)", re.IGNORECASE
)
_UNRELEASED = re.compile(r"\bunreleased\b|未发布|待发布|\bTBD\b|\bupcoming\b", re.IGNORECASE)
_DATED = re.compile(r"\d{4}[-./年]\d{1,2}[-./月]\d{1,2}|/compare/|^(?:released?(?: on)?|发布于)[ :：]", re.IGNORECASE)
_GENERATED = re.compile(r"(?:major|minor|patch) changes", re.IGNORECASE)
_NO_ENTRY = re.compile(
    r"(?:n/?a|none|nothing(?: yet)?|tbd|todo|no changes?|暂无|无|updated dependencies.{0,300}"
    r"|@[\w-]{1,60}|(?:\*\*)?full changelog.{0,300}|(?:un)?released?\b.{0,60})[.:]?",
    re.IGNORECASE,
)
_PERSON = re.compile(r"[-*+]\s{1,4}\[@?[\w .-]{1,60}\]\(https?://[^()\s]{1,200}\)\s*")
"""Who is thanked, as a link."""


@dataclass(frozen=True, slots=True)
class _Heading:
    depth: int
    text: str
    level: NoteLevel | None
    line: _Line


class _Log:
    """Reads a changelog line by line: its headings, also those in the lines around a change, and the entries."""

    def __init__(self, section: str) -> None:
        self.entries: list[_Entry] = []
        self.headings: list[_Heading] = []
        self.seen: list[_Heading] = []
        self._open: list[_Line] = []
        self._indent = -1
        self._gap = False
        self._code = False
        level = levels.headed(section.strip("#*_: ")) if section else None
        if level and not _VERSION.match(section) and len(section) <= 60:
            self.headings.append(_Heading(99, section.strip("#*_: "), level, _Line("", 0, False)))

    def read(self, line: _Line) -> None:
        """Take the next line."""
        text = line.text.expandtabs(4).rstrip()
        fence = _FENCE.match(text)
        if fence or self._code:
            self._code ^= bool(fence)
            self._keep(line)
        elif not text:
            self._gap = True
            self._keep(line)
        elif not (self._underlined(text) or self._headed(text, line)):
            self._entry(text, line)
            self._gap = False

    def close(self) -> None:
        """What was open is an entry."""
        if any(line.text.strip() for line in self._open):
            telling = next((h for h in reversed(self.headings) if h.level), None)
            nearest = telling or (self.headings[-1] if self.headings else None)
            level = telling.level if telling else None
            heading = nearest.text if nearest else ""
            if self._open[0].changed:
                self.entries.append(_Entry(tuple(self._open), level, heading))
            else:  # what was said is amended; only a new item below it says something
                self.entries += [_Entry(item, level, heading) for item in _new_items(self._open)]
        self._open, self._indent, self._gap = [], -1, False

    def _keep(self, line: _Line) -> None:
        if self._open:
            self._open.append(line)

    def _underlined(self, text: str) -> bool:
        """A line of one mark makes a heading of the one above it, or is a rule."""
        rule = _UNDERLINE.fullmatch(text.strip())
        if not rule:
            return False
        above = self._open[0] if len(self._open) == 1 and not self._gap else None
        if above and not _BULLET.match(above.text) and len(above.text.strip()) <= len(text.strip()) + 4:
            self._open = []
            self._head(_RST_DEPTHS.find(rule[1]) + 1, above.text.strip(), above)
        else:
            self.close()
        return True

    def _headed(self, text: str, line: _Line) -> bool:
        if found := _ATX.fullmatch(text):
            self._head(len(found[1]), found[2], line)
        elif found := _BOLD.fullmatch(text.strip()):
            self._head(_DEEP, found[2], line)
        elif (found := _COLON.fullmatch(_unlisted(text))) and levels.headed(found[1]):
            self._head(_DEEP + 1 + len(text) - len(text.lstrip()), found[1], line)
        elif _BULLET.match(text) and _LIST_HEAD.fullmatch(_unlisted(text)):
            self._head(_DEEP + 1 + len(text) - len(text.lstrip()), _unlisted(text), line)
        else:
            return False
        return True

    def _head(self, depth: int, text: str, line: _Line) -> None:
        self.close()
        text = _clean(text.strip("*_ ").rstrip(":："))[:_HEADING]
        self.headings = [h for h in self.headings if h.depth < depth]
        version = _VERSION.match(text)
        heading = _Heading(depth, text, None if version else levels.headed(text), line)
        self.headings.append(heading)
        self.seen.append(heading)

    def _entry(self, text: str, line: _Line) -> None:
        """A bullet begins an entry, unless it stands deeper than the one above; so does a paragraph after a gap."""
        bullet = _BULLET.match(text)
        indent = len(bullet[1]) if bullet else len(text) - len(text.lstrip())
        nested = bool(self._open) and indent > self._indent
        if (bullet and not nested) or not self._open or (not bullet and self._gap and not nested):
            self.close()
            self._indent = indent
        self._open.append(line)


def _new_items(lines: Sequence[_Line]) -> Iterator[tuple[_Line, ...]]:
    """The items that are added below an existing entry, each with what is added to it."""
    item: list[_Line] = []
    for line in lines[1:]:
        if not line.changed or _BULLET.match(line.text):
            if item:
                yield tuple(item)
            item = [line] if line.changed else []
        elif item:
            item.append(line)
    if item:
        yield tuple(item)


_LIST_HEAD = re.compile(
    r"\W{0,4}(?:(?:breaking|backwards?[ -]incompatible|new|other|api|behaviou?r(?:al)?|internal|security) )?"
    r"(?:changes?|features?|deprecations?|removals?|(?:bug ?)?fixes|improvements?|enhancements?|documentation)\W{0,4}",
    re.IGNORECASE,
)
"""An item of a list that is the heading of those below it."""


def _unlisted(text: str) -> str:
    found = _BULLET.match(text)
    return text[found.end() :] if found else text.strip()


def _logged(lines: Iterable[_Line], section: str) -> _Log:
    reader = _Log(section)
    for line in lines:
        reader.read(line)
    reader.close()
    return reader


# --- Files -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    """What a patch of one file says: the entries of its new side, and the headings, entries and lines that matter."""

    path: str
    entries: tuple[_Entry, ...]
    headings: tuple[str, ...]
    removed: tuple[frozenset[str], ...]
    unheaded: tuple[str, ...]
    gone: bool
    history: bool


def _file(patch: FilePatch) -> _File:
    hunks = _hunks(patch.text)
    entries: list[_Entry] = []
    headings: list[str] = []
    history = False
    for hunk in hunks:
        found = _fragment(patch.path, hunk)
        if found is None:
            history = True
            log = _logged(hunk.new, hunk.section)
            headings += [h.text if not _DATED.search(h.line.text) else h.line.text for h in log.seen if h.line.changed]
            found = log.entries
        entries += found
    if not hunks and not patch.text and (kind := _kind(patch.path)) and kind[0] is NoteLevel.INTERNAL:
        entries = [_Entry((), *kind, certain=True)]
    return _File(
        patch.path,
        tuple(entries),
        tuple(headings),
        tuple(said for hunk in hunks for said in _removed(hunk.old)),
        tuple(
            line.text.strip("#*_ \t") for hunk in hunks for line in hunk.old if line.changed and len(line.text) < 100
        ),
        bool(hunks) and not any(hunk.new for hunk in hunks),
        history,
    )


def _fragment(path: str, hunk: _Hunk) -> list[_Entry] | None:
    """The entries of a file other than a history; None for a history, and for a page that is read like one."""
    if re.search(r"\.json$", path, re.IGNORECASE):
        return _json(hunk)
    if re.search(r"\.(?:ya?ml|toml)$", path, re.IGNORECASE):
        return _yaml(hunk)
    if not hunk.new:
        return []
    if entry := _changeset(path, hunk.new) or _page(path, hunk):
        return [entry]
    if kind := _kind(path):
        return [_Entry(tuple(hunk.new), *kind)]
    return _fenced(hunk.new) or None


_RUN = 40
"""The most lines of a removed piece: a longer one has words for everything."""


def _removed(lines: Sequence[_Line]) -> Iterator[frozenset[str]]:
    """The words of each piece that a hunk removes."""
    run: list[str] = []
    for line in (*lines, _Line("", 0, False)):
        if line.changed:
            run.append(line.text)
        elif run:
            if len(run) <= _RUN:
                yield _words(run)
            run = []


_SAME = 0.3
"""The share of its words that must be new where an entry is: less is a correction of what was said before."""


def _is_new(entry: _Entry, removed: Sequence[frozenset[str]]) -> bool:
    """Whether a commit says something new with an entry: it adds words that it does not remove elsewhere."""
    words = entry.words
    if entry.certain:
        return True
    return bool(words) and not any(_same(words, before) for before in removed)


def _same(words: frozenset[str], before: frozenset[str]) -> bool:
    """Whether words are those that were there before, except for a correction: a word of few, or a share of many."""
    new = len(words - before)
    return new < len(words) and new <= max(1, _SAME * len(words))


def _read(patches: Sequence[FilePatch]) -> list[_File]:
    found: list[_File] = []
    left = _ALL
    for patch in patches[:_FILES]:
        if left <= 0:
            break
        left -= min(len(patch.text), _READ)
        found.append(_file(patch))
    return found


def _said(files: Sequence[_File]) -> list[tuple[str, _Entry]]:
    """What is new of what files say, each with its path."""
    removed = [words for file in files for words in file.removed][:500]
    return [(file.path, entry) for file in files for entry in file.entries if _is_new(entry, removed)]


def _note(path: str, entry: _Entry) -> Note | None:
    """The note in an entry; None if the entry is empty, or does not say what kind of change it is."""
    written = [line.text.strip() for line in entry.lines if line.text.strip()]
    if len(written) == 1 and _PERSON.fullmatch(written[0]):
        return None
    parts = _paragraphs([line.text for line in entry.lines if not entry.title or line is not entry.lines[0]])
    title = _clean(entry.title)
    text = _whole(_joined_up(filter(None, (title, _summary(parts)))))
    if not text and not (entry.certain and entry.level is NoteLevel.INTERNAL):
        return None
    everything = _joined_up([*([title] if title else []), *(each.text for each in parts)])
    level = levels.level_of(everything, entry.level, entry.heading)
    if _NO_ENTRY.fullmatch(text) or level is None:
        return None
    spoken = [each for each in (*entry.changed, *entry.lines) if each.text.strip(" -#*`\"'|>")]
    line = next(iter(spoken or entry.lines), None)
    guessed = level is NoteLevel.BREAKING and entry.level is not level and not levels.is_said(everything)
    heading = one_line(entry.heading, _HEADING)
    action = levels.action(everything, level)
    return Note(level, text, path, line.number if line else None, heading, action=action, guessed=guessed)


def heaviest_first(found: Iterable[Note]) -> tuple[Note, ...]:
    """Notes by how much they ask of users, those of one level as they come, each text once; up to a bound.

    Argument: notes from whatever places.
    """
    once: dict[tuple[str, str, str], Note] = {}
    for note in found:
        once.setdefault((note.text, note.label, "" if note.text else note.path), note)
    return tuple(sorted(once.values(), key=lambda note: _ORDER[note.level]))[:_MOST]


# --- Releases --------------------------------------------------------------------------------

_MANY = 10
"""At least this many entries on histories are about a release, not about the commit itself."""
_OPENS = (1, 2)
"""Entries below a version and a date of its own with which a commit may open the next version."""
_RELEASE = re.compile(
    r"\W{0,6}(?:\[ci\]\s?)?(?:(?:chore|ci|build|release|ver)(?:\([\w/.@ -]{1,40}\))?[:：]\s{0,3})?"
    r"(?:(?:re)?release\b[ :：]{0,3}(?:version |of )?(?:\S{1,60} )?v?\d{1,5}\.\d|version packages\b"
    r"|releases?\s?(?:$|\()|(?:prepar(?:e|es|ing)|cut|tag|make|finali[sz]e)\b.{0,30}\breleas"
    r"|(?:bump|set|update) (?:\w{1,30} )?versions?\b.{0,40}\d|(?:new )?version (?:bump )?(?:to )?v?\d{1,5}\.\d"
    r"|(?:bump|prepare|git) (?:to )?v?\d{1,5}(?:\.\d{1,5}){1,2}[\w.-]{0,20}\s?(?:$|[;,(])"
    r"|update (?:the )?change ?log for v?\d|(?:准备)?(?:发布|发版)(?:版本)?\s?v?\d{1,5}\.\d"
    r"|v?\d{1,5}\.\d{1,5}(?:\.\d{1,5})?[\w.-]{0,20}\s?(?:$|\()|(?:升级|更新)版本号?(?:至|到|为)?\s?v?\d|版本号?(?:升级|更新)(?:至|到|为)?\s?v?\d)",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\bdev\b|\.dev|snapshot|next (?:development|version)|post[- ]release", re.IGNORECASE)


def _is_release(files: Sequence[_File], said: Sequence[tuple[str, _Entry]]) -> bool:
    """Whether files are about a release: a version is named or dated, fragments are collected, or there is a lot."""
    histories = [file for file in files if file.history]
    paths = {file.path for file in histories}
    versions = [(file, text) for file in histories for text in file.headings if _VERSION.match(text)]
    dated = [text for file, text in versions if _DATED.search(text) and not _was_there(file, text)]
    collected = sum(file.gone for file in files) >= 2 and (versions or any(path in paths for path, _ in said))
    return (
        any("/compare/" in text for text in dated)
        or (bool(dated) and len(said) not in _OPENS)
        or any(_named_now(file) for file in histories)
        or any(_GENERATED.fullmatch(text) for file in histories for text in file.headings)
        or len({file.path for file, _ in versions}) >= 2
        or bool(collected)
        or sum(path in paths for path, _ in said) >= _MANY
        or len(said) > 3 * _MANY
    )


_HISTORIES = 2
"""The most versions that a file about releases adds at once: more are a history that was moved or rewritten."""


def _versions(file: _File) -> set[str]:
    found = (re.search(r"\d{1,6}(?:\.\d{1,6}){1,3}", text) for text in file.headings if _VERSION.match(text))
    return {each[0] for each in found if each}


def _was_there(file: _File, heading: str) -> bool:
    """Whether a heading names a version that the file named before, with another date."""
    number = re.search(r"\d{1,6}(?:\.\d{1,6}){1,3}", heading)
    return number is not None and any(number[0] in text for text in file.unheaded)


def _named_now(file: _File) -> bool:
    """Whether what was unreleased has a version or a date now."""
    return any(_UNRELEASED.search(text) and len(text) < 60 for text in file.unheaded) and (
        any(_VERSION.match(text) and not _UNRELEASED.search(text) for text in file.headings)
        or any(_DATED.search(line.text) for entry in file.entries for line in entry.changed)
    )


# --- What is asked ---------------------------------------------------------------------------


def notes(patches: Sequence[FilePatch]) -> tuple[Note, ...]:
    """What a commit itself tells users, the most important first; nothing from notes of a whole release.

    Argument: the patches of the files that may have such notes (`is_telling`), and of no others.
    """
    files = _read(patches)
    said = _said(files)
    return () if _is_release(files, said) else heaviest_first(filter(None, (_note(*each) for each in said)))


def prepares_release(commit: Commit, patches: Sequence[FilePatch]) -> bool:
    """Whether a commit prepares a release: by its notes, or it says so and changes notes or manifests.

    Arguments: the commit, and the patches of its files that can hold notes.
    """
    files = _read(patches)
    if _is_release(files, _said(files)):
        return True
    subject = commit.reading.subject
    named = _RELEASE.match(subject) and not _NEXT.search(subject)
    return bool(named) and any(is_note(file.path) or is_manifest(file.path) for file in commit.files)


def release_breaks(patches: Sequence[FilePatch]) -> tuple[Note, ...]:
    """What the notes of a release that a commit prepares say it breaks, in order; histories do not count.

    Argument: as for `notes`.
    """
    files = [file for file in _read(patches) if len(_versions(file)) <= _HISTORIES]
    found = filter(None, (_note(*each) for each in _said(files)))
    return heaviest_first(note for note in found if note.level is NoteLevel.BREAKING)


def from_labels(labels: Sequence[str]) -> tuple[Note, ...]:
    """What the labels of a pull request say to users, the most important first; labels that say nothing are left out.

    Argument: the labels as the host has them.
    """
    return heaviest_first(
        Note(level, label=one_line(label, _HEADING)) for level, label in levels.labelled(list(labels[:100]))
    )


_NONE = re.compile(
    r"[\s\"'`*_-]{0,8}(?:\[x\]\s?)?(?:none(?: needed| required)?|n/?a|no|nil|todo|tbd|not (?:required|needed)"
    r"|no (?:user[- ]facing|user[- ]visible|functional) changes?|无|没有|-)[\s\"'`.*_-]{0,8}",
    re.IGNORECASE,
)
_ACTION_REQUIRED = re.compile(r"[\s*_`\[(-]{0,8}action[ -]required\b[\])*_`]{0,4}\s{0,3}[:：]?\s{0,3}", re.IGNORECASE)


def from_message(body: str) -> tuple[Note, ...]:
    """What the blocks of `release-note` in a message say (kubernetes.dev, "Adding Release Notes").

    `NONE` says that users need not know. Argument: the body as written.
    """
    lines = [_Line(line[:_LINE], 0, True) for line in sanitize(body[:20_000]).split("\n")]
    return heaviest_first(note for entry in _fenced(lines)[:_MOST] if (note := _announced(entry)))


def _announced(entry: _Entry) -> Note | None:
    """The note in a block of a message; one without a kind counts as something new."""
    written = "\n".join(line.text for line in entry.lines)
    if _NONE.fullmatch(written):
        return Note(NoteLevel.INTERNAL, heading=entry.heading)
    parts = _paragraphs(written.split("\n"))
    text, everything = _summary(parts), _joined_up(each.text for each in parts)
    if not text:
        return None
    required = _ACTION_REQUIRED.match(text)
    level = NoteLevel.BREAKING if required else levels.level_of(everything, entry.level) or NoteLevel.FEATURE
    rest = text[required.end() :] if required else text
    return Note(level, rest or text, heading=entry.heading, action=levels.action(everything, level))


_BY = re.compile(r"\s{1,3}by @[\w\[\]-]{1,60} in https?://\S{1,300}\s{0,3}$")
"""The end of each line of docs.github.com, "Automatically generated release notes"."""
_SAYS_SO = re.compile(r"\W{0,3}BREAKING(?: CHANGES?)?\W{0,3}[:：]\W{0,3}", re.IGNORECASE)


def published(text: str) -> tuple[str, ...]:
    """What the notes of a release say that it breaks, in their order. Argument: the notes as they were published."""
    lines = [_BY.sub("", line[:_LINE]) for line in text[:_READ].split("\n")]
    patch = "\n".join([f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines)])
    found = filter(None, (_note(*each) for each in _said(_read([FilePatch("CHANGELOG.md", patch)]))))
    breaks = heaviest_first(note for note in found if note.level is NoteLevel.BREAKING and not note.guessed)
    begins = (_SAYS_SO.match(note.text) for note in breaks)
    return tuple(note.text[at.end() :] if at else note.text for note, at in zip(breaks, begins, strict=True))
