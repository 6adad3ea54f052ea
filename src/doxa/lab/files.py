"""Files that are whole or absent: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from doxa.errors import StoreError


def write_atomic(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: the file.
        data: its new content.
        synced: wait until the disk has it; a file that nobody needs after a power cut does not.

    Raises:
        StoreError: the disk is full, the folder is read-only or the device failed; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if synced:
            _write_synced(temporary, data)
        else:
            temporary.write_bytes(data)
        temporary.replace(path)
        if synced:
            _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _store_error(path, error) from error


def write_folder(path: Path, files: Mapping[str, bytes]) -> bool:
    """Write a folder of files that appears at once; return False if it was already there, which is then kept.

    Raises:
        StoreError: the disk is full, the folder is read-only or the device failed; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            _write_synced(temporary / name, data)
        _sync_folder(temporary)
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
            _remove_folder(temporary)
            return False
        _sync_folder(path.parent)
    except OSError as error:
        _remove_folder(temporary)
        raise _store_error(path, error) from error
    return True


def sweep_temporary(folder: Path) -> int:
    """Remove what killed writers left in a folder; return how many things were removed."""
    left = list(folder.glob(".*.tmp")) if folder.is_dir() else []
    for path in left:
        if path.is_dir():
            _remove_folder(path)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return len(left)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Generator[bool]:
    """Hold a lock that the kernel frees when the process dies; yield whether it was got.

    Args:
        path: the lock's file, made if absent.
        wait: whether to wait for another holder; if not, False is yielded when somebody holds it.

    Raises:
        StoreError: the lock's file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _store_error(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


@contextlib.contextmanager
def together(path: Path, alone: Callable[[], None]) -> Generator[None]:
    """Hold a lock that any number of processes may hold; ``alone`` is called first if no other does.

    Raises:
        StoreError: the lock's file cannot be made.
    """
    with exclusive(path, wait=False) as got:
        if got:
            alone()
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock, alone or together; the lock's file is neither made nor changed.

    Where the file system has no such locks nobody holds one.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _write_synced(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_folder(path: Path) -> None:
    with contextlib.suppress(OSError):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()


def _store_error(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot be written ({error.strerror or error}); free space or choose another folder with --out, "
        "then run the same command again: finished cells are kept"
    )
