from __future__ import annotations

import io
import logging
import sys
import warnings

import pytest

from nas.cli.verbosity import OnlyWarnings, verbosity


def test_a_quiet_stream_keeps_warnings_errors_with_their_tracebacks_and_questions() -> None:
    below = io.StringIO()
    quiet = OnlyWarnings(below)
    quiet.write("data: digits\nwarning: few images\nTraceback (most")
    quiet.write(" recent call last):\n  line\nerror: it broke\ntrial 0: 50%\n")
    assert below.getvalue() == "warning: few images\nTraceback (most recent call last):\n  line\nerror: it broke\n"
    quiet.write("delete it? [y/N] ")
    quiet.flush()
    assert below.getvalue().endswith("\ndelete it? [y/N] ")
    assert not quiet.isatty()


def test_a_quiet_stream_keeps_python_s_own_warnings() -> None:
    below = io.StringIO()
    quiet = OnlyWarnings(below)
    for category in (UserWarning, DeprecationWarning):
        quiet.write(warnings.formatwarning("few images", category, "C:\\my files\\net.py", 12))
    quiet.write("note: no Warning: here\nsaid of Warnings\n")
    assert below.getvalue().splitlines() == [
        "C:\\my files\\net.py:12: UserWarning: few images",
        "C:\\my files\\net.py:12: DeprecationWarning: few images",
    ]


def test_only_quiet_changes_the_stream_and_only_for_its_time() -> None:
    stream = sys.stderr
    with verbosity(quiet=False, verbose=False):
        assert sys.stderr is stream
    with verbosity(quiet=True, verbose=False):
        assert isinstance(sys.stderr, OnlyWarnings)
    assert sys.stderr is stream


def test_verbose_writes_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("nas")
    with verbosity(quiet=False, verbose=True):
        logger.info("reading the study: 0.2 s")
    logger.info("unheard")
    assert capsys.readouterr().err == "nas: reading the study: 0.2 s\n"
