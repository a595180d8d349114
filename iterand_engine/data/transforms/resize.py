"""Crop and resize images by two batched matrix products with per-image triangle filters.

A crop resized with antialiasing is linear in the rows and in the columns of the source, so it is
`rows @ image @ columns.T` with one (target, source) matrix for each. Zero padding is left out of the
matrices instead of being added to the image, and a flip is a column matrix in reverse order. For small images
all matrices that can occur are made once (one for each start and length) and a batch only looks them up.

Limits: results are not rounded to whole grey levels, so they differ from torchvision's by up to half a level.
Under TF32 matrix products the weights carry 11 bits, an error of up to a quarter level.

Source: the antialiased bilinear `interpolate` of PyTorch and Pillow.
"""

from __future__ import annotations

import torch
from torch import Tensor


def triangle_filters(
    start: Tensor,
    length: Tensor,
    source: int,
    target: int,
    *,
    padding: int = 0,
    reverse: Tensor | None = None,
) -> Tensor:
    """Make the matrices that resize windows of a line of pixels.

    Args:
        start, length: int64, (N,): windows within the padded line.
        source: length of the line without padding.
        target: length of the result.
        padding: zeros before (and after) the line.
        reverse: bool, (N,): mirror the result.
    Returns:
        float32, (N, target, source): each row sums to 1, less what falls on the padding.
    """
    device = start.device
    begin, extent = (one.float().view(-1, 1, 1) for one in (start, length))
    out = torch.arange(target, device=device, dtype=torch.float32).view(1, -1, 1)
    if reverse is not None:
        out = torch.where(reverse.view(-1, 1, 1), target - 1 - out, out)
    scale = extent / target
    centre = begin + (out + 0.5) * scale
    pixel = torch.arange(source + 2 * padding, device=device, dtype=torch.float32) + 0.5
    weights = (1 - (pixel - centre).abs_() / scale.clamp(min=1)).clamp_(min=0)
    weights = torch.where((pixel > begin) & (pixel < begin + extent), weights, 0.0)
    weights /= weights.sum(2, keepdim=True)
    return weights[:, :, padding : padding + source]


class FilterTable:
    """Every triangle filter of a padded line of at most some 72 pixels, made once and looked up.

    Args:
        source: length of the line without padding.
        target: length of the results.
        padding: zeros before and after the line.
    """

    def __init__(self, source: int, target: int, padding: int, device: torch.device) -> None:
        extent = source + 2 * padding
        lengths = torch.arange(1, extent + 1)
        starts_of = extent + 1 - lengths  # how many places a window of each length has
        length = lengths.repeat_interleave(starts_of)
        first_of = torch.cumsum(starts_of, 0) - starts_of
        start = torch.arange(len(length)) - first_of.repeat_interleave(starts_of)
        plain = triangle_filters(start, length, source, target, padding=padding)
        self.rows = plain.contiguous().to(device)
        self.columns = torch.cat([plain, plain.flip(1)]).contiguous().to(device)  # mirrored ones second
        self._first_of = first_of.to(device)

    def row_index(self, start: Tensor, length: Tensor) -> Tensor:
        """Numbers of the matrices in `rows`, int64 (N,)."""
        return self._first_of[length - 1] + start

    def column_index(self, start: Tensor, length: Tensor, reverse: Tensor) -> Tensor:
        """Numbers of the matrices in `columns`, int64 (N,)."""
        return self.row_index(start, length) + reverse * len(self.rows)


def resample(images: Tensor, rows: Tensor, columns: Tensor, *, channels_last: bool) -> Tensor:
    """Apply a row and a column matrix to each image.

    The products are arranged so that the result comes out in its memory format without a transposing copy.

    Args:
        images: uint8, (N, C, S, S); fastest with C outermost for channels_last, innermost otherwise.
        rows, columns: float32, (N, T, S).
        channels_last: memory format of the result.
    Returns:
        float32, (N, C, T, T), in the input's units, dense in its format.
    """
    count, channels, size, _ = images.shape
    target = rows.shape[1]
    if channels_last:
        lines = images.to(torch.float32, memory_format=torch.contiguous_format).view(
            count, channels * size, size
        )
        wide = torch.bmm(columns, lines.transpose(1, 2))  # (N, T columns, C x rows)
        tall = torch.bmm(rows, wide.view(count, target * channels, size).transpose(1, 2))
        return tall.view(count, target, target, channels).permute(0, 3, 1, 2)
    lines = images.permute(0, 2, 3, 1).to(torch.float32, memory_format=torch.contiguous_format)
    tall = torch.bmm(lines.view(count, size, size * channels).transpose(1, 2), rows.transpose(1, 2))
    wide = torch.bmm(tall.view(count, size, channels * target).transpose(1, 2), columns.transpose(1, 2))
    return wide.view(count, channels, target, target)
