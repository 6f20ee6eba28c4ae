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
        ("a.py", PYTHON, "    retries = 3", "class Server"),
        ("a.py", PYTHON, "            self.stop()", "class Server › def close("),
        ("a.py", PYTHON, "            self.port,", "class Server › def open(self) -> None"),
        ("a.py", PYTHON, "    def open(self) -> None:", "class Server"),
        ("a.py", PYTHON, "            opener(record)", "class Server › def open(self) -> None"),
        ("a.py", PYTHON, "            record.end()", "class Server › def open(self) -> None"),
        ("a.py", PYTHON, "            return path", "def open(self) -> None › def opener(path)"),
        ("a.py", PYTHON, "LIMIT = 5", ""),
        ("a.py", PYTHON, "import os", ""),
        ("a.rs", RUST, "            .port();", "impl Server for Local › pub async fn close(&self) -> Result<()>"),
        (
            "a.rs",
            RUST,
            "            0 => self.never(),",
            "impl Server for Local › pub async fn close(&self) -> Result<()>",
        ),
        ("a.rs", RUST, "const LIMIT: u32 = 5;", ""),
        ("a.rs", RUST, "        assert!(closed());", "mod tests › fn it_closes()"),
        ("a.go", GO, "\t\teach.Stop()", "func (s *Server) Close(ctx context.Context) error"),
        ("a.ts", SCRIPT, "      port: 1,", 'describe("server", () => › it("closes twice", async () =>'),
        ("a.c", C, "    s->stop();", "int close_all(struct server *s)"),
        (
            "A.java",
            JAVA,
            "        it.stop();",
            "public class Server › public void close(long seconds) throws IOException",
        ),
        ("A.java", JAVA, "        return new Pool(map);", "public class Server › Map<String, List<Pool>> pools()"),
        ("a.ts", PAGES, "    done(1);", 'test("x", async () =>'),
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
        ("def close(self):", [], "    stop()", "def close(self)"),
        ("class A:", ["    def close(self):"], "        stop()", "class A › def close(self)"),
        ("def before():", ["    def close(self):"], "        stop()", "def close(self)"),
        ("def before():", [], "    def close(self):", ""),
        ("class A:", [], "    def close(self):", "class A"),
        ("def before():", ["    pass", "", "VALUES = ["], "    1,", ""),
        ("def before():", [], "stop()", ""),
        ("import os", [], "    stop()", ""),
    ],
)
def test_what_git_names_before_a_hunk(section: str, above: list[str], line: str, wanted: str) -> None:
    assert enclosing("a.py", above, line, section) == wanted
