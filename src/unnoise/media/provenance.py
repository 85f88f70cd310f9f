"""The XMP packet that marks a picture as generated (ISO 16684-1; IPTC Photo Metadata Standard 2025.1).

It says where the picture comes from in IPTC's words (`DigitalSourceType`, `AISystemUsed`), and where a file has no
better place for it, holds the record as a property of our own namespace.
"""

import xml.parsers.expat
from collections.abc import Mapping
from xml.sax.saxutils import escape

from unnoise.core.version import __version__
from unnoise.media.infotext import plain
from unnoise.media.record import Record

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "unnoise": "urn:unnoise:1#",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
RECORD = "unnoise:record"


def source_properties(record: Record) -> dict[str, str]:
    """Where the picture comes from, as XMP properties."""
    return _source(record.model, record.versions.get("unnoise", ""), record.composite)


def mark(model: str) -> str:
    """The XMP packet of what was made by a model and has no record of its own: a sheet, an animation, a preview."""
    return packet(_source(model, __version__, composite=False))


def _source(model: str, version: str, composite: bool) -> dict[str, str]:
    return {
        "Iptc4xmpExt:DigitalSourceType": COMPOSITE if composite else GENERATED,
        "Iptc4xmpExt:AISystemUsed": f"unnoise, {model}",
        "Iptc4xmpExt:AISystemVersionUsed": version,
        "xmp:CreatorTool": f"unnoise {version}".strip(),
    }


def packet(properties: Mapping[str, str]) -> str:
    """An XMP packet of these simple properties, "prefix:name" -> text, of the prefixes in `NAMESPACES`."""
    used = sorted({name.partition(":")[0] for name in properties})
    declared = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in used)
    body = "".join(f"<{name}>{escape(_legal(text))}</{name}>" for name, text in properties.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""{declared}>{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="r"?>'
    )


def properties(text: str) -> dict[str, str]:
    """The simple properties of an XMP packet, in our prefixes; other namespaces and damaged packets give none.

    They may stand as elements or as attributes of an rdf:Description. A packet with a document type is not read: that
    is where entities that expand without end are declared, and XMP has no use for one.
    """
    found: dict[str, str] = {}
    path: list[str] = []
    pieces: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        pieces.clear()
        if name == f"{_RDF} Description":
            found.update({_prefixed(key): value for key, value in attributes.items() if _prefixed(key)})

    def end(name: str) -> None:
        path.pop()
        if path and path[-1] == f"{_RDF} Description" and _prefixed(name):
            found[_prefixed(name)] = "".join(pieces).strip()
        pieces.clear()

    def refuse(*_: object) -> None:
        raise ValueError

    parser = xml.parsers.expat.ParserCreate("utf-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = pieces.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.strip("\0 \n").encode("utf-8", "replace"), True)
    except (xml.parsers.expat.ExpatError, ValueError):
        return {}
    return found


def _prefixed(name: str) -> str:
    uri, _, local = name.rpartition(" ")
    return f"{_PREFIXES[uri]}:{local}" if uri in _PREFIXES else ""


def _legal(text: str) -> str:
    """The text without the characters that XML 1.0 has no way to write."""
    return "".join(c for c in plain(text) if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
