"""Which pixel value is black and which is white: the same for both folders, or said out loud."""

from eval.images import ImageFolder

Range = tuple[float, float]


def choose_ranges(
    real: ImageFolder, synthetic: ImageFolder, real_range: Range | None, synthetic_range: Range | None
) -> tuple[Range, Range]:
    """The ranges (low, high) of both folders, those given or those of their files.

    Folders stored alike get the real one's range. Two folders in two scales would differ in nothing but the scale:
    where that may be so, ValueError asks for both ranges.
    """
    if real_range is not None or synthetic_range is not None:
        low_high = real_range or natural_range(real)
        return low_high, synthetic_range or low_high
    low, high = natural_range(real)
    mend = "give real_range=[low,high] and synthetic_range=[low,high]"
    if real.kind != synthetic.kind:
        if "float" in (real.kind, synthetic.kind):
            raise ValueError(f"{synthetic.root} holds {synthetic.kind} pixels, {real.root} {real.kind}: {mend}")
        return (low, high), natural_range(synthetic)
    values, of_real = f"values {synthetic.low:g}..{synthetic.high:g}", f"the {low:g}..{high:g} of {real.root}"
    if real.kind == "integer" and not low <= synthetic.low <= synthetic.high <= high:
        raise ValueError(f"{synthetic.root}: {values} leave {of_real}: {mend}")
    if real.kind == "float" and not 0.1 < (synthetic.high - synthetic.low) / (high - low) < 10:
        raise ValueError(f"{synthetic.root}: {values} are on another scale than {of_real}: {mend}")
    return (low, high), (low, high)


def natural_range(folder: ImageFolder) -> Range:
    """0..255 for 8 bits, 0..2^bits - 1 for the bits in use, min..max for real or negative values.

    12-bit data in a 16-bit PNG thus keeps its contrast: its range is 0..4095.
    """
    if folder.kind == "uint8":
        return 0.0, 255.0
    if folder.kind == "integer" and folder.low >= 0:
        bits = max(8, int(folder.high).bit_length())
        return 0.0, float(2**bits - 1)
    if folder.low == folder.high:
        raise ValueError(f"{folder.root}: every pixel is {folder.low:g}: give its range as real_range=[low,high]")
    return folder.low, folder.high
