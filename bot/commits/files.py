"""Classifies files by path: kind, whether generated, and component. Pure.

The patterns contain the names that build tools, test runners and package managers look for, and common folders. A
folder whose name products use as well (`sample`, `testing`, `spec`) counts only where samples and tests usually are: at
the top of a repository or of one of its packages.
"""

import re
from enum import StrEnum
from functools import lru_cache

_CACHE = 1 << 16
"""How many paths to cache: the same ones recur in the commits of a day."""
_LONGEST = 400
"""Characters to check, from the end: no real path has more, and time may grow with their square."""


class FileKind(StrEnum):
    """The kind of a file. `example` is source outside the product: examples, notebooks, developers' scripts."""

    SOURCE = "source"
    TEST = "test"
    EXAMPLE = "example"
    DOCS = "docs"
    CONFIG = "config"
    CI = "ci"
    OTHER = "other"


def _any(*patterns: str) -> re.Pattern[str]:
    """Join patterns, case-insensitively; `(?-i:…)` is for names whose case matters."""
    return re.compile("|".join(patterns), re.IGNORECASE)


_TOP = r"(?:^|^(?:packages|crates|apps|modules|plugins|libs|services|projects)/[^/]+/)"
"""The top of a repository, or of one of its packages."""
_PROSE = r"(?:md|mdx|markdown|rst|adoc|asciidoc|txt|textile|rdoc|org)"
_ONE = r"(?:[^/]+/)*(?!readme|template|_?config)[^/.][^/]*"
"""A file somewhere in a folder of fragments that is a fragment."""

# --- Notes -----------------------------------------------------------------------------------

_NOTE = _any(
    # Fragments, each by the tool that reads it: Changesets, Sampo, Nx; Changie, OpenTelemetry's chloggen, HashiCorp,
    # botocore, Pony; beachball; Rush.
    rf"(?:^|/)(?:\.changeset|\.sampo/changesets|\.nx/version-plans)/{_ONE}\.md$",
    rf"(?:^|/)\.(?:changes|chloggen|changelog|release-notes)/{_ONE}\.(?:md|ya?ml|json|toml|txt)$",
    r"^change/[^/]+-[0-9a-f]{8}-[0-9a-f-]{27}\.json$|^common/changes/.*\.json$",
    # scriv, towncrier, CPython's blurb, NumPy and Matplotlib; towncrier's types in a folder of another name.
    rf"(?:^|/)(?:newsfragments|changelog\.d|news\.d|upcoming_changes|next_api_changes|next_whats_new)/{_ONE}$",
    r"(?:^|/)(?:news|changes)/(?:[^/]+/)*\+?[\w-]+\.(?:feature|bugfix|docs?|removal|misc|deprecation|breaking|packaging"
    r"|vendor|process|trivial|improvement|security|contrib)(?:\.\d+)?(?:\.(?:md|rst|txt))?$",
    # Folders of notes: GitLab's, Ansible's, Elasticsearch's changelogs; reno; git; Python, pandas; Django; Bevy.
    rf"(?:^|/)(?:changelogs?|changes)/{_ONE}\.(?:{_PROSE}|ya?ml)$|(?:^|/)changelogs/unreleased/{_ONE}$",
    rf"(?:^|/)release[-_]?notes?/{_ONE}\.(?:{_PROSE}|ya?ml)$|(?:^|/)relnotes/{_ONE}$",
    rf"(?:^|/)(?:whats?[-_]?new|migration[-_]guides|docs/releases)/{_ONE}\.{_PROSE}$",
    # Whole histories, by name. If the name is a common word, only its capitals distinguish it from a page about the
    # thing.
    rf"(?:^|/)(?:change[-_]?log|release[-_]?notes|changes|whats?[-_]?new)(?:[-_.][^/]*)?\.{_PROSE}$",
    r"(?:^|/)change[-_]?logs?(?:\.ya?ml)?$",
    rf"(?:^|/)(?-i:NEWS|HISTORY|RELEASES|UPGRADE|UPGRADING|UPDATING|News|History)(?:[-_.][^/]*)?\.{_PROSE}$",
    rf"(?:^|/)(?-i:CHANGES|NEWS|HISTORY)$|^(?:news|history)\.{_PROSE}$",
)


def is_note(path: str) -> bool:
    """Whether a file informs users about changes: a changeset, a fragment of a changelog, a changelog, release notes.

    Files among tests and vendored ones are not about this repository.
    """
    return kind(path) is FileKind.DOCS and not generated(path) and bool(_NOTE.search(path[-_LONGEST:]))


# --- Kinds -----------------------------------------------------------------------------------

_CI = _any(
    r"(?:^|/)\.(?:github|gitlab|gitee|gitea|forgejo|circleci|buildkite|azure-pipelines|woodpecker|teamcity|kokoro|zuul\.d)/",
    # A product may have a package `ci`, such as GitLab's `app/models/ci/`.
    r"^(?:(?:src|tools|build|scripts|hack|contrib|eng|dev)/)?ci/|^zuul\.d/",
    r"(?:^|/)\.[^/]*ci\.ya?ml$|(?:^|/)\.?(?:appveyor|travis|cirrus|zuul|drone|codecov)\.ya?ml$",
    r"(?:^|/)(?:azure|bitbucket)-pipelines[^/]*\.ya?ml$|(?:^|/)Jenkinsfile[^/]*$",
)

# A page on tests is a page; one among the tests is theirs.
_PAGE = _any(rf"^(?:(?!(?:tests?|fixtures|testdata|e2e|spec|t)/)[^/]+/)*(?:docs?|documentation)/.*\.{_PROSE}$")
_TEST_PLACE = _any(
    r"(?:^|/)(?:tests?|__tests?__|__mocks__|__fixtures__|fixtures|testdata|testsuites?|unittests|mocks|e2e|benches)/",
    r"^(?!examples?/)(?:.*/)?[\w.-]*[-_](?:tests|(?:unit|integration|functional|acceptance|smoke|e2e)[-_]?test)/",
    r"(?:^|/)(?:[\w.-]*[-_])?test[-_]?(?:support|utils?|helpers?|data|fixtures|resources|suites?|cases|harness|macros?)/",
    # `testing` deep in a product is offered to others (numpy.testing, client-go/testing). Kubernetes' repositories keep
    # what their own tests build objects with in `util/testing`.
    rf"{_TOP}(?:testing|bench|benchmarks?|fuzz|cypress)/|(?:^|/)(?:utils?|internal|tools|hack|scripts)/testing\w*/",
    r"^tools/bench(?:marks?)?/|(?:^|/)fuzz_targets/|^oss-fuzz/",
    # RSpec; Jasmine, Busted and PHPSpec. A specification is in `spec/` as well, but not as code.
    r"(?:^|/)spec/.*\.rb$|^spec/.*\.(?:[jt]sx?|coffee|lua|cr|php)$",
    r"^t/|(?:^|/)t/[^/]+\.(?:sh|t|pl)$",  # Perl's, and git's
    r"(?:^|/)(?-i:src/[a-z]\w*Test(?:s|Fixtures)?)/",  # Gradle: src/androidTest, src/integrationTest
    r"(?:^|/)(?-i:[A-Z][\w.]*(?:[a-z]Tests|\.(?:\w*Tests?|Specs)))/",  # .NET and Swift: App.Tests, AppUITests
)
# What the runners look for, by language: pytest, Go, RSpec and minitest, Mix, Dart, GoogleTest, testthat, Jest and
# Vitest, Bats, Pester, Perl's prove. Rust has no such names: tests are in `tests/` or a module `tests`, and
# `cargo_test.rs` or `package_id_spec.rs` are what they are called.
_TEST_NAME = _any(
    r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests|conftest)\.pyi?$|(?:_tests|(?:^|/)tests)\.rs$",
    r"_test\.(?:go|rb|exs|dart|cc|cpp|cxx|c|cu|mm?|clj[cs]?|lua|php|sh|bzl|zig|jl|ml|sql)$|_(?:suite|tests)\.erl$",
    r"_(?:tests|unittests?|gtest)\.(?:cc|cpp|cxx|c|cu|mm)$|(?:^|/)test_[^/]*\.(?:c|cc|cpp|cxx|cu|rb|ml|nim|zig|sh|r)$",
    r"(?:^|/)test-[^/]*\.(?:c|sh|r)$|-tests?\.(?:sh|bash|[cm]?[jt]sx?|c|h)$",
    r"_spec\.(?:rb|cr|lua|coffee|[jt]sx?)$|[._](?:tests?|spec|e2e|e2e-spec|test-d|bench|cy)\.(?:[cm]?[jt]sx?|vue|coffee)$",
    r"\.tests?\.(?:ps1|lua|sh|php)$|\.(?:bats|t)$|(?:^|/)features/.*\.feature$",
    # Surefire and Failsafe (maven.apache.org/surefire/maven-surefire-plugin/examples/inclusion-exclusion.html);
    # xUnit, XCTest, PHPUnit, LLVM; Hspec, ScalaTest, Spock.
    r"(?:^|/)(?-i:Test[A-Z]\w*\.(?:java|kt|scala|groovy)|(?:\w+Tests?|\w*[a-z0-9](?:TestCase|IT|ITCase))\.(?:java|kt|scala|groovy)"
    r"|\w*[a-z0-9]Tests?\.(?:cs|fs|vb|php|swift|mm?|cpp|cc)|\w*[a-z0-9]Spec\.(?:hs|swift|php|kt|scala|groovy))$",
)

_MANIFEST = _any(
    r"(?:^|/)(?:[\w.-]{0,60}(?:requirements|constraints)[\w.-]{0,60}\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)|go\.mod"
    r"|go\.work|gemfile|podfile|pipfile|cartfile|brewfile|mix\.exs|rebar\.config|build\.sbt|package\.swift|setup\.py"
    r"|conanfile\.(?:py|txt)|build\.zig\.zon|dune-project|deps\.edn|project\.clj|cpanfile"
    r"|[^/]+\.(?:csproj|fsproj|vbproj|vcxproj|gemspec|podspec|nuspec|cabal|opam|props|targets|gradle|gradle\.kts))$",
)
_BUILD = _any(
    r"(?:^|/)(?:CMakeLists|robots)\.txt$|(?:^|/)(?-i:BUILD|WORKSPACE|BUCK)$|\.(?:bazel|bzl|gni?|cmake|mk|mak|m4|am|ac)$",
    r"(?:^|/)(?:meson\.build|meson[._]options(?:\.txt)?|SConstruct|SConscript|justfile|noxfile\.py|Rakefile|Vagrantfile)$",
    r"(?:^|/)(?:Procfile|Kconfig[^/]*|Dockerfile(?:[.-][^/]*)?|[^/]+\.Dockerfile|Containerfile(?:[.-][^/]*)?|gulpfile\.[cm]?[jt]s)$",
    r"(?:^|/)\.(?:devcontainer|vscode|idea|husky|run)/",
    # The settings of the tools that build, check and test JavaScript. An `app.config.ts` is a program's own.
    r"(?:^|/)\.?(?:astro|babel|commitlint|cypress|docusaurus|esbuild|eslint|jest|karma|lint-staged|metro|next|nuxt"
    r"|playwright|postcss|prettier|rolldown|rollup|rspack|stylelint|svelte|tailwind|tsdown|tsup|uno|vite|vitest|vue"
    r"|webpack)(?:\.[\w-]+)?\.(?:config|workspace)\.[cm]?[jt]s$",
)

_DOCS_PLACE = _any(rf"(?:^|/)(?:(?:versioned_)?docs|documentation|api-ref|releasenotes)/|{_TOP}doc/|^src/doc/")
_DOCS_NAME = _any(
    r"\.(?:md|mdx|markdown|rst|adoc|asciidoc|textile|rdoc|pod|texi)$|(?:^|/)man\d?/[^/]+\.[1-9]$|^[^/]+\.txt$",
    r"(?:^|/)(?-i:README|INSTALL|CONTRIBUTING|AUTHORS|TODO|THANKS|SECURITY)(?:\.\w+)?$",
)
_LEGAL = _any(r"(?:^|/)(?-i:LICEN[CS]E|COPYING|NOTICE)(?:[-_.][^/]*)?$")
"""A licence is not documentation: changing it changes the terms."""

_NOTEBOOK = _any(r"\.ipynb$")
_EXAMPLE_PLACE = _any(
    r"(?:^|/)(?:[\w.-]*-)?(?:examples?|demos?)/|(?:^|/)(?<!src/)(?<!pkg/)(?<!lib/)(?<!internal/)samples/",
    rf"{_TOP}(?:sample|playgrounds?)/|^(?:hack|scripts?|tools|dev|\.agents|\.claude|agents/(?:hooks|scripts))/",
)
_SOURCE = _any(
    r"\.(?:py|pyi|pyx|pxd|pxi|rs|go|c|cc|cpp|cxx|h|hh|hpp|hxx|inl|ipp|cu|cuh|hip|cl|m|mm|metal|td|java|kt|kts|scala|groovy"
    r"|cs|csx|fs|fsx|vb|razor|cshtml|xaml|js|jsx|mjs|cjs|ts|tsx|mts|cts|coffee|vue|svelte|astro|rb|rake|cr|php|phtml|pl"
    r"|pm|perl|lua|sh|bash|zsh|fish|nu|bat|cmd|ps1|psm1|awk|tcl|swift|dart|ex|exs|heex|erl|hrl|hs|elm|purs|ml|mli|clj"
    r"|cljs|cljc|lisp|el|scm|rkt|r|jl|zig|nim|f|f90|f95|pas|adb|ads|cob|sol|move|cairo|lean|v|sv|vhd|vhdl|asm|s|gd"
    r"|gdshader|qml|mojo|rego|wgsl|wesl|glsl|vert|frag|comp|hlsl|slang|css|scss|sass|less|styl|html|htm|jsp|j2|jinja"
    r"|jinja2|tmpl|tpl|gotmpl|mako|mustache|hbs|ejs|erb|haml|slim|pug|liquid|twig|ftl|vm|xsl|xslt|sql"
    r"|proto|graphql|gql|thrift|fbs)(?:\.in)?$",
    r"(?:^|/)bin/[^/.]+$",
    # A mapper of MyBatis is the SQL that a program runs (mybatis.org/mybatis-3/sqlmap-xml.html).
    r"(?:^|/)(?-i:mappers?/(?:[^/]+/)*[^/]+Mapper\.xml)$",
)
_CONFIG = _any(
    r"\.(?:ya?ml|toml|json|json5|jsonc|ini|cfg|conf|properties|xml|env|lock|nix|tf|tfvars|hcl"
    r"|service|socket|timer|spec|ron|sln|xcconfig|plist|imports)(?:\.in|\.sample|\.template)?$",
    r"(?:^|/)(?:Dockerfile[^/]*|(?:GNU)?Makefile[^/]*|\.[^/]+)$",
)

# Below `src/main/` a folder is a package of the product, whatever its name, and no file is a test: Maven's standard
# layout (maven.apache.org/guides/introduction/introduction-to-the-standard-directory-layout.html), and Gradle's.
_MAIN = re.compile(r"((?:^|/)src/(?:main|[a-z]+Main)/).*")
# In this order; those that check the location do not see paths below `src/main/`.
_ORDER = (
    (FileKind.CI, _CI, False),
    (FileKind.DOCS, _PAGE, False),
    (FileKind.TEST, _TEST_PLACE, True),
    (FileKind.TEST, _TEST_NAME, True),
    (FileKind.DOCS, _NOTE, False),
    (FileKind.CONFIG, _MANIFEST, False),
    (FileKind.CONFIG, _BUILD, False),
    (FileKind.DOCS, _DOCS_PLACE, True),
    (FileKind.OTHER, _LEGAL, False),
    (FileKind.DOCS, _DOCS_NAME, False),
    # A notebook is read, not run by a program; its thousands of lines of output do not count as source.
    (FileKind.EXAMPLE, _NOTEBOOK, False),
)


@lru_cache(_CACHE)
def kind(path: str) -> FileKind:
    """The kind of a file, by its path."""
    path = path[-_LONGEST:]
    place = _MAIN.sub(r"\1", path)
    for found, pattern, by_place in _ORDER:
        if pattern.search(place if by_place else path):
            return found
    if _SOURCE.search(path):
        return FileKind.EXAMPLE if _EXAMPLE_PLACE.search(place) else FileKind.SOURCE
    return FileKind.CONFIG if _CONFIG.search(path) else FileKind.OTHER


def is_manifest(path: str) -> bool:
    """Whether updating a dependency may change the file: a manifest, a lock file, any other configuration."""
    return generated(path) or kind(path) is FileKind.CONFIG or bool(_MANIFEST.search(path[-_LONGEST:]))


def is_notebook(path: str) -> bool:
    """Whether a file is a Jupyter notebook, whose outputs are generated."""
    return bool(_NOTEBOOK.search(path))


# --- Generated files -------------------------------------------------------------------------

_LOCK = _any(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|packages\.lock\.json|pnpm-lock\.yaml|conda-lock\.ya?ml|\.pnp\.c?js"
    r"|package\.resolved|bun\.lockb|go(?:\.work)?\.sum|gradle\.lockfile|\.terraform\.lock\.hcl|[\w-]*requirements[-_]lock"
    r"[\w.-]*\.txt|[^/]+\.lock)$",
)
_OUTPUT = _any(
    # Minified and bundled code, source maps, wrappers that build tools put into a repository.
    r"\.min\.(?:m?js|css)$|\.(?:bundle|chunk)\.js$|\.map$",
    r"(?:^|/)(?:gradlew(?:\.bat)?|mvnw(?:\.cmd)?)$|(?:^|/)(?:\.yarn/releases|gradle/wrapper|\.mvn/wrapper)/",
    # protoc and its plugins; Kubernetes' and other generators of Go; Dart, C#.
    r"_pb2(?:_grpc)?\.pyi?$|\.pb(?:\.\w+)?\.(?:go|cc|h|swift|dart)$|\.pb(?:json|enum|server)\.dart$|_pb\.(?:d\.ts|[jt]s)$",
    r"(?:^|/)zz_generated[^/]*$|[._]generated\.[^/]+$|[._]gen\.(?:go|ts)$|(?:^|/)bindata\.go$|\.sql\.go$",
    r"\.(?:g|gr|freezed|mocks)\.dart$|\.(?:g|g\.i|designer)\.cs$",
)
_OUTPUT_PLACE = _any(
    r"(?:^|/)(?:vendor|_?vendored|_vendor|third_party|thirdparty|node_modules|bower_components|__generated__|generated"
    r"|clientset/versioned|informers/externalversions|applyconfiguration)/",
    r"(?:^|/)dist/(?:[^/]+/)*[^/]+\.(?:[cm]?js|css|d\.[cm]?ts|html|wasm)$",
    r"(?:^|/)crd/bases/",  # what controller-gen makes of Go types
)
_SNAPSHOT = re.compile(r"\.(?:snap|ambr)$|\.term\.svg$|\.approved\.\w+$", re.IGNORECASE)
_SNAPSHOT_PLACE = _any(
    r"(?:^|/)__snapshots__/",
    # containerd's `snapshots/` is a package, a folder of data is not.
    r"(?:^|/)snapshots/(?:[^/]+/)*[^/]+(?<!\.go)(?<!\.rs)(?<!\.py)(?<!\.java)(?<!\.kt)$",
)
_PACKAGE = re.compile(r"((?:^|/)src/(?:main|[a-z]+Main)/(?:java|kotlin|scala|groovy)/).*")


@lru_cache(_CACHE)
def generated(path: str) -> bool:
    """Whether a program wrote a file: lock files, vendored, minified, snapshot and generated code, by path."""
    path = path[-_LONGEST:]
    return recorded(path) or bool(_OUTPUT.search(path) or _OUTPUT_PLACE.search(_PACKAGE.sub(r"\1", path)))


def recorded(path: str) -> bool:
    """Whether a generated file records a state that is not read line by line: a lock file, a snapshot of a test."""
    path = path[-_LONGEST:]
    return bool(_LOCK.search(path) or _SNAPSHOT.search(path) or _SNAPSHOT_PLACE.search(_PACKAGE.sub(r"\1", path)))


# --- Components ------------------------------------------------------------------------------

# Folders that only hold components: the component is the folder below them.
_SHELVES = re.compile(
    r"apps|cmd|components|crates|internal|libs?|(?:[\w-]+-)?(?:modules|plugins)|packages|pkg|projects|services|src|tools"
)
ROOT = "."
"""The component of files outside folders."""


def component(path: str) -> str:
    """The part of a repository that a path belongs to: its first folder, or the one below a folder of components."""
    *folders, _ = path.split("/")
    if not folders:
        return ROOT
    depth = 2 if len(folders) > 1 and _SHELVES.fullmatch(folders[0]) else 1
    return "/".join(folders[:depth])
