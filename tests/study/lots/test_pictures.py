import base64
import io

import numpy as np
import pytest

from matlever.study.lots.pictures import picture


@pytest.mark.parametrize("shape", [(5, 7), (6, 4, 3), (1, 1)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_another_library_reads_the_same_pixels(shape, kind):
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = {
        "uint8": grey,
        "uint16": grey.astype(np.uint16) * 257,
        "float32": grey.astype(np.float32) / 255,
    }[kind]
    found = picture(image)
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["png"]))))
    np.testing.assert_array_equal(read, grey)
    assert (found["height"], found["width"]) == shape[:2]
