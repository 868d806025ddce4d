"""Makes sure of finished HTML: nothing runs, nothing is loaded from elsewhere, links lead where mail may lead.

The text comes from the CSS inliner, which writes a parsed document out again: every attribute quoted, every tag whole.
Each tag is written anew from its parts here, so what was not understood does not get through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from typing import Final

REFUSED: Final = frozenset(
    "script iframe frame frameset object embed applet form input button select textarea link base video audio source "  # noqa: SIM905
    "track svg math portal noscript template".split()
)
LINKS: Final = ("https:", "http:", "mailto:", "tel:", "#")
PICTURES: Final = re.compile(r"cid:[\w.@-]{1,200}|data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=]+")
SOURCES: Final = frozenset({"src", "background", "poster", "srcset", "data", "dynsrc", "lowsrc"})
TARGETS: Final = frozenset({"href", "action", "formaction", "xlink:href", "cite", "longdesc", "ping", "profile"})
# What loads or runs something from a style; an escape in it could spell any of them.
LOADING: Final = re.compile(
    r"url\s*\(|@import|@font-face|expression\s*\(|image\s*\(|image-set|-moz-binding|behavior\s*:|\\", re.IGNORECASE
)
MSO: Final = re.compile(r"\[if\b.*?<!\[endif\]", re.DOTALL)


class Forbidden(Exception):  # noqa: N818  a finding that the letter turns into an error
    """The HTML holds what no mail may hold; the message is a sentence."""


def clean_html(html: str) -> str:
    """Give the HTML without what loads or runs; raises :class:`Forbidden` for tags that only a template has."""
    cleaner = Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.pieces)


class Cleaner(HTMLParser):
    """Writes a document anew, tag by tag."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self.styling = False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Write a tag with those of its attributes that are in order."""
        if tag in REFUSED:
            raise Forbidden(f"the template has a <{tag}>, which no mail may hold; leave it out")
        given = dict(reversed(attrs))
        if tag == "meta" and "http-equiv" in given and (given["http-equiv"] or "").lower() != "content-type":
            return
        kept = [f' {name}="{escape(value or "")}"' for name, value in attrs if is_harmless(name, value or "")]
        self.styling = tag == "style"
        self.pieces.append(f"<{tag}{''.join(kept)}>")

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Write a tag that closes itself."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Write the end of a tag."""
        self.styling = False
        self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Write text; a style that loads something is refused."""
        if self.styling and (found := LOADING.search(data)):
            raise Forbidden(f"the template's style holds {found[0]!r}, which could load something; leave it out")
        self.pieces.append(data if self.styling else data.replace("<", "&lt;").replace(">", "&gt;"))

    def handle_entityref(self, name: str) -> None:
        """Write a named character."""
        self.pieces.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Write a numbered character."""
        self.pieces.append(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        """Write the kind of document."""
        self.pieces.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        """Keep what Outlook alone reads, as long as it loads nothing; other comments are for nobody."""
        if not MSO.fullmatch(data):
            return
        inner = re.sub(r"^\[if[^\]]*\]>|<!\[endif\]$", "", data)
        self.pieces.append(f"<!--{data[: data.index('>') + 1]}{clean_html(inner)}<![endif]-->")


def is_harmless(name: str, value: str) -> bool:
    """Tell whether an attribute may stay: no handlers, no sources but own pictures, known links."""
    if not re.fullmatch(r"[a-z][a-z0-9:-]*", name) or name.startswith("on"):
        return False
    if name in SOURCES:
        return PICTURES.fullmatch(value) is not None
    if name in TARGETS:
        # What browsers leave out of an address before they read it must not hide its first word.
        return re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029]", "", value).lower().startswith(LINKS)
    return not (name == "style" and LOADING.search(value))
