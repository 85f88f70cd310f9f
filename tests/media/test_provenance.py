"""The mark of generated media is XMP that any reader understands, and a stranger's XMP does no harm."""

import time
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.examples import RECORD
from unnoise.media.provenance import NAMESPACES, packet, properties, source_properties

SOURCE = "Iptc4xmpExt:DigitalSourceType"


def test_the_source_type() -> None:
    generated = source_properties(RECORD)[SOURCE]
    composite = source_properties(replace(RECORD, composite=True))[SOURCE]
    assert generated == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert composite == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def test_the_packet_is_xml_that_another_parser_reads() -> None:
    root = ET.fromstring(packet(source_properties(RECORD)))
    found = root.find(f".//{{{NAMESPACES['Iptc4xmpExt']}}}DigitalSourceType")
    assert found is not None
    assert found.text == source_properties(RECORD)[SOURCE]


@given(st.dictionaries(st.sampled_from(["unnoise:record", "xmp:CreatorTool", SOURCE]), st.text(st.characters())))
def test_round_trip_of_what_xml_can_hold(wanted: dict[str, str]) -> None:
    found = properties(packet(wanted))
    assert found.keys() == wanted.keys()
    for name, text in wanted.items():
        if text.isprintable() and text == text.strip():
            assert found[name] == text


def test_properties_as_attributes() -> None:
    text = packet({}).replace(
        'rdf:about=""', f'rdf:about="" xmlns:i="{NAMESPACES["Iptc4xmpExt"]}" i:DigitalSourceType="x"'
    )
    assert properties(text) == {SOURCE: "x"}


def test_structures_and_strangers_are_left_out() -> None:
    text = packet({"xmp:CreatorTool": "x"}).replace(
        "</rdf:Description>",
        '<b:c xmlns:b="urn:b">1</b:c><xmp:d><rdf:Bag><rdf:li>2</rdf:li></rdf:Bag></xmp:d></rdf:Description>',
    )
    assert properties(text) == {"xmp:CreatorTool": "x", "xmp:d": ""}


@pytest.mark.parametrize("text", ["", "\0", "<", "x", "<a>" * 100_000, packet({"xmp:a": "b"})[:-40]])
def test_damaged_packets_say_nothing(text: str) -> None:
    assert properties(text) == {}


def test_a_document_type_is_not_read() -> None:
    text = '<!DOCTYPE x [<!ENTITY a "ha">]>' + packet({"xmp:CreatorTool": "x"}).replace(">x<", ">&a;<")
    ET.fromstring(text)  # sound XML
    assert properties(text) == {}


def test_entities_do_not_expand() -> None:
    laughs = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 12))
    text = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>' + packet({"xmp:CreatorTool": "x"}).replace(">x<", ">&l11;<")
    began = time.process_time()
    assert properties(text) == {}
    assert time.process_time() - began < 1
