"""Looking things up: which line tells most of a word, where a place begins, and how room is shared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit

from bot.commits import lookup
from bot.commits.lookup import Spot, Uses, answer, core, pattern
from bot.judgement import questions
from bot.values import Look, LookKind, Sight


class Memory:
    """A tree whose files are a dictionary."""

    def __init__(self, files):
        self.files = {path: text.encode(errors="surrogateescape") for path, text in files.items()}

    def uses(self, words):
        found = {word: Uses() for word in words}
        for path, text in self.files.items():
            for word, uses in found.items():
                uses.add(path, len(pattern(word).findall(text)))
        return found

    def contents(self, spots):
        return ((spot, self.files.get(spot.path, lookup.NO_PATH)) for spot in spots)


COMMIT = commit("fix: it", change("packages/core/src/a.py"))


def look(files, *looks, of=COMMIT):
    return answer(of, looks, Memory(files))


def word(files, name, of=COMMIT):
    return look(files, Look(LookKind.WORD, name), of=of)[0]


def best(text, name):
    """The line that is shown of a word in a file, where there is room for one of each file."""
    apart = "\n".join(line + "\n" * 20 for line in text.splitlines())
    files = {f"a{n}.py": apart for n in range(lookup.EXCERPTS)}
    return next(line for line in word(files, name).excerpts[0].lines if name in line)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("def run(x):", "    run(x)"),
        ("    async def run(self):", "run = 3"),
        ("pub(crate) fn run<T>(x: T) {", "run(x);"),
        ("func (s *Server) run(x int) {", "s.run(x)"),
        ("export const run = (x) => {", "run(x);"),
        ("export default function run() {", "run();"),
        ("class run(Base):", "run()"),
        ("    macro_rules! run {", "run!(x)"),
        ("type run = string", "let x: run"),
        ("  run (x) {", "this.parser.run(x)"),
        ("  async run(x) {", "await run(x)"),
        ("static int run(struct a *b)", "    x = run(b);"),
        ("x = run(1)", "import run"),
        ("x = run(1)", "from a.b import run"),
        ("run(1)", "# run(1) is slow"),
        ("run(1);", "// run(1) is slow"),
        ("run(1);", " * run(1) is slow"),
        ("run(1);", "#include <run>"),
        ("run(1);", "use crate::run;"),
        ("run(1);", "    run,"),
        ("run(1);", "import { run } from './run';"),
        ("run(1);", "const { run } = require('./run');"),
        ("run(1);", "export { run } from './run';"),
        ("map.run<string>(1);", "map.run"),
        ("run: true", "in run we trust"),
        ("in run we trust", "import run"),
        ("import run", "# run"),
    ],
)
def test_what_tells_more_is_shown_first_wherever_it_stands(better, worse):
    for lines in ((better, worse), (worse, better)):
        assert best("\n".join(lines), "run") == better


def test_a_comment_is_shown_where_there_is_nothing_else():
    assert best("# run is gone", "run") == "# run is gone"


def test_source_comes_before_tests_and_pages_the_own_part_first_and_generated_ones_are_only_counted():
    paths = [
        "packages/core/src/b.py",
        "packages/core/package.json",
        "apps/web/src/c.py",
        "packages/core/tests/test_b.py",
        "packages/core/README.md",
        "tests/test_c.py",
        "docs/c.md",
    ]
    files = dict.fromkeys([*reversed(paths), "uv.lock", "dist/app.min.js"], "x = run(1)\n")
    sight = word(files, "run")
    assert [excerpt.path for excerpt in sight.excerpts] == paths
    assert (sight.hits, sight.files) == (9, 9)


def test_the_file_that_tells_most_comes_first_and_tests_after_all_source():
    files = {
        "a/uses.py": "from d import run\n",
        "b/calls.py": "x = run(1)\n",
        "c/tests/test_run.py": "def run():\n    pass\n",
        "d/defines.py": "import os\n\n\ndef run(x):\n    pass\n",
    }
    shown = [excerpt.path for excerpt in word(files, "run").excerpts]
    assert shown == ["d/defines.py", "b/calls.py", "a/uses.py", "c/tests/test_run.py"]


def test_a_place_with_a_word_and_a_line_begins_at_that_line():
    text = "def run():\n" + "".join(f"    x{n} = 1\n" for n in range(2, 200))
    exact, around = look({"a": text}, *(Look(LookKind.PLACE, name, "a", 20) for name in ("run", "")))
    assert (exact.excerpts[0].start, exact.excerpts[0].lines[0]) == (20, "    x20 = 1")
    assert around.excerpts[0].start == 1


def test_a_few_files_are_shown_more_than_once_and_no_line_twice():
    text = "".join(f"run({n})\n" + "\n" * (n % 2) * 20 for n in range(40))
    excerpts = word({"a.py": text}, "run").excerpts
    assert sum(len(excerpt.lines) > 1 for excerpt in excerpts) == lookup.WINDOWED
    assert sum(len(excerpt.lines) == 1 for excerpt in excerpts) == lookup.SINGLE
    numbers = [excerpt.start + n for excerpt in excerpts for n in range(len(excerpt.lines))]
    assert numbers == sorted(set(numbers))


def test_files_that_are_not_shown_are_named_with_their_uses():
    files = {f"src/a{n:02}.py": "run(1)\nrun(2)\n" for n in range(lookup.EXCERPTS + lookup.ELSEWHERE + 5)}
    sight = word(files, "run")
    assert len({excerpt.path for excerpt in sight.excerpts}) == lookup.EXCERPTS
    first = f"src/a{lookup.EXCERPTS:02}.py (2)"
    assert (len(sight.elsewhere), sight.elsewhere[0]) == (lookup.ELSEWHERE, first)


def begins(text, line):
    (sight,) = look({"a": text}, Look(LookKind.PLACE, path="a", line=line))
    return sight.excerpts[0].lines[0]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("import x\n\ndef one():\n    a\n\ndef two():\n    if b:\n        c = HERE\n", "def two():"),
        ("class A:\n    def one(self):\n        a\n\n    limit = HERE\n", "class A:"),
        (
            "class A:\n    def one(self):\n        pass\n\n    @wraps\n    def two(self):\n        HERE\n",
            "    def two(self):",
        ),
        ("fn main() {\n    let x = |y| {\n        HERE\n    };\n}\n", "fn main() {"),
        ("func (s *S) Run() error {\n\tif x {\n\t\tHERE\n\t}\n}\n", "func (s *S) Run() error {"),
        ("export const run = async (x) => {\n  HERE\n}\n", "export const run = async (x) => {"),
        ("class A {\n  run(x) {\n    if (x) {\n      HERE\n    }\n  }\n}\n", "  run(x) {"),
        ("static int\nrun(int x)\n{\n\tHERE;\n}\nint other(void)\n{\n}\n", "static int"),
        ("int run(int x)\n{\n\tif (x) {\n\t\tHERE;\n\t}\n}\n", "int run(int x)"),
        ("interface A {\n  a: string\n  HERE: number\n}\n", "interface A {"),
    ],
)
def test_a_place_begins_where_its_definition_does(text, first):
    line = next(n for n, each in enumerate(text.split("\n"), 1) if "HERE" in each)
    assert begins(text, line) == first


def test_a_place_far_within_a_definition_is_shown_from_near_it():
    text = "def run():\n" + "    x = 1\n" * 200
    (sight,) = look({"a": text}, Look(LookKind.PLACE, path="a", line=150))
    (excerpt,) = sight.excerpts
    assert excerpt.start <= 150 < excerpt.start + len(excerpt.lines)
    assert len(excerpt.lines) <= lookup.WINDOW


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def run(\n    x,\n):\n" + "    x = 1\n" * 80 + "\n\ndef other():\n    pass\n" * 40, 83),
        ("int run(int x)\n{\n" + "\tx = 1;\n\n" * 40 + "}\n\nint other()\n" * 40, 83),
        ("int run(int x)\n{\n#ifdef X\n" + "\tx = 1;\n" * 80 + "#endif\n}\n\nint other()\n" * 40, 85),
        ("fn run() {\n" + "    x();\n" * 300 + "}\n", lookup.BODY),
        ("fn run() {\n}\n" + "x();\n" * 100, lookup.WINDOW),
        ("x = 1\n" * 200, lookup.WINDOW),
    ],
)
def test_a_definition_longer_than_a_window_is_shown_to_its_end(text, last):
    (sight,) = look({"a": text}, Look(LookKind.PLACE, path="a", line=1))
    assert (sight.excerpts[0].start, len(sight.excerpts[0].lines)) == (1, last)


def test_lines_that_are_asked_for_are_shown_and_their_beginning_where_there_is_little_room():
    text = "".join(f"x = {n}\n" for n in range(1, 1_001))
    wanted = [Look(LookKind.PLACE, path="a", line=line, until=until) for line, until in ((500, 620), (10, 900), (9, 3))]
    sights = look({"a": text}, *wanted)
    shown = [(s.excerpts[0].start, len(s.excerpts[0].lines)) for s in sights]
    assert shown == [(500, 121), (10, lookup.LONGEST), (1, lookup.WINDOW)]
    around = look({"a": text}, *(Look(LookKind.PLACE, path="a", line=line) for line in (100, 200, 300)))
    exact, *rest = lookup.within([sights[0], *around], 3_600)
    assert exact == sights[0]
    assert all(1 < len(each.excerpts[0].lines) < lookup.WINDOW for each in rest)
    (cut,) = lookup.within(sights[:1], 300)
    assert cut.excerpts[0].start == 500
    assert 1 < len(cut.excerpts[0].lines) < 121


def test_a_core_is_a_word_without_the_signs_around_it():
    assert [core(each) for each in ("--flag", "run(", ".a.b", "größe", "==", "")] == [
        "flag",
        "run",
        "a.b",
        "größe",
        "",
        "",
    ]


@given(st.text(max_size=40), st.text(alphabet="ab_.(é使 -", min_size=1, max_size=6))
def test_a_pattern_finds_what_a_search_for_whole_words_finds(text, name):
    plain, found = name.encode(), 0
    for at in range(len(text.encode())):
        raw = text.encode()
        if raw.startswith(plain, at):
            before, after = raw[:at][-1:], raw[at + len(plain) :][:1]
            ends = (name[0].isalnum() or name[0] == "_", name[-1].isalnum() or name[-1] == "_")
            inside = (ends[0] and _letter(before), ends[1] and _letter(after))
            found += not any(inside)
    assert bool(pattern(name).search(text.encode())) == bool(found)


def _letter(byte):
    return byte.isalnum() or byte == b"_"


@given(
    st.lists(
        st.builds(
            Look,
            st.sampled_from(LookKind),
            st.text(max_size=8),
            st.one_of(st.text(max_size=8), st.sampled_from(["a.py", "b/c.txt", "empty", "binary"])),
            st.integers(-3, 200),
            st.integers(-3, 900),
        ),
        max_size=30,
    ),
    st.text(max_size=2_000),
)
def test_any_looks_have_an_answer_each_within_the_limits(looks, text):
    files = {"a.py": text, "b/c.txt": f"{text}\n" * 70, "empty": "", "binary": "\0" + text}
    sights = look({path: held.encode(errors="replace").decode() for path, held in files.items()}, *looks)
    assert [sight.look for sight in sights] == looks
    excerpts = [excerpt for sight in sights for excerpt in sight.excerpts]
    assert sum(len(line) for excerpt in excerpts for line in excerpt.lines) <= lookup.ROOM
    assert all(len(line) <= lookup.LINE_LENGTH for excerpt in excerpts for line in excerpt.lines)
    assert all(len(excerpt.lines) <= lookup.LONGEST and excerpt.start >= 1 for excerpt in excerpts)


@pytest.mark.parametrize(
    "line", ["(" * 300, "a " * 150, "a(" * 150, "pub " * 75, "const a = " + "(" * 280, "run " * 75, "*" * 300]
)
def test_a_hostile_line_takes_no_time(line):
    import time

    text = f"{line}\n" * 3_000
    start = time.process_time()
    look({"a.py": text}, Look(LookKind.WORD, "run"), Look(LookKind.PLACE, path="a.py", line=2_999))
    assert time.process_time() - start < 2


def test_where_there_is_little_room_every_place_is_shown_by_its_line_before_any_with_what_is_around_it():
    around = "".join(f"filler_{n} = {n}\n" for n in range(12))
    files = {f"packages/core/src/{name}.py": f"{around}run({name})\n{around}" for name in "bcdef"}
    sight = word(files, "run")
    assert {len(excerpt.lines) for excerpt in sight.excerpts} == {7}
    (cut,) = lookup.within([sight], 400)
    assert [excerpt.path for excerpt in cut.excerpts] == list(files)
    assert [line for excerpt in cut.excerpts for line in excerpt.lines if "run" in line] == [
        f"run({n})" for n in "bcdef"
    ]
    assert [len(excerpt.lines) for excerpt in cut.excerpts] == [7, 1, 1, 1, 1]
    assert {excerpt.start for excerpt in cut.excerpts[1:]} == {13}


def test_files_that_find_no_room_are_named():
    files = {f"packages/core/src/{name}.py": f"run({name})\n" for name in "bcdef"}
    (cut,) = lookup.within([word(files, "run")], 120)
    assert [excerpt.path for excerpt in cut.excerpts] == list(files)[:2]
    assert cut.elsewhere == tuple(list(files)[2:])


def test_a_spot_of_what_was_renamed_is_its_former_path():
    moved = commit("move", change("new.py", previous="old.py"))
    (sight,) = look({"old.py": "x"}, Look(LookKind.BEFORE, path="new.py"), of=moved)
    assert (sight.excerpts[0].path, sight.excerpts[0].sha) == ("old.py", moved.parents[0])
    assert Spot(moved.sha, "new.py") != Spot(moved.parents[0], "new.py")


# --- What a line is in -------------------------------------------------------------------------


def test_a_place_knows_what_its_first_line_is_in_wherever_it_begins():
    body = "".join(f"        step({n})\n" for n in range(100))
    text = f"class Server:\n    def close(self):\n{body}    def open(self):\n        use(90)\n"
    found = look({"a.py": text}, Look(LookKind.PLACE, path="a.py", line=60, until=104))[0].excerpts[0]
    assert found.above == ("class Server:", "    def close(self):")
    shown = questions.looked([Sight(Look(LookKind.PLACE, path="a.py", line=60), (found,))], 0)
    assert "=== a.py at aaaaaaa\n… in Server › close\n60: " in shown
    (cut,) = lookup.within([Sight(Look(LookKind.WORD, "use"), (found,), hits=1, files=1)], 150)
    assert cut.excerpts[0].lines == ("        use(90)",)
    assert cut.excerpts[0].above == ("class Server:", "    def open(self):")
