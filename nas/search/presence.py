"""Whether a launch works on a study right now, for readers: they take no lock that a launch would wait for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nas.search.stored import is_database, runs_folder
from nas.search.study import FILES, Described

DRIVER_LOCK = "driver.lock"
"""The file that a launch holds, in the folder of its study's name and in that of the study's files."""


def has_launch(place: str, study: Described) -> bool | None:
    """Whether a launch holds ``study`` of the storage ``place``; None where that cannot be known.

    A launch that was killed holds nothing: the system, or the database server, lets go of what it held.
    """
    found = [_is_held(folder / DRIVER_LOCK) for folder in _folders(place, study)]
    if True in found:
        return True
    if place.startswith("postgres"):
        from nas.search.postgres_lease import is_leased

        return is_leased(place, study.study_name)
    return None if None in found else False


def _folders(place: str, study: Described) -> Iterator[Path]:
    """Where a launch holds the study: the folder of its files, or of its name as long as it has none.

    In the folder of its name a study of that name in another storage may be at work.
    """
    base = runs_folder(place)
    known = study.user_attrs.get(FILES)
    if not isinstance(known, dict) or not isinstance(name := known.get("folder"), str):
        yield base / study.study_name
        return
    yield base / name
    if is_database(place) and isinstance(before := known.get("place"), str):
        yield Path(before) / name


def _is_held(lock: Path) -> bool | None:
    """Whether another holds the lock of that file; None on a system or a file system that does not say."""
    try:
        import fcntl

        with lock.open("rb") as file:
            # Shared and for a moment: a launch that begins just now tries again (holding.PATIENCE_SECONDS).
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    except (OSError, ImportError, ValueError):
        return None
    return False
