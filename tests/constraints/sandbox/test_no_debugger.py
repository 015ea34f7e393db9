"""Breakpoints in a user's code are skipped."""

import pdb
import sys

from constraints.sandbox.no_debugger import undebugged


def test_breakpoints_are_skipped_with_a_warning_and_work_again_afterwards() -> None:
    said: list[str] = []
    before = sys.breakpointhook, pdb.set_trace, pdb.post_mortem, pdb.pm, pdb.Pdb.set_trace
    with undebugged(said.append):
        breakpoint()
        breakpoint("header")
        pdb.set_trace(header="here")
        pdb.Pdb(nosigint=True).set_trace()
        pdb.post_mortem()
        pdb.pm()
    assert len(said) == 6
    assert set(said) == {"the code starts a debugger, for which a check has no terminal: its breakpoints were skipped"}
    assert (sys.breakpointhook, pdb.set_trace, pdb.post_mortem, pdb.pm, pdb.Pdb.set_trace) == before
