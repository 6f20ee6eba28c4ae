"""What a line is in: definitions of common languages, sections of other files, and what git names before a hunk."""

import pytest

from bot.commits.enclosing import enclosing, opening

PYTHON = """\
import os

class Server:
    \"\"\"Serves.\"\"\"

    retries = 3

    def close(
        self,
        seconds: float,
    ) -> None:
# a comment at the margin
        if seconds:
            self.stop()

    def open(self) -> None:
        record = make(
            1,
            self.port,
        )

        def opener(path):
            return path

        try:
            opener(record)
        finally:
            record.end()

LIMIT = 5
"""
RUST = """\
impl Server for Local {
    pub async fn close(&self) -> Result<()> {
        let port = self
            .port();
        match port {
            0 => self.never(),
        }
    }
}

const LIMIT: u32 = 5;

#[cfg(test)]
mod tests {
    #[test]
    fn it_closes() {
        assert!(closed());
"""
GO = """\
func (s *Server) Close(ctx context.Context) error {
	for _, each := range s.open {
		each.Stop()
	}
"""
SCRIPT = """\
describe("server", () => {
  it("closes twice", async () => {
    const found = make({
      type: "x",
      port: 1,
    });
"""
C = """\
static int
unrelated(void)
{
}

int close_all(struct server *s)
{
#ifdef FAST
    s->fast();
again:
    s->stop();
}
"""
JAVA = """\
public class Server {
    public void close(long seconds) throws IOException {
        it.stop();
    }

    Map<String, List<Pool>> pools() {
        return new Pool(map);
    }
}
"""
PAGES = """\
test("x", async () => {
  async () => {
    done(1);
"""
YAML = """\
on: push
jobs:
  # all of them
  build:
    runs-on: linux
    steps:
      - run: make
"""
PAGE = """\
# Changes

## 1.2.0

- Closes faster.

```
# a comment
```

It never waits.
"""
PROSE = """\
class of problems that we know

    It waits for nobody.
"""
TABLES = """\
[project]
name = "x"

[tool.ruff]
line-length = 120
"""


@pytest.mark.parametrize(
    ("path", "text", "line", "wanted"),
    [
        ("a.py", PYTHON, "    retries = 3", "Server"),
        ("a.py", PYTHON, "            self.stop()", "Server › close"),
        ("a.py", PYTHON, "            self.port,", "Server › open"),
        ("a.py", PYTHON, "    def open(self) -> None:", "Server"),
        ("a.py", PYTHON, "            opener(record)", "Server › open"),
        ("a.py", PYTHON, "            record.end()", "Server › open"),
        ("a.py", PYTHON, "            return path", "open › opener"),
        ("a.py", PYTHON, "LIMIT = 5", ""),
        ("a.py", PYTHON, "import os", ""),
        ("a.rs", RUST, "            .port();", "impl Server for Local › close"),
        (
            "a.rs",
            RUST,
            "            0 => self.never(),",
            "impl Server for Local › close",
        ),
        ("a.rs", RUST, "const LIMIT: u32 = 5;", ""),
        ("a.rs", RUST, "        assert!(closed());", "tests › it_closes"),
        ("a.go", GO, "\t\teach.Stop()", "Server.Close"),
        ("a.ts", SCRIPT, "      port: 1,", 'describe("server") › it("closes twice")'),
        ("a.c", C, "    s->stop();", "close_all"),
        (
            "A.java",
            JAVA,
            "        it.stop();",
            "Server › close",
        ),
        ("A.java", JAVA, "        return new Pool(map);", "Server › pools"),
        ("a.ts", PAGES, "    done(1);", 'test("x")'),
        ("ci.yml", YAML, "    runs-on: linux", "jobs › build"),
        ("ci.yml", YAML, "      - run: make", "build › steps"),
        ("ci.yml", YAML, "on: push", ""),
        ("notes.txt", PROSE, "    It waits for nobody.", ""),
        ("CHANGES.md", PAGE, "- Closes faster.", "## 1.2.0"),
        ("CHANGES.md", PAGE, "It never waits.", "## 1.2.0"),
        ("CHANGES.md", PAGE, "## 1.2.0", ""),
        ("pyproject.toml", TABLES, "line-length = 120", "[tool.ruff]"),
        ("pyproject.toml", TABLES, 'name = "x"', "[project]"),
    ],
)
def test_what_a_line_is_in(path: str, text: str, line: str, wanted: str) -> None:
    lines = text.split("\n")
    at = lines.index(line)

    assert enclosing(path, lines[:at], line) == wanted
    cut = [enclosing(path, (*opening(path, reversed(lines[:n])), *lines[n:at]), line) for n in range(at + 1)]
    assert set(cut) == {wanted}, "a window that begins anywhere above knows the same"


@pytest.mark.parametrize(
    ("section", "above", "line", "wanted"),
    [
        ("def close(self):", [], "    stop()", "close"),
        ("class A:", ["    def close(self):"], "        stop()", "A › close"),
        ("def before():", ["    def close(self):"], "        stop()", "close"),
        ("def before():", [], "    def close(self):", ""),
        ("class A:", [], "    def close(self):", "A"),
        ("def before():", ["    pass", "", "VALUES = ["], "    1,", ""),
        ("def before():", [], "stop()", ""),
        ("import os", [], "    stop()", ""),
    ],
)
def test_what_git_names_before_a_hunk(section: str, above: list[str], line: str, wanted: str) -> None:
    assert enclosing("a.py", above, line, section) == wanted


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("export const Panel: React.FC<P> = ({ model }) => {", "Panel"),
        ("class ARROW_EXPORT Ordering : public Base {", "Ordering"),
        ("static void RoundUp(Vector<char> buffer) {  // why", "RoundUp"),
        ("Status Pool::Close(int", "Pool::Close"),
        ("TEST_F(TestPool, ClosesTwice) {", "TEST_F(TestPool, ClosesTwice)"),
        ("macro_rules! run {", "run"),
        ("namespace a::b {", "a::b"),
        ("fun String.shout(): String {", "String.shout"),
        ("CREATE TABLE deliveries (", "deliveries"),
        ("type Result =", "Result"),
    ],
)
def test_what_is_defined_is_named(line: str, name: str) -> None:
    assert enclosing("a.x", [line], "    it") == name


def test_what_is_said_of_the_next_definition_is_not_in_the_one_before():
    above = [
        "class Of:",
        "    def one(self):",
        "        pass",
        "",
        "    @pytest.mark.parametrize(",
        "        (",
    ]
    assert enclosing("a.py", above, '            ("a", 1),') == "Of"
    assert enclosing("a.py", [each.removeprefix("    ") for each in above[1:]], '        ("a", 1),') == ""
    assert (
        enclosing("a.py", [*above[:2], "        @cached", "        def two():"], "            return 1") == "one › two"
    )
