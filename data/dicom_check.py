"""What a DICOM file must be for its pixels to be read, told from its header and the length of its data."""

from typing import Any

from data.decode import MAX_PIXELS, UnusableImageError
from data.libraries import medical

GREY = ("MONOCHROME1", "MONOCHROME2")
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def check(dataset: Any) -> None:
    """UnusableImageError where a dataset holds no image that can be read, or pixel data that its header contradicts.

    Nothing is decoded, and nothing of the size that a header claims is allocated.
    """
    if dataset.get("SOPClassUID") == SEGMENTATION:
        raise UnusableImageError("a DICOM segmentation: not read, convert it to NIfTI or to masks")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise UnusableImageError(f"holds no image (modality {_plain(dataset.get('Modality'))})")
    if "PixelData" not in dataset:
        raise UnusableImageError("PixelData is missing (real-valued pixel data are not read)")
    if "TransferSyntaxUID" not in dataset.file_meta:
        raise UnusableImageError("does not say how it is encoded (TransferSyntaxUID is missing)")
    photometric = dataset.get("PhotometricInterpretation")
    if photometric not in (*GREY, "RGB") and not str(photometric).startswith("YBR"):
        raise UnusableImageError(f"colours as {_plain(photometric)}: save it as grey or RGB")
    if "ModalityLUTSequence" in dataset:
        raise UnusableImageError("its units are in a table (ModalityLUTSequence): only slope and intercept are read")
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (1, 8, 16, 32) or not 1 <= stored <= allocated:
        raise UnusableImageError(f"BitsAllocated {allocated}, BitsStored {stored}: not an image that can be read")
    if int(dataset.get("HighBit", stored - 1)) != stored - 1:
        raise UnusableImageError(f"HighBit {int(dataset.HighBit)} with BitsStored {stored}: it must be one less")
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples != (1 if photometric in GREY else 3) or (samples == 3 and stored != allocated):
        raise UnusableImageError(f"{samples} samples a pixel in {stored} bits as {_plain(photometric)}")
    _check_pixel_data(dataset, int(dataset.Rows), int(dataset.Columns))


def _check_pixel_data(dataset: Any, rows: int, columns: int) -> None:
    if not 0 < rows * columns <= MAX_PIXELS:
        raise UnusableImageError(f"{rows} x {columns} pixels: empty, or too many for one image")
    syntax = dataset.file_meta.TransferSyntaxUID
    present = len(dataset.PixelData)
    if not syntax.is_encapsulated:
        needed = medical("pydicom.pixels.utils").get_expected_length(dataset)
        if present not in (needed, needed + needed % 2):
            raise UnusableImageError(
                f"PixelData of {present} bytes where {rows} x {columns} pixels in {frame_count(dataset)} frame(s) "
                f"of {int(dataset.BitsAllocated)} bits need {needed}"
            )
        return
    if frame_count(dataset) > present // 8:  # each has a header of 8 bytes
        raise UnusableImageError(f"claims {frame_count(dataset)} frames in {present} bytes")
    try:
        decoder = medical("pydicom.pixels").get_decoder(syntax)
    except NotImplementedError:
        raise UnusableImageError(f"compressed as {syntax.name}, which is not read: save it uncompressed") from None
    if not decoder.is_available:
        plug_ins = other_plug_ins(syntax)
        raise UnusableImageError(f"compressed as {syntax.name}, which needs a plug-in of pydicom: install {plug_ins}")


def frame_count(dataset: Any) -> int:
    """NumberOfFrames, 1 where it is missing."""
    return int(dataset.get("NumberOfFrames") or 1)


def other_plug_ins(syntax: Any) -> str:
    """What a user may install to have an encoding read, in words; empty where nothing is missing."""
    missing = medical("pydicom.pixels").get_decoder(syntax).missing_dependencies
    return ", or ".join(text.split(" - requires ")[-1] for text in missing)


def in_one_line(value: Any) -> str:
    """A tag's value as one line of text, empty where it is missing, blank or not to be printed."""
    several = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    text = " ".join(" ".join(str(v) for v in several if v is not None).split())
    return text if text.isprintable() else ""


def _plain(value: Any) -> str:
    return in_one_line(value) or "unknown"
