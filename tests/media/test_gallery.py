"""A page of pictures is sound HTML whatever its texts hold."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from media.examples import RECORD, asked
from unnoise.media.gallery import Block, Shown, Table, page


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, sorted(name for name, _ in attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def shown(prompt="x", value="1"):
    return Shown(b"\0\1", "png", 4, 2, {"steps": value}, asked(prompt=prompt).json())


def made(text):
    return page(
        text, text, [Block(text, [text], [text], [[shown(text, text)]])], [Table(text, [text, text], [[text, text]])]
    )


def test_pictures_stand_within_it():
    text = page("fox", "about", [Block("", [], ["one"], [[shown()]])])
    assert 'src="data:image/png;base64,AAE="' in text
    assert 'width="256" height="128"' in text  # small pictures are shown enlarged
    assert "<h2>" not in text and "<h1>fox</h1>" in text
    assert '  "seed": 5,' in text.replace("&quot;", '"') and "[0.5, 0.5, 0.5]" in text
    assert Shown(b"", "png", 900, 600, {}, RECORD.json()) and 'class="small"' in text


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&\"'=/-! "), min_size=1))
def test_no_text_becomes_markup(words):
    found, plain = Tags(made(words)), Tags(made("x"))
    assert found.open == [] and found.seen == plain.seen
    made(words).encode()


def test_figures_stand_before_the_pictures():
    text = page(
        "fox", "about", [Block("", [], ["one"], [[shown()]])], [Table("", ["a", "b"], [["1", "2"], ["3", "4"]])]
    )
    assert text.index("<td>4</td>") < text.index("<figure>")
    assert "<tr><td>1</td><td>2</td></tr>" in text and '<th scope="col">b</th>' in text


def test_a_picture_that_nothing_is_known_of_shows_no_record():
    text = page("fox", "about", [Block("", [], [], [[Shown(b"", "png", 4, 4, {"of": "x"})]])])
    assert "<details>" not in text and "<dd>x</dd>" in text
