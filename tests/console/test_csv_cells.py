import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from console.csv_cells import csv_line

DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
cells = st.lists(
    st.one_of(st.text(), st.text().map("=".__add__), st.integers(), st.none()), min_size=1
)


@given(cells)
def test_s020_every_cell_is_quoted_disarmed_and_read_back(values):
    line = csv_line(values)
    [found] = list(csv.reader(io.StringIO(line, newline="")))

    assert line.startswith('"')
    assert line.endswith('"')
    for given_value, cell in zip(values, found, strict=True):
        text = "" if given_value is None else str(given_value)
        assert cell in {text, "'" + text}
        if text[:1] and text[0] in DANGEROUS:
            assert cell == "'" + text


def test_s020_a_formula_is_no_formula_any_more():
    assert csv_line(["=cmd|' /C calc'!A0", "@SUM(1)", "plain", 3]) == (
        '"\'=cmd|\' /C calc\'!A0","\'@SUM(1)","plain","3"'
    )
