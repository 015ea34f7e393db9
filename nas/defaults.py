"""Defaults for code that need not load the configuration."""

from __future__ import annotations

STORAGE = "runs/journal.log"
"""The journal of studies."""
