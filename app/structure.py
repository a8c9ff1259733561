"""What a file asks of a decoder, held to the limits before anything is decoded (docs/adr/0011-hostile-images.md)."""

from dataclasses import dataclass

from app.decoding.jpeg import LONG_RUN, run_at_end
from app.decoding.picture import Picture
from app.errors import InvalidImage
from app.formats import Bytes
from app.formats.exif import SIDEWAYS
from app.formats.gif import GifScreen, gif_screen
from app.formats.jpeg import JpegParts, jpeg_parts, jpeg_samples
from app.formats.png import PngFrame, png_parts
from app.formats.webp import webp_parts
from app.models import ContentType, ImageLimits

MAX_DECODE_SECONDS = 2.0  # of CPU, on the machine of docs/imaging.md
_NO_LIMITS = ImageLimits(**dict.fromkeys(ImageLimits.__annotations__, 1 << 40))
_DECODER_BYTES = 24 * 1024 * 1024  # what a decoder takes for itself and for the rows that it is at


@dataclass(frozen=True, slots=True)
class Structure:
    """What a walk over the file tells, whatever its format. Sizes in bytes."""

    metadata_bytes: int = 0
    buffered_bytes: int = 0
    scans: int = 1
    frames: int = 1
    jpeg: JpegParts | None = None
    run: int = 0
    screen: GifScreen | None = None
    animation: tuple[PngFrame, ...] = ()
    seconds: float = 0.0
    """What one decoding takes, of the formats that can take long."""

    @property
    def takes_long(self) -> bool:
        """So long that there is no time for anything else beside decoding it once."""
        return 2 * self.seconds > MAX_DECODE_SECONDS

    @property
    def coded_pixels(self) -> int:
        """Of all frames of a GIF, which may be larger than its screen."""
        return sum(frame.width * frame.height for frame in self.screen.frames) if self.screen else 0


def structure_of(data: Bytes, content_type: ContentType, limits: ImageLimits) -> Structure:
    """Raises InvalidImage where the file is not whole, or has more frames, scans or metadata than it may."""
    structure: Structure | None = None
    match content_type:
        case ContentType.JPEG:
            if jpeg := jpeg_parts(data):
                if not jpeg.is_common:
                    raise InvalidImage("Arithmetic, lossless and hierarchical JPEGs are not accepted.")
                structure = Structure(
                    jpeg.metadata_bytes,
                    jpeg.buffered_bytes,
                    jpeg.scans,
                    jpeg=jpeg,
                    run=run_at_end(jpeg),
                    seconds=_jpeg_seconds(jpeg),
                )
        case ContentType.PNG:
            if png := png_parts(data, max_metadata_bytes=limits.max_metadata_bytes):
                frames = max(len(png.frames), 1)
                structure = Structure(png.metadata_bytes, png.buffered_bytes, frames=frames, animation=png.frames)
        case ContentType.GIF:
            if screen := gif_screen(data, max_frames=limits.max_frames):
                structure = Structure(frames=len(screen.frames), screen=screen)
        case ContentType.WEBP:  # libvips refuses one when as much as its last byte is missing
            structure = _webp_structure(data)
    if structure is None:
        raise InvalidImage("The image is damaged or cut short: its structure does not lead to its end.")
    _limit("bytes of profiles, Exif data and texts", structure.metadata_bytes, limits.max_metadata_bytes)
    _limit("scans", structure.scans, limits.max_scans)
    _limit("frames", structure.frames, limits.max_frames)
    return structure


def structure_of_checked(data: Bytes, content_type: ContentType, picture: Picture) -> Structure:
    """What must be known of a file that was accepted before to decode it again; `picture` is its header as opened."""
    if content_type is ContentType.JPEG:  # what the header tells will do, and walking takes longer than reading that
        return Structure(buffered_bytes=2 * jpeg_samples(data) if picture.number("jpeg-multiscan") else 0)
    return structure_of(data, content_type, _NO_LIMITS)  # what was accepted is shown, whatever the limits are by now


@dataclass(frozen=True, slots=True)
class Shape:
    """Of what kind the image is, and its pixels as displayed, with the orientation applied."""

    content_type: ContentType
    width: int
    height: int
    frames: int
    orientation: int


def shape_of(picture: Picture, content_type: ContentType, structure: Structure) -> Shape:
    """By the header as libvips reads it, and by the structure where that knows better."""
    width, height = picture.width, picture.height // picture.pages
    frames = max(picture.pages, len(structure.animation))  # libvips knows only the first picture of an animated PNG
    if screen := structure.screen:  # libvips disbelieves screens of some sizes, and takes the largest frame instead
        width, height = max(width, screen.width), max(height, screen.height)
    orientation = picture.number("orientation")
    if orientation >= SIDEWAYS:
        width, height = height, width
    return Shape(content_type, width, height, frames, orientation)


def require_within(limits: ImageLimits, shape: Shape, structure: Structure, needed_bytes: int) -> None:
    """Raises InvalidImage where the header asks for more than the limits allow."""
    _limit("frames", shape.frames, limits.max_frames)
    _limit("pixels on its longer side", max(shape.width, shape.height), limits.max_side)
    pixels = max(shape.width * shape.height * shape.frames, structure.coded_pixels)
    if pixels > limits.max_pixels:
        raise InvalidImage(
            f"The image has {pixels} pixels in {shape.frames} frame(s); the limit is {limits.max_pixels}."
        )
    seconds = structure.seconds * (3 if structure.run >= LONG_RUN else 1)
    if seconds > MAX_DECODE_SECONDS:
        raise InvalidImage(
            f"The image takes about {seconds:.1f} seconds to decode; the limit is {MAX_DECODE_SECONDS:.0f}."
        )
    if needed_bytes > limits.max_decode_bytes:
        raise InvalidImage(
            f"The image takes about {needed_bytes} bytes of memory to decode; the limit is {limits.max_decode_bytes}."
        )


def _limit(what: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidImage(f"The image has more {what} than this service accepts; the limit is {most}.")


def decoding_memory_bytes(shape: Shape, structure: Structure, file_bytes: int) -> int:
    """The memory that decoding takes; docs/adr/0011-hostile-images.md has the measurements.

    JPEG and PNG are decoded row by row, unless they come in several passes: then the whole picture is held. A GIF
    takes twice its largest frame, at one byte a pixel; a WebP its picture at four, an animated one all frames and one
    more.
    """
    frame = shape.width * shape.height
    needed = _DECODER_BYTES + structure.buffered_bytes
    if structure.jpeg:
        needed += 2 * file_bytes  # the picture without its metadata, and without its end
    elif structure.screen:
        needed += 2 * max(it.width * it.height for it in structure.screen.frames)
    elif shape.content_type is ContentType.WEBP:
        needed += 4 * frame * (shape.frames + 1 if shape.frames > 1 else 1)
    return needed


def _jpeg_seconds(jpeg: JpegParts) -> float:
    """Measured: 75 MB of a picture in one scan take a second, or 30 MB in several; so do 300 million samples."""
    bytes_a_second = 30e6 if jpeg.buffered_bytes else 75e6
    return jpeg.size / bytes_a_second + jpeg.samples / 300e6 + jpeg.samples * jpeg.scans / 3e9


def _webp_structure(data: Bytes) -> Structure | None:
    """What a WebP is made of; None where it has more chunks than are looked at."""
    webp = webp_parts(data)
    if webp is None:
        return None
    # Measured: 10 MB of lossy pictures take a second, or 60 MB of what is coded without loss.
    return Structure(webp.metadata_bytes, seconds=webp.lossy_bytes / 10e6 + webp.lossless_bytes / 60e6)
