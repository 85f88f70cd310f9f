"""A file of requests: nothing in it is passed over in silence."""

import pytest

from unnoise.cli._requests import read_requests

HEAD = "prompt,steps\n"


@pytest.fixture
def read(tmp_path):
    def run(text, suffix):
        path = tmp_path / f"r{suffix}"
        path.write_text(text)
        return read_requests(path)

    return run


@pytest.mark.parametrize("pair", ['"prompt": "b"', '"seed": 2', '"--seed": 2'])
def test_a_field_given_twice_is_a_fault(read, pair):
    (line,) = read('{"prompt": "a", "seed": 1, ' + pair + "}", ".jsonl")
    assert line.task is None and "twice" in str(line.fault)


def test_a_cell_may_be_as_long_as_a_line(read):
    long = "x" * 200_000
    first, second = read(f"{HEAD}{long},1\na,2\n", ".csv")
    assert first.task.prompt == long and second.task.steps == 2
    (line,) = read(f"{HEAD}{'x' * (2**20 + 1)},1\n", ".csv")
    assert "larger than field limit" in str(line.fault)


@pytest.mark.parametrize("bad", ['"a"x,1\nb,2\n', '"a,1\nb,2\n'])
def test_where_a_table_ends_to_be_one_the_rest_is_said_not_to_be_read(read, bad):
    good, fault = read(f"{HEAD}z,3\n{bad}", ".csv")
    assert good.task.steps == 3 and fault.number == 3 and "nothing from there on is read" in str(fault.fault)
