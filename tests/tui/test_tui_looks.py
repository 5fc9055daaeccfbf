"""The looks, compared with pictures at three sizes; behaviour is tested elsewhere.

After a change that is meant: ``make snapshots``, look at the difference, commit it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scenes import SCENES, SIZES, Scene, staged

Compare = Callable[..., bool]
EVERY = [
    pytest.param(scene, size, id=f"{scene.name}-{size}") for scene in SCENES for size in scene.sizes
]


@pytest.mark.parametrize(("scene", "size"), EVERY)
def test_scene(snap_compare: Compare, scene: Scene, size: str) -> None:
    app, play = staged(scene)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=play)


def test_every_scene_has_a_name_of_its_own() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES)
