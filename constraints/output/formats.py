"""The report as text for machines: JSON, markdown, JUnit and SARIF; a new format is one entry of ``FORMATS``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from constraints.findings import Findings
from constraints.metrics import Metrics
from constraints.output.numbers import exact
from constraints.rules import Verdict

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(report: Findings) -> str:
    """One JSON document by the published schema."""
    return report.to_json()


def markdown(report: Findings) -> str:
    """Tables for a pull request or a note."""
    lines = [
        f"### {'✅' if report.ok else '❌'} `{report.target}`",
        "",
        "| | constraint | value | why |",
        "|---|---|---|---|",
        *(_markdown_row(v) for v in report.constraints),
        "",
        "| metric | value |",
        "|---|---|",
        *(f"| {name} | {exact(value)} |" for name, value in report.metrics.items()),
        *("", *(f"- warning: {_escaped(w)}" for w in report.warnings)),
    ]
    return "\n".join(lines).rstrip()


def junit(report: Findings) -> str:
    """A JUnit test suite with one case for each constraint."""
    failed = [v for v in report.constraints if not v.ok]
    counts = {
        "tests": str(len(report.constraints)),
        "failures": str(len(failed)),
        "errors": "0",
        "skipped": "0",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": report.target, **counts})
    for verdict in report.constraints:
        case = ElementTree.SubElement(suite, "testcase", {"classname": report.target, "name": verdict.expr})
        if not verdict.ok:
            failure = ElementTree.SubElement(case, "failure", {"message": verdict.why, "type": verdict.name})
            failure.text = "\n".join(f"fix: {f}" for f in verdict.fix)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def sarif(report: Findings) -> str:
    """SARIF 2.1.0: one result for each constraint that fails, at the line that defines the model."""
    rules = {v.name: v for v in report.constraints}
    driver = {"name": "constraints", "rules": [_sarif_rule(name) for name in rules]}
    results = [_sarif_result(v, report) for v in report.constraints if not v.ok]
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False)


FORMATS: Mapping[str, Callable[[Findings], str]] = {
    "json": as_json,
    "markdown": markdown,
    "junit": junit,
    "sarif": sarif,
}
"""What each format for machines writes."""
NAMES = ("table", *FORMATS)
"""All that can be asked for; the table needs a console: ``constraints.output.table.print_report``."""


def _markdown_row(verdict: Verdict) -> str:
    why = "<br>".join([_escaped(verdict.why), *(f"fix: {_escaped(f)}" for f in verdict.fix)])
    return f"| {'✅' if verdict.ok else '❌'} | `{verdict.expr}` | {exact(verdict.value)} | {why} |"


def _escaped(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "&lt;")


def _sarif_rule(name: str) -> dict[str, Any]:
    definition, _ = Metrics.definitions().get(name, (f"the constraint on {name}", ""))
    return {"id": name, "shortDescription": {"text": definition}}


def _sarif_result(verdict: Verdict, report: Findings) -> dict[str, Any]:
    message = ". ".join([f"{verdict.expr}: {verdict.why}", *(f"Fix: {f}" for f in verdict.fix)])
    result: dict[str, Any] = {"ruleId": verdict.name, "level": "error", "message": {"text": message}}
    if report.location:
        file, line = report.location
        place = {"artifactLocation": {"uri": file.replace("\\", "/")}, "region": {"startLine": line}}
        result["locations"] = [{"physicalLocation": place}]
    return result
