"""Hostile documents of any size: JSON, TOML, YAML, manifests, records, notebooks, texts."""

from __future__ import annotations

import json
from typing import Any

from packaging.version import Version

from sapwood.documents.canonical_json import parse, parse_exact
from sapwood.documents.fields import Fields
from sapwood.documents.paths import clash_among, clashing
from sapwood.documents.patterns import Pattern
from sapwood.documents.toml import parse_toml
from sapwood.errors import InputError, InvalidStore
from sapwood.package import FileIdentity, Manifest, Module, Rules, parse_manifest, parsed_notebook
from sapwood.package.manifest.manifest import Note, check_files
from sapwood.package.manifest.policies import Policy, PolicyRule
from sapwood.store.oci.descriptors import (
    Reference,
    choose_descriptor,
    descriptors_in,
    parse_descriptor,
    parse_reference,
)
from sapwood.workspace.change.lcs import common_runs
from sapwood.workspace.change.planning import plan_changes
from sapwood.workspace.change.texts import count_changes, shown_text, unified_lines
from sapwood.workspace.course.course_yml import parse_course
from sapwood.workspace.course.plain_yaml import parse_yaml
from sapwood.workspace.course.successors import Successors
from sapwood.workspace.exporting.code import exported_module
from sapwood.workspace.notebooks import merge_notebook
from sapwood.workspace.record.journal import parse_journal
from sapwood.workspace.record.record import parse_record
from support.growth import Call, Family

LARGEST = 1 << 24
HEAD = 'schema = 1\nname = "c"\nversion = "1"\n'
BOOK = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}
HASH = "sha256:" + "0" * 64
DIGEST = "sha256:{:064x}"


def json_of(text: str) -> Call:
    data = text.encode()
    return lambda: parse(data, "document", InputError)


def exact(value: object) -> Call:
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return lambda: parse_exact(data, "document", InputError)


def toml(text: str) -> Call:
    data = text.encode()
    return lambda: parse_toml(data, "document", InputError, LARGEST)


def yaml(text: str) -> Call:
    data = text.encode()
    return lambda: parse_yaml(data, "course.yml")


def course(text: str) -> Call:
    data = text.encode()
    return lambda: parse_course(data)


def manifest(text: str) -> Call:
    data = (HEAD + text).encode()
    return lambda: parse_manifest(data)


def lines(*texts: str) -> str:
    return "".join(f"{text}\n" for text in texts)


def tables(name: str, *bodies: str) -> str:
    return lines(*(f"[[{name}]]\n{body}" for body in bodies))


def pattern(text: str, path: str) -> Call:
    parsed = Pattern.of(text)
    return lambda: parsed.matches(path)


def paths(count: int) -> list[str]:
    return [f"{'folder/' * (i % 20)}file{i}" for i in range(count)]


def looked_up(count: int) -> Call:
    """Files of a package with notes and renames for each of them."""
    names = paths(count)
    notes = tuple(Note(name, "better", Version("2")) for name in names)
    made = Manifest("c", Version("2"), notes=notes)
    return lambda: [made.note_for(name, "1.0") for name in names]


def placed(count: int) -> Call:
    rules = Rules(tuple(PolicyRule(Pattern.of(f"**/x{i}/**"), Policy.ONCE) for i in range(5)))
    made = Manifest("c", Version("2"), rules=rules)
    return lambda: check_files(made, paths(count))


def planned(count: int) -> Call:
    old = {f"old/{i}": FileIdentity(HASH) for i in range(count)}
    new = {f"new/{i}": FileIdentity(HASH) for i in range(count)}
    renames = dict(zip(old, new, strict=True))
    return lambda: plan_changes(old, dict(old), new, Rules(renames=renames))


def succeeded(count: int) -> Call:
    """Modules that are called otherwise by renames, each asked for."""
    modules = tuple(Module(f"{i}_new{i}", "") for i in range(count))
    renames = {f"{i}_old{i}/a": f"{i}_new{i}/a" for i in range(count)}
    made = Manifest("c", Version("2"), rules=Rules(renames=renames), modules=modules)

    def asked() -> list[str | None]:
        successors = Successors(made)
        return [successors.of(f"{i}_old{i}") for i in range(count)]

    return asked


def record(count: int) -> dict[str, Any]:
    entry = {"version": "1.0", "hash": HASH, "size": 1, "blob": None}
    times = dict.fromkeys(("created", "last_updated"), "2027-01-15T10:30:00Z")
    versions = dict.fromkeys(("workspace_version", "template_version"), "1.0")
    files = dict.fromkeys(paths(count), entry)
    return {"format": "sapwood-workspace", "schema": 1, "template": "c", **times, **versions} | {
        "files": files
    }


def recorded(count: int) -> Call:
    data = json.dumps(record(count)).encode()
    return lambda: parse_record(data, "record")


def journal(count: int) -> Call:
    step = {"kind": "write", "path": "a/b", "new": HASH, "staged": "1"}
    value = {"format": "sapwood-journal", "schema": 1, "folder": "0" * 16, "record": record(count)}
    data = json.dumps({**value, "steps": [step] * count}).encode()
    return lambda: parse_journal(data, "journal")


def notebook(*sources: str, **fields: Any) -> bytes:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": one, "outputs": [], **fields}
        for one in sources
    ]
    return json.dumps({**BOOK, "cells": cells}).encode()


def read_book(data: bytes) -> Call:
    return lambda: parsed_notebook(data)


def merged(base: bytes, ours: bytes, theirs: bytes) -> Call:
    return lambda: merge_notebook(base, ours, theirs)


def merged_alike(count: int) -> Call:
    """Cells that are all the same and have no ids: each gets one that no other has."""
    same = ["x = 1"] * count
    return merged(notebook(*same), notebook(*same, *same), notebook(*same, "y = 2"))


def merged_unlike(count: int) -> Call:
    """Cells of which none is as any other."""
    base, ours, theirs = (notebook(*(f"{who}{i}" for i in range(count))) for who in "abc")
    return merged(base, ours, theirs)


def merged_turned(count: int) -> Call:
    """Cells that both put into another order, with what each has added between them."""
    names = [f"x{i}" for i in range(count)]
    ours = [one for name in reversed(names) for one in (name, f"ours {name}")]
    theirs = [one for name in names[1:] + names[:1] for one in (name, f"theirs {name}")]
    return merged(notebook(*names), notebook(*ours), notebook(*theirs))


def exported(count: int) -> Call:
    data = notebook(*(f"#| export\nx{i} = {i}" for i in range(count)))
    return lambda: exported_module(data, "a.ipynb")


def compared(old: list[str], new: list[str]) -> Call:
    return lambda: common_runs(old, new)


def zeros(count: int) -> tuple[bytes, bytes]:
    """A column of zeros, and one in which every second line is filled in."""
    old = "0\n" * count
    return old.encode(), "".join(f"0\n{i}\n" for i in range(count)).encode()


def text_changes(count: int) -> Call:
    old, new = zeros(count)
    return lambda: count_changes(old, new)


def text_diff(count: int) -> Call:
    old, new = zeros(count)
    return lambda: unified_lines(old, new, ("a", "b"))


def shown(count: int) -> Call:
    data = notebook(*(f"x = {i}" for i in range(count)))
    return lambda: shown_text(data, "a.ipynb")


def index(count: int) -> Fields:
    listed = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": DIGEST.format(i),
            "size": 1,
            "annotations": {"org.opencontainers.image.ref.name": f"t{i}"},
        }
        for i in range(count)
    ]
    return Fields({"manifests": listed}, "index.json", InvalidStore)


def chosen(count: int) -> Call:
    listed = index(count)
    return lambda: choose_descriptor(descriptors_in(listed), Reference("x"), "x")


def annotated(count: int) -> Call:
    notes = {f"n{i}": "x" for i in range(count)}
    value = {"mediaType": "", "digest": DIGEST.format(1), "size": 1, "annotations": notes}
    return lambda: parse_descriptor(Fields(value, "index.json", InvalidStore))


def clashes(count: int) -> Call:
    return lambda: (clash_among(paths(count)), clashing(paths(count), ["x", "folder/x"]))


def migrations(count: int) -> str:
    steps = (f'version = "1"\nrenames = [{{from = "a{i}", to = "a{i + 1}"}}]' for i in range(count))
    return tables("migrations", *steps)


def modules(count: int) -> str:
    bodies = (
        f'name = "{i}_m{i}"\nneeds = {json.dumps([f"{k}_m{k}" for k in range(max(0, i - 8), i)])}'
        for i in range(count)
    )
    return tables("modules", *bodies)


def data_files(count: int) -> str:
    bodies = (
        f'name = "d"\nfile = "f{i}"\nsha256 = "{"0" * 64}"\nsize = 1\nurls = ["https://a.b/c"]'
        for i in range(count)
    )
    return tables("data", *bodies)


def weights_patches(count: int) -> str:
    bodies = (f'path = "w{i}"\nbase = "1"\npatch = "p{i}"' for i in range(count))
    return tables("patches", *bodies)


DOCUMENTS: dict[str, Family] = {
    "JSON of many keys": Family(
        "documents.canonical_json.parse",
        lambda n: json_of(json.dumps({f"k{i}": i for i in range(n)})),
    ),
    "JSON of many lists": Family(
        "documents.canonical_json.parse", lambda n: json_of(f"[{'[],' * n}0]")
    ),
    "JSON that nests": Family(
        "documents.canonical_json.parse", lambda n: json_of("[" * n + "]" * n)
    ),
    "JSON of one long number": Family(
        "documents.canonical_json.parse", lambda n: json_of("1" * 100 * n)
    ),
    "JSON in canonical form": Family(
        "documents.canonical_json.parse_exact", lambda n: exact([{"a": i} for i in range(n)])
    ),
    "TOML of many keys": Family(
        "documents.toml.parse_toml", lambda n: toml(lines(*(f"k{i} = 1" for i in range(n))))
    ),
    "TOML of dotted keys": Family(
        "documents.toml.parse_toml", lambda n: toml(lines(*(f"a.b.c.k{i} = 1" for i in range(n))))
    ),
    "TOML of a key of many parts": Family(
        "documents.toml.parse_toml", lambda n: toml(".".join(["a"] * 100 * n) + " = 1"), 40
    ),
    "TOML of tables": Family(
        "documents.toml.parse_toml", lambda n: toml(lines(*(f"[a{i}.b.c.d]" for i in range(n))))
    ),
    "TOML of tables in tables": Family(
        "documents.toml.parse_toml", lambda n: toml("[[a]]\n[a.b]\n" * n)
    ),
    "TOML of escapes": Family(
        "documents.toml.parse_toml", lambda n: toml('x = "' + r"\n" * n + '"')
    ),
    "TOML that nests": Family("documents.toml.parse_toml", lambda n: toml("x = " + "[" * n)),
    "YAML of many values": Family(
        "workspace.course.plain_yaml.parse_yaml", lambda n: yaml("- a\n" * n)
    ),
    "YAML of many keys": Family(
        "workspace.course.plain_yaml.parse_yaml",
        lambda n: yaml(lines(*(f"k{i}: a" for i in range(n)))),
    ),
    "YAML that nests": Family("workspace.course.plain_yaml.parse_yaml", lambda n: yaml("- " * n)),
    "YAML of one long line": Family(
        "workspace.course.plain_yaml.parse_yaml", lambda n: yaml("a: [" + "b, " * n + "]")
    ),
    "YAML of aliases of aliases": Family(
        "workspace.course.plain_yaml.parse_yaml",
        lambda n: yaml(lines("a0: &a0 x", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, n)))),
    ),
    "a course of many modules": Family(
        "workspace.course.course_yml.parse_course",
        lambda n: course(lines("modules:", *(f"  - m{i}" for i in range(n)))),
    ),
    "a path of many folders": Family(
        "documents.patterns.Pattern", lambda n: pattern("**/a/b/*", "a/" * n)
    ),
    "a pattern of many stars": Family(
        "documents.patterns.Pattern", lambda n: pattern("**/" * n + "b", "a/" * 40), 40
    ),
    "a pattern of stars and names": Family(
        "documents.patterns.Pattern", lambda n: pattern("**/a/" * n + "b", "a/" * 40), 40
    ),
    "many paths beside each other": Family("documents.paths", clashes),
    "a manifest of renames one after another": Family(
        "package.manifest.manifest.parse_manifest", lambda n: manifest(migrations(n))
    ),
    "a manifest of modules": Family(
        "package.manifest.manifest.parse_manifest", lambda n: manifest(modules(n))
    ),
    "a manifest of data": Family(
        "package.manifest.manifest.parse_manifest", lambda n: manifest(data_files(n))
    ),
    "a manifest of patches": Family(
        "package.manifest.manifest.parse_manifest", lambda n: manifest(weights_patches(n))
    ),
    "a long version": Family(
        "package.manifest.manifest.parse_manifest", lambda n: manifest(f'user = "{"1.0" * n}"')
    ),
    "notes on all files": Family("package.manifest.manifest", looked_up),
    "files of a package": Family("package.manifest.policies", placed),
    "a notebook of many cells": Family(
        "package.canonical.parsed_notebook", lambda n: read_book(notebook(*(["x"] * n)))
    ),
    "a record of many files": Family("workspace.record.record.parse_record", recorded),
    "a journal of many steps": Family("workspace.record.journal.parse_journal", journal),
    "a plan of many renames": Family("workspace.change.planning", planned),
    "modules that were renamed": Family("workspace.course.successors", succeeded),
    "cells that are all alike": Family("workspace.notebooks", merged_alike),
    "cells of which none is alike": Family("workspace.notebooks", merged_unlike, 110),
    "cells in three orders": Family("workspace.notebooks", merged_turned),
    "cells to export": Family("workspace.exporting.code", exported),
    # What the bit vectors take is bounded by the number of pairs.
    "lines that are alike here and there": Family(
        "workspace.change.lcs",
        lambda n: compared(["0"] * n, ["0", "1"] * n),
        memory=False,
    ),
    "lines of which none is alike": Family(
        "workspace.change.lcs",
        lambda n: compared([f"a{i}" for i in range(n)], [f"b{i}" for i in range(n)]),
        memory=False,
    ),
    "a column that was filled in": Family("workspace.change.texts", text_changes, memory=False),
    "the difference of such a column": Family("workspace.change.unified", text_diff, memory=False),
    "a notebook as text": Family("workspace.change.texts", shown),
    "an index of many manifests": Family("store.oci.descriptors", chosen),
    "a descriptor of many notes": Family("store.oci.descriptors.parse_descriptor", annotated),
    "a long reference": Family(
        "store.oci.descriptors.parse_reference",
        lambda n: lambda: parse_reference("x" * n + ":" * n),
    ),
}
