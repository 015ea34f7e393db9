"""Output formats other than the table; a new one is an entry of ``FORMATS`` (one target) and of ``LISTS`` (several)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any
from xml.etree import ElementTree

from constraints.findings import FIX_ALL, Findings, Refused, Result
from constraints.metrics import Metrics
from constraints.output.html_fragment import html
from constraints.output.numbers import exact
from constraints.output.plain import html_text
from constraints.output.summary import SUMMARY, summary_row
from constraints.verdicts import Verdict

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_COUNTS = ("tests", "failures", "errors", "skipped")


def as_json(report: Findings) -> str:
    """One JSON document by the published schema."""
    return report.to_json()


def json_list(results: Sequence[Result]) -> str:
    """One JSON document: a list with a report for each target, or its error."""
    return json.dumps([r.to_dict() for r in results], indent=1, ensure_ascii=False, allow_nan=False)


def json_line(result: Result) -> str:
    """A report, or an error, as JSON on one line."""
    return json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False)


def markdown(report: Findings) -> str:
    """Markdown tables, for a pull request for example."""
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
        *("", *(f"- {FIX_ALL}: {_escaped(f.text)}" for f in [report.fix_all] if f)),
        *(line for f in [report.fix_all] if f and f.code for line in ("", "```python", *f.code, "```", "")),
        *(f"- warning: {_escaped(w)}" for w in report.warnings),
    ]
    return "\n".join(lines).rstrip()


def markdown_list(results: Sequence[Result]) -> str:
    """Markdown for each target, with a summary table at the end."""
    parts = [markdown(r) if isinstance(r, Findings) else f"### ❌ `{r.target}`\n\n{_escaped(r.error)}" for r in results]
    rows = [f"| {'✅' if r.ok else '❌'} | `{cells[0]}` | {' | '.join(map(_escaped, cells[1:]))} |"
            for r in results for cells in [summary_row(r)]]  # fmt: skip
    heading = [f"| | {' | '.join(SUMMARY)} |", "|---" * (len(SUMMARY) + 1) + "|"]
    return "\n\n".join([*parts, "\n".join(["### All", "", *heading, *rows])])


def junit(report: Findings) -> str:
    """A JUnit test suite with one case for each constraint."""
    return junit_list([report])


def junit_list(results: Sequence[Result]) -> str:
    """A JUnit test suite for each target; one that could not be checked is an error."""
    suites = [_suite(result) for result in results]
    root = ElementTree.Element("testsuites", _sums(suites))
    root.extend(suites)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _sums(suites: Sequence[ElementTree.Element]) -> dict[str, str]:
    return {key: str(sum(int(s.attrib[key]) for s in suites)) for key in _COUNTS}


def _suite(result: Result) -> ElementTree.Element:
    verdicts = result.constraints if isinstance(result, Findings) else ()
    failed, refused = sum(not v.ok for v in verdicts), int(isinstance(result, Refused))
    counts = dict(zip(_COUNTS, map(str, (len(verdicts) + refused, failed, refused, 0)), strict=True))
    suite = ElementTree.Element("testsuite", {"name": result.target, **counts})
    for verdict in verdicts:
        case = ElementTree.SubElement(suite, "testcase", {"classname": result.target, "name": verdict.expr})
        if not verdict.ok:
            failure = ElementTree.SubElement(case, "failure", {"message": verdict.why, "type": verdict.name})
            failure.text = "\n".join(f"fix: {f}" for f in verdict.fix)
    if isinstance(result, Findings) and result.fix_all:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(
            [f"{FIX_ALL}: {result.fix_all.text}", *result.fix_all.code]
        )
    if isinstance(result, Refused):
        case = ElementTree.SubElement(suite, "testcase", {"classname": result.target, "name": "check"})
        ElementTree.SubElement(case, "error", {"message": result.error})
    return suite


def sarif(report: Findings) -> str:
    """SARIF 2.1.0: one result for each constraint that fails, at the line that defines the model."""
    return sarif_list([report])


def sarif_list(results: Sequence[Result]) -> str:
    """SARIF 2.1.0: one run over all targets; one that could not be checked is a notification of the run."""
    reports = [r for r in results if isinstance(r, Findings)]
    rules = dict.fromkeys(v.name for r in reports for v in r.constraints)
    driver = {"name": "constraints", "rules": [_sarif_rule(name) for name in rules]}
    broken = [_sarif_result(v, r) for r in reports for v in r.constraints if not v.ok]
    run: dict[str, Any] = {"tool": {"driver": driver}, "results": broken, "columnKind": "unicodeCodePoints"}
    if together := {r.target: r.fix_all.as_dict() for r in reports if r.fix_all}:
        run["properties"] = {"fix_all": together}
    notes = [
        {"level": "error", "message": {"text": f"{r.target}: {r.error}"}} for r in results if isinstance(r, Refused)
    ]
    if notes:
        run["invocations"] = [{"executionSuccessful": False, "toolExecutionNotifications": notes}]
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False)


def page(report: Findings) -> str:
    """A self-contained HTML page."""
    return page_list([report])


def page_list(results: Sequence[Result]) -> str:
    """A self-contained HTML page for several targets."""
    parts = [html(r) if isinstance(r, Findings) else f"<p>{html_text(f'{r.target}: {r.error}')}</p>" for r in results]
    style = (resources.files("constraints.output") / "page.css").read_text(encoding="utf-8")
    title = html_text(", ".join(r.target for r in results))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return f'<!doctype html>\n<html lang="en">{head}\n<style>\n{style}</style>\n' + "\n".join(parts)


FORMATS: Mapping[str, Callable[[Findings], str]] = {
    "json": as_json,
    "jsonl": json_line,
    "markdown": markdown,
    "junit": junit,
    "sarif": sarif,
    "html": page,
}
"""Format -> function that writes the report of one target."""
LISTS: Mapping[str, Callable[[Sequence[Result]], str]] = {
    "json": json_list,
    "jsonl": lambda results: "\n".join(map(json_line, results)),
    "markdown": markdown_list,
    "junit": junit_list,
    "sarif": sarif_list,
    "html": page_list,
}
"""Format -> function that writes the results of several targets."""
NAMES = ("table", *FORMATS)
"""All output formats; the table needs a console: ``constraints.output.table.print_report``."""


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
