"""What a file is by its path, and what of a notebook somebody wrote. The paths are those of real repositories."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import change, commit

from bot.commits import files, notebooks, patch
from bot.values import FilePatch

SOURCE = """
    src/app.py                                     src/tools/run.py              src/latest.py
    pkg/sample/reader.go                           src/sampling/sample.py        internal/samples/store.go
    numpy/testing/_private/utils.py                pkg/testing/assert.go         src/click/testing.py
    client-go/testing/fixture.go                   src/cargo/ops/cargo_test.rs   src/workspace/package_id_spec.rs
    src/bin/cargo/commands/test.rs                 jax/_src/partition_spec.py    jaxlib/partition_spec.cc
    lib/rspec_spec_helper.rb                       app/models/ci/build.rb        crates/app/src/spec/mod.rs
    app/src/main/java/com/example/demo/App.java    core/src/main/java/org/x/test/context/TestContext.java
    core/src/main/java/org/x/docs/Page.java        src/attest.ts                 src/contest/latest.js
    ruoyi-system/src/main/resources/mapper/system/SysUserMapper.xml              gen/src/main/resources/vm/a.java.vm
    api/v1/user.proto                              db/migrate/001_users.sql      src/app.config.ts
    src/history.ts                                 src/changes/parser.py         src/builder/Dockerfile_parser.go
    vllm/benchmarks/serve.py                       pkg/doc/parser.go             bin/deploy
"""
TEST = """
    tests/test_app.py            tests/README.md                    test/e2e/Dockerfile
    pkg/app_test.go              pkg/testdata/golden.json           web/app.spec.ts
    web/app.test.tsx             web/__tests__/app.js               ui/button.cy.ts
    src/test/java/org/x/A.java   core/ATest.java                    Api.Tests/UserTests.cs
    core/src/androidTest/A.kt    AppUITests/LoginTests.swift        spec/models/user_spec.rb
    gems/x/spec/support/db.rb    lib/app_spec.rb                    test/app_test.exs
    test/widget_test.dart        net/socket_test.cc                 net/socket_unittest.cc
    conftest.py                  app/tests.py                       jax/_src/test_util.py
    app/conftest.py              t/t0001-init.sh                    t/helper/test-tool.c
    testing/test_mark.py         pkg/util/testing/wrappers.go       pkg/util/testingjobs/pod/wrappers.go
    crates/app/tests/api.rs      crates/app/src/store/tests.rs      crates/app/benches/parse.rs
    crates/resolver-tests/src/lib.rs   crates/cargo-test-support/src/lib.rs   e2e/login.ts
    internal/mocks/client.go     packages/core/bench/run.ts         tests/docs/page.md
    module/api/FooIT.java        src/FooSpec.scala                  scripts/install.bats
    features/login.feature
"""
EXAMPLE = """
    examples/web/app.py          ruoyi-demo/src/main/java/org/x/demo/A.java   sample/01-cats/src/main.ts
    examples/stress_tests/a.rs   packages/core/playground/main.ts             samples/kotlin/App.kt
    hack/update.sh               scripts/release.py                           tools/gen.go
    cloud_tpu_colabs/JAX.ipynb   src/model.ipynb                              agents/hooks/format.py
"""
DOCS = """
    docs/guide.md                README.md                          README
    notes.txt                    docs/conf.py                       doc/man/cargo-test.md
    docs/notebooks/intro.ipynb   Documentation/git-log.adoc         etc/man/cargo-test.1
    src/doc/book/src/a.md        website/docs/advanced/testing/a.mdx   docs/best-practice/testing/e2e/a.md
    crates/app/README.md         .changeset/brave-dogs.md           releasenotes/notes/fix-1a2b.yaml
    CHANGES.rst                  api-ref/source/nodes.inc           SECURITY.md
"""
CONFIG = """
    CMakeLists.txt               requirements-dev.txt               requirements/base.txt
    deploy/values.yaml           Dockerfile                         Dockerfile.a2
    docker/app.Dockerfile        package.json                       pyproject.toml
    go.mod                       Cargo.toml                         setup.py
    pom.xml                      App/App.csproj                     app/build.gradle
    build.gradle.kts             Gemfile                            jaxlib/BUILD
    WORKSPACE                    third/rules.bzl                    meson.build
    Makefile                     vite.config.ts                     eslint.config.mjs
    tsconfig.test.json           .changeset/config.json             .devcontainer/on-create.sh
    .editorconfig                etc/app.conf.sample                noxfile.py
"""
CI = ".github/workflows/ci.yml .gitlab-ci.yml ci/build.sh src/ci/run.sh Jenkinsfile zuul.d/project.yaml .travis.yml"
OTHER = "logo.bin LICENSE crates/app/LICENSE-MIT LICENSE.txt po/de.po src/words.txt src/main/resources/banner.txt"
KINDS = {
    "source": SOURCE,
    "test": TEST,
    "example": EXAMPLE,
    "docs": DOCS,
    "config": CONFIG,
    "ci": CI,
    "other": OTHER,
}


@pytest.mark.parametrize(
    ("path", "expected"), [(path, kind) for kind, paths in KINDS.items() for path in paths.split()]
)
def test_a_path_has_a_kind(path, expected):
    assert files.kind(path) == expected


GENERATED = """
    uv.lock Cargo.lock web/yarn.lock package-lock.json scripts/release.py.lock go.sum requirements_lock_3_12.txt
    vendor/k8s.io/api/types.go pip/_vendor/rich/text.py third_party/absl/a.cc node_modules/a/index.js
    static/app.min.js static/app.js.map dist/index.js __snapshots__/a.snap src/snapshots/a__b.snap
    tests/testsuite/cargo_add/help/stdout.term.svg api/user.pb.go api/user.pb.gw.go api/user_pb2.py
    api/user_pb2_grpc.pyi apis/zz_generated.deepcopy.go pkg/openapi_generated.go src/generated/client.ts
    lib/user.g.dart lib/user.freezed.dart config/crd/bases/x.yaml client-go/applyconfiguration/x/v1/a.go
    Forms/Main.Designer.cs gradlew
"""
WRITTEN = """
    src/app.py pkg/snapshots/overlay.go app/src/main/java/com/shop/vendor/Vendor.java src/dist/upload.py Gemfile
    docs/lockfiles.md src/map.ts src/generator/run.py doc/man/generated_txt/cargo.txt src/models/model.ipynb
"""


@pytest.mark.parametrize("path", GENERATED.split())
def test_what_a_program_wrote_is_known(path):
    assert files.generated(path)


@pytest.mark.parametrize("path", WRITTEN.split())
def test_what_somebody_wrote_is_known(path):
    assert not files.generated(path)


NOTES = """
    .changeset/brave-dogs-sing.md .sampo/changesets/a.md .nx/version-plans/version-plan-1.md
    .changes/unreleased/Added-2024.yaml .chloggen/fix-batch.yaml .changelog/12345.txt .changes/next-release/a.json
    change/@fluentui-react-0b5c1d2e-1f2a-4b3c-8d4e-5f6a7b8c9d0e.json common/changes/@rush/core/main_2024.json
    newsfragments/123.feature.rst newsfragments/123.misc changelog.d/20240101_fix.rst changelog.d/123.bugfix
    changes/123.bugfix.rst CHANGES/123.feature news/123.removal.rst news/+a.trivial.rst changelog/123.bugfix.rst
    changelogs/fragments/1234-fix.yml changelogs/unreleased/1234-user docs/changelog/12345.yaml
    releasenotes/notes/fix-1a2b3c.yaml releasenotes/source/zed.rst Documentation/RelNotes/2.45.0.adoc
    doc/release/upcoming_changes/1.change.rst doc/api/next_api_changes/removals/1.rst
    Misc/NEWS.d/next/Library/2024-01-01.gh-issue-1.rst Doc/whatsnew/3.13.rst doc/source/whatsnew/v2.2.0.rst
    docs/releases/5.1.txt release-content/release-notes/a.md release-content/migration-guides/a.md
    CHANGELOG.md CHANGELOG packages/app/CHANGELOG.md CHANGELOG-1.30.md CHANGELOG/CHANGELOG-1.30.md CHANGELOG.zh-CN.md
    CHANGES CHANGES.rst CHANGES.md docs/changes.md docs/changelog.md NEWS NEWS.md HISTORY.rst History.md RELEASES.md
    RELEASE_NOTES.md release-notes.md docs/whatsnew.rst UPGRADING.md changelogs/changelog.yaml
"""
NO_NOTES = """
    .changeset/README.md .changeset/config.json .chloggen/config.yaml .changelog/ newsfragments/README.rst
    newsfragments/.gitignore changelogs/config.yaml src/changelog.py src/changes/parser.py src/history.ts
    changelog.config.js docs/history.md docs/news.md docs/updating.md docs/guide.md README.md
    tests/fixtures/CHANGELOG.md vendor/x/CHANGELOG.md node_modules/a/HISTORY.md news/models.py
    src/release_notes/render.go .github/release.yml src/news/index.tsx
"""


@pytest.mark.parametrize("path", NOTES.split())
def test_a_note_tells_users_of_a_change(path):
    assert files.is_note(path)
    assert files.kind(path) == "docs"


@pytest.mark.parametrize("path", NO_NOTES.split())
def test_what_only_sounds_like_a_note_is_none(path):
    assert not files.is_note(path)


@pytest.mark.parametrize("path", ["package.json", "uv.lock", "examples/setup.py", "tests/requirements.txt", "a/go.mod"])
def test_a_raised_dependency_touches_manifests(path):
    assert files.is_manifest(path)


@pytest.mark.parametrize("path", ["src/app.py", "README.md", "tests/test_app.py", "api/user.proto"])
def test_code_is_no_manifest(path):
    assert not files.is_manifest(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README.md", "."),
        ("docs/a/b.md", "docs"),
        ("packages/core/src/x.ts", "packages/core"),
        ("src/app.py", "src"),
        ("lib/llm/src/a.rs", "lib/llm"),
        ("ruoyi-modules/ruoyi-system/src/main/java/A.java", "ruoyi-modules/ruoyi-system"),
        ("modules/pom.xml", "modules"),
    ],
)
def test_a_path_belongs_to_a_component(path, expected):
    assert files.component(path) == expected


@given(st.text(max_size=200))
def test_any_path_has_an_answer(path):
    assert files.kind(path) in files.FileKind
    assert files.generated(path) in (True, False)
    assert not (files.is_note(path) and files.kind(path) != "docs")


@pytest.mark.parametrize("part", ["news/", "changes/", "spec/", "dist/", "docs/", "a.", "test-", "src/main/", "Tests."])
def test_a_hostile_path_costs_little(part):
    path = part * (4_096 // len(part))
    start = time.thread_time()
    files.kind(path)
    files.generated(path)
    assert time.thread_time() - start < 0.05


# --- Notebooks -------------------------------------------------------------------------------

IMAGE = "iVBORw0KGgoAAAANSUhEUg" * 100
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "a1", "metadata": {"tags": ["intro"]}, "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "execution_count": 7,
            "id": "b2",
            "metadata": {"colab": {"base_uri": "https://localhost"}},
            "outputs": [
                {"name": "stdout", "output_type": "stream", "text": ["loss 0.3\n", '"quoted"\n']},
                {
                    "data": {"image/png": IMAGE, "text/plain": ["<Figure>"]},
                    "execution_count": 7,
                    "metadata": {"needs_background": "light"},
                    "output_type": "display_data",
                },
                {"ename": "E", "evalue": "e", "output_type": "error", "traceback": ["\u001b[31mTypeError\n"]},
            ],
            "source": ['config = {"rate": 1}\n', '"outputs": [\n', "plot(config)"],
        },
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
SAID = ['"# Title\\n",', '"text"', '"config = {\\"rate\\": 1}\\n",', '"\\"outputs\\": [\\n",', '"plot(config)"']


def added(lines, path="docs/intro.ipynb"):
    """A patch that adds lines."""
    return FilePatch(path, f"@@ -0,0 +1,{len(lines)} @@\n" + "\n".join(f"+{line}" for line in lines))


def kept(lines):
    """The lines of a patch that adds `lines` which somebody wrote, without the types of cells."""
    written = notebooks.written(added(lines).text)
    found = [line.strip() for line in lines if written.match(f"+{line}")]
    return [line for line in found if not line.startswith('"cell_type"')]


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
def test_the_source_of_a_notebook_is_what_somebody_wrote(indent):
    assert kept(json.dumps(NOTEBOOK, indent=indent).split("\n")) == SAID


@pytest.mark.parametrize("indent", [1, 2])
def test_a_hunk_in_the_middle_of_outputs_shows_nothing(indent):
    lines = json.dumps(NOTEBOOK, indent=indent).split("\n")
    start = next(n for n, line in enumerate(lines) if '"stream"' in line)
    end = next(n for n, line in enumerate(lines) if '"traceback"' in line)
    assert kept(lines[start:end]) == []


@pytest.mark.parametrize("indent", [1, 2])
def test_a_hunk_in_the_middle_of_source_is_shown(indent):
    lines = [line for line in json.dumps(NOTEBOOK, indent=indent).split("\n") if line.strip() in SAID]
    assert kept(lines) == SAID


def test_a_source_that_is_one_string_is_shown():
    cell = {"cells": [{"cell_type": "code", "outputs": [], "source": "x = 1\ny = 2"}]}
    assert kept(json.dumps(cell, indent=1).split("\n")) == ['"source": "x = 1\\ny = 2"']


def test_a_notebook_on_one_line_is_shown_as_it_is():
    assert len(kept([json.dumps(NOTEBOOK)])) == 1


def test_a_line_that_was_shortened_is_shown():
    lines = ['   "source": [', '    "a very long line…', "   ]"]
    assert kept(lines) == ['"a very long line…']


def test_a_model_sees_no_output_of_a_notebook():
    lines = json.dumps(NOTEBOOK, indent=1).split("\n")
    seen = patch.select(commit("docs: x", change("docs/intro.ipynb", len(lines), 0)), [added(lines)], 10_000)
    assert "plot(config)" in seen.text
    assert "iVBOR" not in seen.text
    assert "loss 0.3" not in seen.text
    assert seen.coverage == 1
    (left_out,) = seen.left_out
    assert left_out.endswith(f", {len(lines) - 7} changed lines of a notebook's outputs and metadata")


def test_outputs_alone_leave_nothing_to_read():
    lines = ['   "execution_count": 8,', '      "image/png": "iVBORw0KGgo",', '       "<Figure>"']
    seen = patch.select(commit("docs: x", change("docs/intro.ipynb", 3, 0)), [added(lines)], 10_000)
    assert (seen.text, seen.coverage) == ("", 1)


def test_what_was_not_read_of_a_notebook_is_taken_to_be_like_the_rest():
    lines = json.dumps(NOTEBOOK, indent=1).split("\n")
    whole = change("docs/intro.ipynb", 10 * len(lines), 0)
    seen = patch.select(commit("docs: x", whole), [added(lines)], 10_000)
    assert seen.coverage == pytest.approx(0.1)


def test_a_line_of_a_notebook_stands_where_it_did():
    text = '@@ -40,3 +50,4 @@\n    "outputs": [],\n    "source": [\n+    "x = 1\\n",\n     "y"'
    assert "@@ line 50 @@" in patch.select(commit("x", change("a.ipynb", 1, 0)), [FilePatch("a.ipynb", text)], 500).text
