"""Finds elements in small XML parts by their place in the bytes, so that all else stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from mmflow import GiveUp

TAG: Final = re.compile(rb"""<[^\s/>]+(?:"[^"]*"|'[^']*'|[^>"'])*>""")
ATTRIBUTE: Final = re.compile(rb"""(\s+)([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")
UTF_8: Final = frozenset({None, "utf-8", "us-ascii"})
STRICT: Final = "http://purl.oclc.org/ooxml/"
DEEPEST: Final = 256
MOST_DIGITS: Final = 18  # of a whole number that means anything in a workbook


class Refused(ValueError):  # noqa: N818  what happened to a part, not a kind of failure
    """A part is no XML that may be read: not well-formed, with a document type, or in an encoding of its own."""


@dataclass(slots=True)
class Element:
    """An element, by its local name, and where it stands: ``start`` to ``inside`` is its first tag."""

    name: str
    attributes: dict[str, str]
    parent: Element | None
    start: int
    inside: int
    end: int = 0
    text: str = ""

    def up(self, *names: str) -> bool:
        """Tell whether the elements around it are called so, the nearest first."""
        around = self.parent
        for name in names:
            if around is None or around.name != name:
                return False
            around = around.parent
        return True

    def count(self, name: str, absent: int = 0) -> int:
        """Give an attribute that is a whole number; ``absent`` when it is not there, -1 when it is none."""
        said = self.get(name)
        return int(said) if said.isdecimal() and len(said) <= MOST_DIGITS else -1 if said else absent

    def get(self, name: str) -> str:
        """Give an attribute by its local name, "" when it is absent."""
        return self.attributes.get(name, "")


def new_parser() -> expat.XMLParserType:
    """Give a parser that refuses document types, and with them entities, and any encoding but UTF-8."""
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse_type(*_: object) -> None:
        raise Refused("has a document type, which no workbook has")

    def check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
        if (encoding.lower() if encoding else None) not in UTF_8:
            raise Refused(f"is written in {encoding}, expected UTF-8")

    parser.StartDoctypeDeclHandler = refuse_type
    parser.EntityDeclHandler = refuse_type
    parser.XmlDeclHandler = check_encoding
    return parser


def find_elements(xml: bytes, part: str) -> list[Element]:
    """Give all elements in the order in which they begin; :class:`GiveUp` for what is no sound XML."""
    found: list[Element] = []
    open_ones: list[Element] = []
    parser = new_parser()
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        tag = TAG.match(xml, at)
        if tag is None or len(open_ones) > DEEPEST:
            raise Refused("is not written as workbooks are")
        local = {key.rpartition(":")[2]: value for key, value in sorted(attributes.items(), key=prefixed_first)}
        parent = open_ones[-1] if open_ones else None
        element = Element(name.rpartition(":")[2], local, parent, at, tag.end())
        found.append(element)
        open_ones.append(element)

    def end(_name: str) -> None:
        element = open_ones.pop()
        closed = xml[element.inside - 2 : element.inside] == b"/>"  # its end is then reported behind it
        element.end = element.inside if closed else xml.index(b">", parser.CurrentByteIndex) + 1

    def collect(text: str) -> None:
        open_ones[-1].text += text

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, collect
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, Refused) as error:
        raise unsound(part, error) from error
    return found


def prefixed_first(item: tuple[str, str]) -> bool:
    """Sort attributes so that of two with one local name the plain one wins."""
    return ":" not in item[0]


def unsound(part: str, error: Exception) -> GiveUp:
    """Give the error for a part that is no XML as workbooks have it."""
    found = str(error) if isinstance(error, Refused) else f"is no sound XML ({error})"
    return GiveUp(f"the part {part} of the workbook {found}; save it anew in Excel")


def named(elements: Iterable[Element], name: str, *around: str) -> Iterator[Element]:
    """Give the elements of a name, inside others of these names, the nearest first."""
    return (element for element in elements if element.name == name and element.up(*around))


@dataclass(frozen=True, slots=True)
class Change:
    """New bytes for a stretch of a part."""

    start: int
    end: int
    new: bytes


def apply_changes(xml: bytes, changes: Iterable[Change]) -> bytes:
    """Give the part with the changes made; they do not overlap."""
    pieces, at = [], 0
    for change in sorted(changes, key=lambda change: (change.start, change.end)):
        pieces += [xml[at : change.start], change.new]
        at = change.end
    return b"".join([*pieces, xml[at:]])


def set_attributes(xml: bytes, element: Element, values: dict[str, str | None]) -> Change:
    """Give the change that sets attributes of an element, or takes away those whose value is None."""
    tag = xml[element.start : element.inside]
    for name, value in values.items():
        tag = set_attribute(tag, name, value)
    return Change(element.start, element.inside, tag)


def set_attribute(tag: bytes, name: str, value: str | None) -> bytes:
    """Set an attribute in a tag; the others stay as they are written."""
    old = next((found for found in ATTRIBUTE.finditer(tag) if found[2] == name.encode()), None)
    new = b"" if value is None else b'%s="%s"' % (name.encode(), escape(value, {'"': "&quot;"}).encode())
    if old:
        return tag[: old.start()] + (old[1] + new if new else b"") + tag[old.end() :]
    end = len(tag) - (2 if tag.endswith(b"/>") else 1)
    return tag[:end].rstrip() + (b" " + new if new else b"") + tag[end:]


def get_attribute(tag: bytes, name: bytes) -> bytes | None:
    """Give an attribute of a tag as it is written, None when it is absent."""
    return next((found[3][1:-1] for found in ATTRIBUTE.finditer(tag) if found[2] == name), None)


def remove(element: Element) -> Change:
    """Give the change that takes an element away."""
    return Change(element.start, element.end, b"")
