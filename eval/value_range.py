"""Which pixel value is black and which is white: the same for both folders, or said out loud."""

from eval.images import ImageFolder


def natural_range(folder: ImageFolder) -> tuple[float, float]:
    """(low, high) by the folder's own files: 0..255, 0..2^bits - 1 for the bits in use, or min..max of float images.

    12-bit data in a 16-bit PNG thus keeps its contrast: its range is 0..4095.
    """
    if folder.kind == "uint8":
        return 0.0, 255.0
    if folder.kind == "integer" and folder.low >= 0:
        bits = max(8, int(folder.high).bit_length())
        return 0.0, float(2**bits - 1)
    if folder.low == folder.high:
        raise ValueError(
            f"{folder.root}: every pixel is {folder.low:g}, so no range can be told: give it as [low, high]"
        )
    return folder.low, folder.high


def common_range(real: ImageFolder, synthetic: ImageFolder) -> tuple[float, float]:
    """(low, high) of the synthetic images: those of the real ones where both are stored alike.

    Two folders in two scales would differ in nothing but the scale. Where that could be so, ValueError asks for
    `synthetic_range`.
    """
    low, high = natural_range(real)
    if real.kind == synthetic.kind == "float":
        return low, high
    if real.kind == synthetic.kind:
        if synthetic.low < low or synthetic.high > high:
            raise ValueError(
                f"{synthetic.root}: values {synthetic.low:g}..{synthetic.high:g} leave the {low:g}..{high:g} of "
                f"{real.root}: give real_range=[low,high] and synthetic_range=[low,high]"
            )
        return low, high
    if "float" in (real.kind, synthetic.kind):
        raise ValueError(
            f"{synthetic.root} holds {synthetic.kind} pixels and {real.root} {real.kind}: give real_range=[low,high] "
            "and synthetic_range=[low,high]"
        )
    return natural_range(synthetic)
