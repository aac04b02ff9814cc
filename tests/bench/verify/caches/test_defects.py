"""Each listed defect has a script of plain diffusers that ends in it."""

import runpy
from pathlib import Path

import pytest

from denoisebench.bench.caches import known
from denoisebench.bench.verify import caches

FOLDER = Path(caches.__file__).parent / "defects"
ENDS = (AssertionError, AttributeError, RuntimeError, TypeError, ValueError)


@pytest.mark.filterwarnings("ignore")  # of diffusers, some of them about the defects
@pytest.mark.parametrize("defect", known.KNOWN, ids=lambda defect: defect.name)
def test_its_script_ends_in_the_defect(defect):
    script = FOLDER / f"{defect.name.replace('-', '_')}.py"
    with pytest.raises(ENDS) as error:
        runpy.run_path(str(script))
    assert not isinstance(error.value, ImportError)
    assert "denoisebench" not in script.read_text()


def test_there_is_no_script_without_a_defect():
    names = {defect.name.replace("-", "_") for defect in known.KNOWN}
    assert {script.stem for script in FOLDER.glob("*.py")} == names
