"""Whether a launch is running on a study, for readers, which take no lock that a launch would wait for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nas.search.stored import is_database, runs_folder
from nas.search.study import FILES, Described

DRIVER_LOCK = "driver.lock"
"""The lock file of a launch, in the folder named after its study and in the folder of the study's files."""


def has_launch(place: str, study: Described) -> bool | None:
    """Whether a launch holds ``study`` of the storage ``place``; None where that cannot be known.

    A killed launch holds nothing: the operating system or the database server releases its lock.
    """
    found = [_is_held(folder / DRIVER_LOCK) for folder in _folders(place, study)]
    if True in found:
        return True
    if place.startswith("postgres"):
        from nas.search.postgres_lease import is_leased

        return is_leased(place, study.study_name)
    return None if None in found else False


def _folders(place: str, study: Described) -> Iterator[Path]:
    """The folders that a launch locks: that of the study's files or, before it has one, that of its name.

    The folder of its name may be in use by a study of the same name in another storage.
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
    """Whether another process holds that lock file; None where the (file) system cannot tell."""
    try:
        import fcntl

        with lock.open("rb") as file:
            # Shared, and only for a moment: a launch that starts now tries again (holding.PATIENCE_SECONDS).
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    except (OSError, ImportError, ValueError):
        return None
    return False
