"""What each figure says, in words for its reader."""

MEANINGS = {
    "fid": "Frechet Inception distance: how far apart the two clouds of Inception features lie, in mean and spread. "
    "0 would be the same cloud; with few images even real against real is far from 0.",
    "frechet_random": "The same distance in the features of a network with fixed random weights. It sees texture, "
    "contrast and layout, not meaning; it is not a FID and compares only with itself.",
    "frechet_inception": "The same distance in the features of Inception with other weights than the published ones: not a "
    "FID, comparable only with itself.",
    "kid_inception": "The kernel distance in the same features.",
    "kid": "Kernel Inception distance: unbiased, so that few images do not inflate it; around 0, also below, is ideal.",
    "kid_random": "The kernel distance in the features of the random network; around 0, also below, is ideal.",
    "precision": "Share of synthetic images that lie among the real ones, within the reach of a real image's nearest "
    "neighbours: do they look real? 1 is ideal, the floor is what real images reach.",
    "recall": "Share of real images that lie among the synthetic ones: is all that there is drawn, too?",
    "density": "As precision, but counting how many real images are near each synthetic one, so that a lone real image "
    "does not vouch for all around it; it may exceed 1.",
    "coverage": "Share of real images with a synthetic one among their nearest: as recall, but a stray synthetic image "
    "does not pass for many real ones.",
    "share_near_real": "Share of images that lie closer to a real image, pixel by pixel, than all but 1 % of the real "
    "images lie to each other. About 1 % is what new images give; much more hints at copies.",
    "frechet_domain": "The same distance in the features of a network trained on other real images of this folder, "
    "whitened, so that each way in which these vary counts alike. Compares only with itself.",
    "kid_domain": "The kernel distance in the same features; around 0, also below, is ideal.",
    "frechet_dinov2": "The same distance in the features of DINOv2, which was trained on photographs without labels and sees "
    "objects more than texture.",
    "kid_dinov2": "The kernel distance in the same features; around 0, also below, is ideal.",
    "sar_amplitude": "How far pixel values would have to be moved, on average, to be distributed as the real ones are; on "
    "a scale on which the real range is 1.",
    "sar_looks": "Difference of the speckle's strength: equivalent looks of homogeneous patches, in powers of 2. Smooth "
    "images have too many looks.",
    "sar_glcm_contrast": "Difference of texture: how much neighbouring pixels differ.",
    "sar_glcm_homogeneity": "Difference of texture: how many neighbouring pixels are nearly the same.",
    "sar_glcm_correlation": "Difference of texture: how well a pixel foretells its neighbour.",
    "sar_spectrum": "Decibels between the mean power spectra: is there as much fine detail as in the real images?",
    "mri_percentiles": "Difference of the intensities of what is not air, on a scale on which the real range is 1.",
    "mri_spectrum": "Decibels between the mean power spectra: is there as much fine detail as in the real images?",
    "bias_intensity": "The largest gap between the distributions of the images' mean brightness, 0..1.",
    "bias_box_count": "The largest gap between the distributions of the number of boxes per image, 0..1.",
    "bias_box_size": "The largest gap between the distributions of box sizes, as the compared images show them, 0..1.",
}

INFINITY = (
    "The same distance, extrapolated to infinitely many images from shares of these; around 0, also below, is ideal, and "
    "two sets of samples of different n can be compared by it."
)

SHARES = "What part of the labels would have to change for their shares to be those of the real images, 0..1."
SKEW = (
    "Bits of entropy that the shares lost: above the floor, what was frequent among the real images became more frequent. "
    "Where the labels were asked for when sampling, it says what was asked for."
)


def meaning(name: str) -> str:
    """What the figure of that name says."""
    if name.endswith("_infinity"):
        return INFINITY
    if name.startswith("skew_"):
        return SKEW
    return MEANINGS.get(name, SHARES) if name.startswith("bias_") else MEANINGS[name]
