"""Names of files, and the one rule by which a name in a table is a file's. No database.

Archives, file systems and spreadsheets change names. `clean` undoes what has one right answer, and is what is stored.
The rest makes two names alike, never equal: `FileNames` takes an alike name only where no other file could be meant.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from labeler.record.subject_codes import without_unseen
from scoring.photograph import formats

LONGEST = 255  # characters of a stored name: of a longer one the last whole parts are kept
SHOWN = 5  # candidates in a sentence
LAST = "\U0010ffff"  # behind all that a name begins with
DRIVE = re.compile(r"[A-Za-z]:|[a-z0-9]{2,}:", re.ASCII)  # C: or the scheme of an address, before the first slash
# What Windows forbids, and the private signs that macOS and Samba write for that: programs put one _ for each, and
# some for a space.
REPLACED = re.compile(r'[ <>:"|?*\uf001-\uf029]')
SPACES = re.compile(r"\s+")  # HTML, and so what is copied from a browser, makes one of several
WIDE = re.compile("[\uff00-\uffef]+")  # full and half width, as Japanese keyboards write
DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")  # that word processors put for - and '
QUOTES = dict.fromkeys(map(ord, "‘’‚‛′`´"), "'")
ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
UNRESERVED = re.compile(rb"[A-Za-z0-9._~-]")  # bytes that no program writes as %XX
# Kinds of pictures by suffix. We don't read the later ones, but a table may speak of a file that was refused.
KINDS = {suffix: one.name for one in formats.FORMATS for suffix in one.suffixes}
KINDS |= {".jpe": "JPEG", ".jfif": "JPEG"}
KINDS |= {
    f".{kind}": kind
    for kind in ["gif", "bmp", "avif", "jp2", "jxl", "dng", "nef", "cr2", "cr3", "arw", "raf", "rw2", "orf"]
}
# What a spreadsheet makes of a name that looks like a number.
ROUNDED = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")


ERASED = "an erased file"  # in place of its name


class Fault(StrEnum):
    """Why a name in a table is no file's."""

    UNKNOWN = "no file has this name"
    REFUSED = "this file was not imported"
    ERASED = "the file of this name was erased"
    SEVERAL = "several files may be meant"
    RESENT = "a file of this name was refused before this one came"
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
                return (
                    f"{self.fault}: {near}. Write the folder too, or give each of them a row, or send the photograph "
                    "again under a name of its own."
                )
            case Fault.RESENT:
                return f"{self.fault}: {near}. Say whether it is the same photograph, sent again."
            case Fault.REFUSED | Fault.TAKEN:
                return f"{self.fault}: {near}."
            case Fault.ROUNDED:
                return f"{self.fault}. Format the column as text, and write the name again."
        return f"{self.fault}."


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an erased file's name: keyed hashes of what compares, and the kind of picture."""

    ends: tuple[str, ...]  # of the base name, of the last folder and it, and so on to the whole path
    exact: str  # of the name as it was written
    kind: str

    @classmethod
    def of(cls, name: str, keyed: Callable[[str], str]) -> "Erased":
        path = _path(clean(name))
        folders, stem, kind = _compared(path)
        ends = (_end(folders, stem, length) for length in range(len(folders) + 1))
        return cls(tuple(map(keyed, ends)), keyed(_exact(path)), kind)


@dataclass(frozen=True, slots=True)
class _Known:
    """A name under which a file came; without an image where it was refused, is still waiting, or was erased."""

    name: str
    path: str
    key: tuple[str, ...]  # its base name and its folders, the last first, as they compare
    kind: str
    image: int | None
    was_sent_again: bool = False  # refused, and then a file of its name became an image

    @property
    def shown(self) -> str:
        return f"{self.name} (not imported)" if self.image is None and self.name != ERASED else self.name


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
    parts = without_unseen(name).split("/")
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

    def __init__(
        self,
        named: Iterable[tuple[str, int | None]],
        *,
        sent_again: Collection[str] = (),
        erased: Iterable[Erased] = (),
        keyed: Callable[[str], str] = str,
    ) -> None:
        """Take cleaned names with their images; None stands for a file that is no image.

        `sent_again` are names of refused files under which a later file came well. Of `erased` ones there are hashes,
        and `keyed` is what made them.
        """
        self._keyed = keyed
        self._erased: dict[str, list[Erased]] = defaultdict(list)
        for one in erased:
            self._erased[one.ends[0]].append(one)
        known = [_known(name, image) for name, image in named]
        known += [_known(name, None, was_sent_again=True) for name in sent_again]
        # In this order all files with one end of their paths stand together: thousands have one base name, or one
        # below the same last folder.
        known.sort(key=_key)
        self._known = known

    def match(self, names: Collection[str]) -> dict[str, Match]:
        """Say of each name of a table what it stands for.

        The longest matching end of the path decides; a base name alone does only where the row names no folder, or the
        file came without one and the row has none either. Several candidates are none, unless the row has one's whole
        name and other rows have those of the others. No two names of a table get the same file by being alike.
        """
        wishes = {name: self._wish(name) for name in names}
        exact = {wish.path for wish in wishes.values()}
        if self._erased:
            exact |= {
                self._keyed(_exact(wish.path))
                for wish in wishes.values()
                if any(known.name is ERASED for known in wish.found)
            }
        for name, wish in wishes.items():
            wish.match = self._decide(name, wish, exact)
        _settle(wishes)
        return {name: wish.match for name, wish in wishes.items()}

    def _wish(self, name: str) -> _Wish:
        path = _path(clean(name))
        wish = _Wish(path, *_compared(path))
        wish.found = self._found(wish)
        if not wish.found and path.startswith("'"):  # which some programs put before what looks like a formula
            bare = _Wish(path, *_compared(path[1:]))
            bare.found = self._found(bare)
            return bare if bare.found else wish
        return wish

    def _found(self, wish: _Wish) -> tuple[_Known, ...]:
        """Return the candidates that agree in the most folders: in all of the row's, or else in all of their own."""
        if not wish.stem:
            return ()
        whole = len(wish.folders)
        erased = self._erased_alike(wish) if self._erased else {}
        for common in range(whole, min(whole, 1) - 1, -1):
            end = (wish.stem, *reversed(wish.folders[whole - common :]))
            found = [
                known
                for known in (*self._with_end(end, is_whole=common < whole), *erased.get(common, ()))
                if not wish.kind or not known.kind or wish.kind == known.kind
            ]
            if found:
                return tuple(found)
        return ()

    def _with_end(self, end: tuple[str, ...], *, is_whole: bool = False) -> list[_Known]:
        """Return the files whose path has this end, the last part first, or is it."""
        return self._known[slice(*self._range(end, is_whole=is_whole))]

    def _range(self, end: tuple[str, ...], *, is_whole: bool = False) -> tuple[int, int]:
        first = bisect_left(self._known, end, key=_key)
        return first, bisect_right(self._known, end if is_whole else (*end, LAST), lo=first, key=_key)

    def _erased_alike(self, wish: _Wish) -> dict[int, list[_Known]]:
        """Return the erased files that may be meant, by the number of folders in which they agree."""
        alike: dict[int, list[_Known]] = defaultdict(list)
        for one in self._erased.get(self._keyed(_end(wish.folders, wish.stem, 0)), ()):
            common = min(len(wish.folders), len(one.ends) - 1)
            if one.ends[common] == self._keyed(_end(wish.folders, wish.stem, common)):
                path = wish.path if one.exact == self._keyed(_exact(wish.path)) else one.exact
                alike[common].append(_Known(ERASED, path, (), one.kind, None))
        return alike

    def _decide(self, name: str, wish: _Wish, exact: Set[str]) -> Match:
        if not wish.found:
            fault = Fault.ROUNDED if ROUNDED.fullmatch(name.strip()) else Fault.UNKNOWN
            return Match(fault=fault, candidates=self._near(wish))
        chosen = _chosen(wish, wish.found, exact)
        if len(chosen) > 1:
            first = [known for known in wish.found if not known.was_sent_again]
            without = _chosen(wish, first, exact)
            is_sent_again = len(without) == 1 and without != {None}
            return Match(fault=Fault.RESENT if is_sent_again else Fault.SEVERAL, candidates=_shown(wish.found))
        image = next(iter(chosen))
        if image is None:
            is_erased = all(known.name is ERASED for known in wish.found)
            return Match(fault=Fault.ERASED) if is_erased else Match(fault=Fault.REFUSED, candidates=_shown(wish.found))
        mine = {known.path: known.name for known in wish.found if known.image == image}
        return Match(image=image, is_exact=wish.path in mine, name=mine.get(wish.path) or next(iter(mine.values())))

    def _near(self, wish: _Wish) -> tuple[str, ...]:
        """Return names of the same base in other folders or formats, and those that lack only zeros in front."""
        stems = [wish.stem]
        if wish.stem.isdigit():
            stems += [wish.stem.zfill(digits) for digits in range(len(wish.stem) + 1, 13)]
        for stem in stems:
            first, end = self._range((stem,))
            if stem and end > first:
                few = self._known[first : min(end, first + SHOWN)]
                return _shown(few, more=end - first - len(few))
        return ()


def _known(name: str, image: int | None, *, was_sent_again: bool = False) -> _Known:
    path = _path(name)
    folders, stem, kind = _compared(path)
    return _Known(name, path, (stem, *reversed(folders)), kind, image, was_sent_again)


def _key(known: _Known) -> tuple[str, ...]:
    return known.key


def _chosen(wish: _Wish, found: Collection[_Known], exact: Set[str]) -> set[int | None]:
    """Return the images that a row may mean: one by its whole name, where rows have those of the others too, or all."""
    same = {known.image for known in found if known.path == wish.path}
    others = {known.path for known in found if known.image not in same}
    return same if len(same) == 1 and others <= exact else {known.image for known in found}


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


def _compared(path: str) -> tuple[tuple[str, ...], str, str]:
    """Return a path's folders, base name without suffix, and kind of picture, as they compare.

    Spaces at the ends of a part are lost in tables, and dots after it on Windows.
    """
    *folders, base = (part.strip().rstrip(" .") or part for part in path.split("/"))
    stem, dot, suffix = base.rpartition(".")
    kind = KINDS.get(dot + suffix.casefold(), "") if stem else ""
    return tuple(map(_part, folders)), _part(stem if kind else base), kind


@lru_cache(maxsize=100_000)
def _part(part: str) -> str:
    """Return a folder or base name without what programs change in it: see the table in docs/decisions.md.

    Signs that only look alike, such as a 1 and a ¹, stay two: no program puts one for the other.
    """
    if "%" in part:
        part = ESCAPED.sub(_unescaped, part)
    part = WIDE.sub(lambda wide: unicodedata.normalize("NFKC", wide[0]), part)
    part = unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold())
    return REPLACED.sub("_", SPACES.sub(" ", part).translate(DASHES | QUOTES))


def _unescaped(escaped: re.Match[str]) -> str:
    """Return what %XX stands for, where a program would have written it so."""
    data = unquote_to_bytes(escaped[0])
    try:
        return escaped[0] if UNRESERVED.search(data) else data.decode()
    except UnicodeDecodeError:
        return escaped[0]


def _end(folders: tuple[str, ...], stem: str, length: int) -> str:
    """Return the last folders of a path and its base name, in one text that no other end has."""
    return "end/" + "/".join([*folders[len(folders) - length :], stem])


def _exact(path: str) -> str:
    return f"exact/{path}"


def _shown(known: Iterable[_Known], *, more: int = 0) -> tuple[str, ...]:
    names = sorted({one.shown for one in known})
    more += max(0, len(names) - SHOWN)
    return (*names[:SHOWN], f"and {more} more") if more else tuple(names)
