"""Whose a file is, by where it is."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

import constraints
import nas
from constraints.owners import is_users

MINE = "/home/me/net.py"


@pytest.mark.parametrize(
    "file",
    [
        json.__file__,
        os.__file__,
        os.path.realpath(json.__file__),
        f"{sysconfig.get_path('stdlib')}/lib-dynload/_json.so",
        torch.__file__,
        f"{Path(torch.__file__).parents[1]}/net.py",
        "/usr/lib/python3/dist-packages/net.py",
        "C:\\Python\\Lib\\site-packages\\net.py",
        constraints.__file__,
        nas.__file__,
        "<frozen importlib._bootstrap>",
        "<string>",
    ],
)
def test_what_is_not_the_users(file: str) -> None:
    assert not is_users(file)


@pytest.mark.parametrize(
    "file",
    [
        MINE,
        "net.py",
        f"{sys.base_prefix}/net.py",
        f"{sys.base_prefix}/src/app/net.py",
        f"{sys.base_prefix}-of-mine/net.py",
        f"{sysconfig.get_path('stdlib')}-of-mine/net.py",
        "/home/me/site-packages-compared/net.py",
        "/home/me/my-site-packages/net.py",
        f"{Path(constraints.__file__).parents[1]}/net.py",
        f"{Path(constraints.__file__).parent}-of-mine/net.py",
        __file__,
    ],
)
def test_what_is(file: str) -> None:
    """Python may be installed in the folder that holds one's own files: in /usr beside /usr/src/app, or in a home."""
    assert is_users(file)
