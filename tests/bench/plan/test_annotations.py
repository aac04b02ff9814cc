"""What can be typed for an argument of a pipeline's call."""

import pytest

from denoisebench.bench.plan.annotations import can_be_typed, fits


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        ("float | None", (1, 0.5, None), ("a", True, [1.0])),
        ("Optional[bool]", (True, None), (1, "true")),
        ("dict[str, Any] | None", ({"scale": 0.5}, None), ("scale", ["scale"], 1, {0: 0.5})),
        ("Optional[Dict[str, Any]]", ({"scale": "a"},), ("scale",)),
        ("dict", ({0: 0.05},), ("a", [1])),
        ("tuple[int, int]", ([8, 16],), ("8,16", [8], [8, 16, 32], [8, "a"], [8, 0.5])),
        ("tuple[int, ...]", ([9], [9, 18, 27]), ("9", ["a"])),
        ("tuple[int]", ([16, 16],), (16, ["a"])),
        ("list[str] | None", (["a", "b"], None), ("a", [1])),
        ("str | list[str]", ("a", ["a"]), (1, [1])),
        ("Union[float, List[float]]", (1.0, [1, 0.5]), ("a", ["a"])),
        ("int | list[int] | list[list[int]] | None", (1, [1], [[1, 2]]), ([["a"]], "a")),
        ("list", ([16, "a"],), ("a", {"a": 1})),
        ("list[dict[str, str]]", ([{"role": "user"}],), ([{"role": 1}], ["a"])),
        ("Literal['first', 'last']", ("first",), ("frist", 1)),
        ("list[float] | torch.Tensor", ([0.5],), ("a", ["a"])),
        ("", (1, "a", [None]), ()),
    ],
)
def test_a_value_is_of_its_type_and_so_are_its_items(annotation, right, wrong):
    assert can_be_typed(annotation)
    assert [value for value in right if not fits(value, annotation)] == []
    assert [value for value in wrong if fits(value, annotation)] == []


@pytest.mark.parametrize(
    "annotation",
    [
        "torch.Tensor | None",
        "Optional[List[torch.Tensor]]",
        "PipelineImageInput",
        "Callable[[int, int, dict], None] | None",
        "'PIL.Image.Image' | torch.Tensor | None",
    ],
)
def test_tensors_images_and_functions_cannot_be_typed(annotation):
    assert not can_be_typed(annotation)
