"""What others call or set, and how a change there is noticed."""

import pytest

from bot.commits.interfaces import is_interface, touches_interface
from bot.values import FilePatch


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("src/deep/inner.py", "-def serve(port):\n+def serve(host, port):"),
        ("src/deep/inner.py", "+class Server:"),
        ("lib/deep/inner.go", "+func Serve(host string) error {"),
        ("lib/deep/inner.go", "+func (s *Server) Serve(host string) error {"),
        ("src/deep/inner.ts", "+export const LIMIT = 5"),
        ("src/deep/inner.ts", "+  public async serve(host: string) {"),
        ("crates/deep/src/inner.rs", "+pub const LIMIT: u8 = 5;"),
        ("crates/deep/src/inner.rs", "-pub(crate) fn serve() {}"),
        ("src/schemas/base.ts", "+    limit: z.number(),"),
        ("src/config.py", "-LIMIT = 5\n+LIMIT = 6"),
        ("src/index.d.ts", "+  limit?: number"),
    ],
)
def test_a_change_of_what_others_call_or_set_touches_an_interface(path, changed):
    assert touches_interface([FilePatch(path, f"@@ -1,2 +1,2 @@\n context\n{changed}\n")]), (path, changed)


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("src/deep/inner.py", "-    return port\n+    return port + 1"),
        ("src/deep/inner.py", "+def _helper(port):"),
        ("src/deep/inner.py", " def serve(port):\n-    return 1\n+    return 2"),
        ("tests/test_inner.py", "+def test_serve():"),
        ("docs/api/serve.md", "+class Server"),
        ("src/deep/inner.rs", "+    let helper = 1;"),
    ],
)
def test_a_change_within_touches_none(path, changed):
    assert not touches_interface([FilePatch(path, f"@@ -1,2 +1,2 @@\n context\n{changed}\n")]), (path, changed)


def test_a_path_says_whether_others_call_it():
    assert is_interface("proto/service.proto")
    assert is_interface("packages/app-cli/main.ts")
    assert not is_interface("src/deep/apish.py")
