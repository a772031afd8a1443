"""Names of files, and the one rule by which a name in a table is a file's. No database.

Archives, file systems and spreadsheets change names. `clean` undoes what has one right answer, and is what is stored.
The rest makes two names alike, never equal: `FileNames` takes an alike name only where no other file could be meant.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from scoring.photograph import formats

LONGEST = 255  # characters of a stored name: of a longer one the last whole parts are kept
SHOWN = 5  # candidates in a sentence
DRIVE = re.compile(r"[A-Za-z]:|[a-z0-9]{2,}:", re.ASCII)  # C: or the scheme of an address, before the first slash
# Spaces, what Windows forbids, and the private signs that macOS and Samba write for that: programs put _ for them.
REPLACED = re.compile(r'[\s<>:"|?*_\uf001-\uf029]+')
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
QUOTES = dict.fromkeys(map(ord, "‘’‚‛′`´"), "'")
# Kinds of pictures by suffix. We don't read the later ones, but a table may speak of a file that was refused.
KINDS = {suffix: one.name for one in formats.FORMATS for suffix in one.suffixes}
KINDS |= {".jpe": "JPEG", ".jfif": "JPEG"}
KINDS |= {
    f".{kind}": kind
    for kind in ["gif", "bmp", "avif", "jp2", "jxl", "dng", "nef", "cr2", "cr3", "arw", "raf", "rw2", "orf"]
}
# What a spreadsheet makes of a name that looks like a number.
ROUNDED = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")


class Fault(StrEnum):
    """Why a name in a table is no file's."""

    UNKNOWN = "no file has this name"
    REFUSED = "this file was not imported"
    SEVERAL = "several files may be meant"
    TAKEN = "another row names the same file better, or as well"
    ROUNDED = "a spreadsheet has made a number of this name"


@dataclass(frozen=True, slots=True)
class Match:
    """What a name in a table stands for: an image, or a fault with the names that were near."""

    image: int | None = None
    is_exact: bool = False
    name: str = ""  # under which the image came
    fault: Fault | None = None
    candidates: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say why the name was not matched, and what helps."""
        near = ", ".join(self.candidates)
        match self.fault:
            case Fault.UNKNOWN if near:
                return f"{self.fault} (near: {near}). Write the name with the folders under which it came."
            case Fault.SEVERAL:
                return f"{self.fault}: {near}. Write the folder too, or give each of them a row."
            case Fault.REFUSED | Fault.TAKEN:
                return f"{self.fault}: {near}."
            case Fault.ROUNDED:
                return f"{self.fault}. Format the column as text, and write the name again."
        return f"{self.fault}."


@dataclass(frozen=True, slots=True)
class _Known:
    """A name under which a file came; without an image where it was refused or is still waiting."""

    name: str
    path: str
    folders: tuple[str, ...]  # as they compare
    kind: str
    image: int | None


@dataclass(slots=True)
class _Wish:
    """A name in a table while it is decided."""

    path: str
    folders: tuple[str, ...]
    stem: str
    kind: str
    found: tuple[_Known, ...] = ()  # candidates that agree in the most folders
    match: Match = field(default_factory=Match)

    @property
    def alike(self) -> tuple[object, ...]:
        return self.folders, self.stem


def clean(name: str) -> str:
    """Return a name as it is stored: composed Unicode, and / between folders."""
    return unicodedata.normalize("NFC", name).replace("\\", "/").replace("\0", "")


def _path(name: str) -> str:
    """Return a cleaned name without a drive or scheme in front, and without empty, . and .. parts."""
    parts = "".join(sign for sign in name if unicodedata.category(sign) != "Cf").split("/")  # marks that nobody sees
    if len(parts) > 1 and DRIVE.fullmatch(parts[0]):
        parts[0] = ""
    return "/".join(part for part in parts if part.strip() not in {"", ".", ".."})


def fitting(name: str, longest: int = LONGEST) -> str:
    """Return as many of a cleaned name's last parts as can be stored: a cut folder would be another one."""
    while len(name) > longest and "/" in name:
        name = name.partition("/")[2]
    return name[-longest:]


class FileNames:
    """The names under which a study's files came."""

    def __init__(self, named: Iterable[tuple[str, int | None]]) -> None:
        """Take cleaned names with their images; None stands for a file that is no image."""
        self._by_stem: dict[str, list[_Known]] = defaultdict(list)
        for name, image in named:
            path = _path(name)
            folders, stem, kind = _compared(path)
            self._by_stem[stem].append(_Known(name, path, folders, kind, image))

    def match(self, names: Collection[str]) -> dict[str, Match]:
        """Say of each name of a table what it stands for.

        The longest matching end of the path decides; a base name alone does only where the row names no folder, or the
        file came without one and the row has none either. Several candidates are none, unless the row has one's whole
        name and other rows have those of the others. No two names of a table get the same file by being alike.
        """
        wishes = {name: self._wish(name) for name in names}
        exact = {wish.path for wish in wishes.values()}
        for name, wish in wishes.items():
            wish.match = self._decide(name, wish, exact)
        _settle(wishes)
        return {name: wish.match for name, wish in wishes.items()}

    def _wish(self, name: str) -> _Wish:
        path = _path(clean(name))
        folders, stem, kind = _compared(path)
        wish = _Wish(path, folders, stem, kind)
        candidates = [
            (common, known)
            for known in (self._by_stem.get(stem, ()) if stem else ())
            if (not kind or not known.kind or kind == known.kind)
            and (common := _common(folders, known.folders)) is not None
        ]
        most = max((common for common, _ in candidates), default=0)
        wish.found = tuple(known for common, known in candidates if common == most)
        return wish

    def _decide(self, name: str, wish: _Wish, exact: Set[str]) -> Match:
        images = {known.image for known in wish.found}
        if not images:
            fault = Fault.ROUNDED if ROUNDED.fullmatch(name.strip()) else Fault.UNKNOWN
            return Match(fault=fault, candidates=self._near(wish))
        same = {known.image for known in wish.found if known.path == wish.path}
        others = {known.path for known in wish.found if known.image not in same}
        chosen = same if len(same) == 1 and others <= exact else images
        if len(chosen) > 1:
            return Match(fault=Fault.SEVERAL, candidates=_shown(wish.found))
        image = next(iter(chosen))
        if image is None:
            return Match(fault=Fault.REFUSED, candidates=_shown(wish.found))
        mine = {known.path: known.name for known in wish.found if known.image == image}
        return Match(image=image, is_exact=wish.path in mine, name=mine.get(wish.path) or next(iter(mine.values())))

    def _near(self, wish: _Wish) -> tuple[str, ...]:
        """Return names of the same base in other folders or formats, and those that lack only zeros in front."""
        near = self._by_stem.get(wish.stem, [])
        if not near and wish.stem.isdigit():
            padded = (wish.stem.zfill(digits) for digits in range(len(wish.stem) + 1, 13))
            near = [known for stem in padded for known in self._by_stem.get(stem, ())]
        return _shown(near)


def _settle(wishes: dict[str, _Wish]) -> None:
    """Take back what two rows were given by being alike, or one by being alike and another by its whole name."""
    claims: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    exact: set[str] = set()
    for wish in wishes.values():
        if wish.match.is_exact:
            exact.add(wish.match.name)
        elif wish.match.image is not None:
            for known in _mine(wish):
                claims[known.name].add(wish.alike)
    for wish in wishes.values():
        if wish.match.image is None or wish.match.is_exact:
            continue
        names = [known.name for known in _mine(wish)]
        if any(name in exact or len(claims[name]) > 1 for name in names):
            wish.match = Match(fault=Fault.TAKEN, candidates=tuple(names[:SHOWN]))


def _mine(wish: _Wish) -> Iterator[_Known]:
    return (known for known in wish.found if known.image == wish.match.image)


def _common(row: tuple[str, ...], known: tuple[str, ...]) -> int | None:
    """Return in how many folders two paths agree from their end; None where neither is the end of the other."""
    shorter = min(len(row), len(known))
    if row and not shorter:
        return None  # it names a folder, and nothing says that the file came out of that one
    return shorter if row[len(row) - shorter :] == known[len(known) - shorter :] else None


def _compared(path: str) -> tuple[tuple[str, ...], str, str]:
    """Return a path's folders, base name without suffix, and kind of picture, as they compare."""
    *folders, base = path.split("/")
    stem, dot, suffix = base.rstrip(" .").rpartition(".")
    kind = KINDS.get(dot + suffix.casefold(), "") if stem else ""
    return tuple(map(_part, folders)), _part(stem if kind else base), kind


@lru_cache(maxsize=100_000)
def _part(part: str) -> str:
    """Return a folder or base name without what programs change: case, width, signs that look alike, ends."""
    part = unquote(part) if "%" in part else part
    part = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
    part = REPLACED.sub("_", part.translate(DASHES | QUOTES))
    return part.strip("_.'") or part


def _shown(known: Iterable[_Known]) -> tuple[str, ...]:
    names = sorted({f"{one.name} (not imported)" if one.image is None else one.name for one in known})
    return (*names[:SHOWN], f"and {len(names) - SHOWN} more") if len(names) > SHOWN else tuple(names)
