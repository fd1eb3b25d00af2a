"""What simsync does not contain: unpickling, evaluating text, shells, unverified TLS, HTTP outside one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync

ROOT = Path(simsync.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "jsonpickle", "yaml", "xml", "subprocess"}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "mktemp", "system", "popen"}
ATTRIBUTES = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "PROTOCOL_TLS", "disable_warnings"}
PICKLING_FILES = {"run/sweep_task.py", "errors.py"}
"""They look whether objects of the caller can be sent to another process."""
WORKERS = "local/workers/"
"""The embedded simulator talks to its own worker processes, over private sockets and files without a name."""
HTTP_MODULES = {"requests", "urllib3", "http.client", "urllib.request"}
HTTP_FILES = {"runtime/http.py", "runtime/http_connections.py", "runtime/proxies.py"}
"""The last one reads the settings of proxies as requests does, and sends nothing."""


def findings(tree: ast.AST, path: str) -> Iterator[str]:
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{name}" for name in names)]
            for name in names:
                allowed = name == "pickle" and path in PICKLING_FILES
                allowed = allowed or (name in ("pickle", "subprocess") and path.startswith(WORKERS))
                if name.split(".")[0] in MODULES and not allowed:
                    yield f"{where} imports {name}"
                if path not in HTTP_FILES and any(name == one or name.startswith(one + ".") for one in HTTP_MODULES):
                    yield f"{where} does HTTP by itself"
        elif isinstance(node, ast.Call):
            called = node.func
            is_builtin = isinstance(called, ast.Name) and called.id in CALLS
            is_of_os = isinstance(called, ast.Attribute) and called.attr in {"system", "popen", "mktemp"}
            if is_builtin or is_of_os:
                yield f"{where} calls {ast.dump(called)}"
            for keyword in node.keywords:
                if isinstance(keyword.value, ast.Constant):
                    given = (keyword.arg, keyword.value.value)
                    if given in {("shell", True), ("verify", False), ("check_hostname", False)}:
                        yield f"{where} passes {given}"
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield f"{where} uses {node.attr}"
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in {"check_hostname", "verify", "verify_mode"}:
                    yield f"{where} switches {target.attr} off"


def test_nothing_of_the_kind_is_there() -> None:
    assert len(FILES) > 150
    found = [
        finding
        for path in FILES
        for finding in findings(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import yaml",
        "from subprocess import run",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "os.system(text)",
        "run(text, shell=True)",
        "session.get(url, verify=False)",
        "session.verify = False",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
        "import requests",
        "from requests import get",
        "import urllib.request",
    ],
)
def test_it_would_be_found(line: str) -> None:
    assert list(findings(ast.parse(line), "some.py"))
