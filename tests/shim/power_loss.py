"""Takes power away: undoes in a data directory what the journal of a killed process says was never synced.

The journal is undo_journal.cpp's. Everything unsynced is lost; with a random.Random each 4 KiB page that was overwritten or
appended is lost or kept by itself, as a disk may that writes on its own in any order. Names are always lost until their
directory is synced: the strictest reading of POSIX, stricter than ext4.
"""
import os
import pathlib
import struct

HEAD = struct.Struct("=cQQQI")
PAGE = 4096


def read_journal(path):
    data = path.read_bytes() if path.exists() else b""
    at, records = 0, []
    while at + HEAD.size <= len(data):
        kind, inode, a, b, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        records.append((kind.decode(), inode, a, b, data[at:at + length]))
        at += length
    return records


def files_by_inode(*roots):
    found = {}
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                found[os.lstat(path).st_ino] = path
    return found


def pages_now(path, ranges):
    """The content of the pages that the ranges touch, as it stands before anything is undone."""
    out, size = {}, os.path.getsize(path)
    with open(path, "rb") as file:
        for begin, end in ranges:
            for page in range(begin // PAGE, -(-min(end, size) // PAGE)):
                file.seek(page * PAGE)
                out[page] = file.read(PAGE)
    return out


def lose(data_dir, journal_dir, rng=None):
    """Returns how many changes were undone, and forgets the journal. The process must have ended."""
    journal_dir = pathlib.Path(journal_dir)
    records = read_journal(journal_dir / "journal")
    synced_files, synced_folders = {}, {}
    for kind, inode, a, _, data in records:
        if kind == "S":
            synced_files[inode] = max(a, synced_files.get(inode, 0))
        elif kind == "D":
            folder = data.decode()
            synced_folders[folder] = max(a, synced_folders.get(folder, 0))

    def durable(number, record):
        kind, inode, _, _, data = record
        if kind in "WT":
            return number < synced_files.get(inode, 0)
        path = data.split(b"\0")[-1].decode()
        return number < synced_folders.get(os.path.dirname(path), 0)

    lost = [r for number, r in enumerate(records) if r[0] in "WTCRU" and not durable(number, r)]
    places = files_by_inode(data_dir, journal_dir)
    keep = {}
    if rng:
        touched = {}
        for kind, inode, a, b, data in lost:
            if kind == "W":
                touched.setdefault(inode, []).append((a, a + 16 * 1024 * 1024 if a >= b else a + len(data)))
        for inode, ranges in sorted(touched.items()):
            if inode in places:
                pages = pages_now(places[inode], ranges)
                keep[inode] = {page: content for page, content in sorted(pages.items()) if rng.random() < 0.5}
    for kind, inode, a, b, data in reversed(lost):
        undo(kind, inode, a, b, data, journal_dir, places)
    places = files_by_inode(data_dir, journal_dir)
    for inode, pages in keep.items():
        if inode in places:
            with open(places[inode], "r+b") as file:
                for page, content in pages.items():
                    file.seek(page * PAGE)
                    file.write(content)
    for entry in journal_dir.iterdir():
        entry.unlink()
    return len(lost)


def undo(kind, inode, a, b, data, journal_dir, places):
    if kind in "WT":
        place = places.get(inode)
        if place is None or not os.path.exists(place):
            return  # the file itself is lost, or it is gone for good
        with open(place, "r+b") as file:
            file.seek(a)
            file.write(data)
            if kind == "T" or os.path.getsize(place) > b:
                file.truncate(b)
    elif kind == "C":
        path = data.decode()
        if os.path.exists(path):
            forget(places, path)
            os.unlink(path)
    elif kind == "R":
        source, target = (part.decode() for part in data.split(b"\0"))
        if os.path.exists(source) or not os.path.exists(target):
            return  # the process ended before it renamed
        inode = os.lstat(target).st_ino
        os.rename(target, source)
        places[inode] = source
        if a:
            os.link(journal_dir / f"kept-{a}", target)
            places[os.lstat(target).st_ino] = target
    elif kind == "U":
        path = data.decode()
        if not os.path.exists(path):
            os.link(journal_dir / f"kept-{a}", path)
            places[os.lstat(path).st_ino] = path


def forget(places, path):
    inode = os.lstat(path).st_ino
    if places.get(inode) == path:
        del places[inode]
