"""The array namespace: one source for NumPy (the reference) and torch.

Functions of the step take their namespace from their arguments, ``xp = namespace(x)``, and use only what is
listed here. Axis arguments are called ``axis`` in both libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; the shape stands beside each use."""


class _NumpyNamespace:
    """NumPy under the names of this project."""

    name = "numpy"
    int64 = np.int64
    float64 = np.float64
    float32 = np.float32

    where = staticmethod(np.where)
    minimum = staticmethod(np.minimum)
    maximum = staticmethod(np.maximum)
    abs = staticmethod(np.abs)
    exp = staticmethod(np.exp)
    tanh = staticmethod(np.tanh)
    sin = staticmethod(np.sin)
    cos = staticmethod(np.cos)
    log = staticmethod(np.log)
    sqrt = staticmethod(np.sqrt)
    floor = staticmethod(np.floor)
    rint = staticmethod(np.rint)
    # The reductions of the ufuncs cost a third of np.sum and the like, which counts when arrays are small.
    sum = staticmethod(np.add.reduce)
    min = staticmethod(np.minimum.reduce)
    max = staticmethod(np.maximum.reduce)
    any = staticmethod(np.logical_or.reduce)
    all = staticmethod(np.logical_and.reduce)
    cumsum = staticmethod(np.cumsum)
    cummax = staticmethod(np.maximum.accumulate)
    argsort = staticmethod(np.argsort)
    concat = staticmethod(np.concatenate)
    stack = staticmethod(np.stack)
    matmul = staticmethod(np.matmul)
    isfinite = staticmethod(np.isfinite)
    broadcast_to = staticmethod(np.broadcast_to)

    @staticmethod
    def clip(x: Array, low: Array, high: Array) -> Array:
        return np.minimum(np.maximum(x, low), high)

    @staticmethod
    def stable_argsort(x: Array, axis: int = -1) -> Array:
        return np.argsort(x, axis=axis, kind="stable")

    @staticmethod
    def zeros_like(x: Array) -> Array:
        return np.zeros(x.shape, x.dtype)

    @staticmethod
    def take_along_axis(x: Array, index: Array, axis: int) -> Array:
        if x.ndim != 2 or axis not in (1, -1):
            return np.take_along_axis(x, index, axis)
        return x[np.arange(x.shape[0])[:, None], index]  # a third of the library's overhead

    @staticmethod
    def zeros(shape: tuple[int, ...], like: Array, dtype: Any = None) -> Array:
        return np.zeros(shape, dtype or like.dtype)

    @staticmethod
    def arange(n: int, like: Array) -> Array:
        return np.arange(n)

    @staticmethod
    def asarray(x: Array, like: Array) -> Array:
        return np.asarray(x)

    @staticmethod
    def astype(x: Array, dtype: Any) -> Array:
        return x.astype(dtype)

    @staticmethod
    def unstack(x: Array, axis: int) -> tuple[Array, ...]:
        return tuple(np.moveaxis(x, axis, 0))


_MOST_NUMBERS = 1000


class _TorchNamespace:
    """torch under the same names; imported only when a tensor arrives."""

    name = "torch"

    def __init__(self, torch: ModuleType) -> None:
        self._torch = torch
        self.int64, self.float64, self.float32 = torch.int64, torch.float64, torch.float32
        for name in ("exp", "tanh", "sin", "cos", "log", "sqrt", "floor", "abs", "isfinite", "zeros_like", "matmul"):
            setattr(self, name, getattr(torch, name))
        self._numbers: dict[Any, Any] = {}
        self.rint = torch.round
        self.broadcast_to = torch.broadcast_to

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name!r} is not in the array namespace (data/arrays.py)")

    def _pair(self, x: Any, y: Any) -> tuple[Any, Any]:
        is_tensor = self._torch.is_tensor
        if not is_tensor(x):
            return self._beside(x, y), y
        return x, y if is_tensor(y) else self._beside(y, x)

    def _beside(self, x: Any, like: Any) -> Any:
        """A number as a tensor of the same type, made once; other things as torch makes tensors of them."""
        if type(x) not in (int, float) or not like.is_floating_point():
            return self._torch.as_tensor(x, device=like.device)
        key = (x, like.dtype, like.device)
        found = self._numbers.get(key)
        if found is None:
            found = self._torch.tensor(x, dtype=like.dtype, device=like.device)
            if len(self._numbers) < _MOST_NUMBERS:
                self._numbers[key] = found
        return found

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        if not (self._torch.is_tensor(x) or self._torch.is_tensor(y)):
            x = self._torch.as_tensor(x, device=condition.device)
        x, y = self._pair(x, y)
        return self._torch.where(condition, x, y)

    def minimum(self, x: Any, y: Any) -> Any:
        x, y = self._pair(x, y)
        return self._torch.minimum(x, y)

    def maximum(self, x: Any, y: Any) -> Any:
        x, y = self._pair(x, y)
        return self._torch.maximum(x, y)

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return self.minimum(self.maximum(x, low), high)

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return x.sum() if axis is None else self._torch.sum(x, dim=axis, keepdim=keepdims)

    def min(self, x: Any, axis: Any, keepdims: bool = False) -> Any:
        return self._torch.amin(x, dim=axis, keepdim=keepdims)

    def max(self, x: Any, axis: Any, keepdims: bool = False) -> Any:
        return self._torch.amax(x, dim=axis, keepdim=keepdims)

    def any(self, x: Any, axis: int) -> Any:
        return self._torch.any(x, dim=axis)

    def all(self, x: Any, axis: int) -> Any:
        return self._torch.all(x, dim=axis)

    def cumsum(self, x: Any, axis: int) -> Any:
        return self._torch.cumsum(x, dim=axis)

    def cummax(self, x: Any, axis: int) -> Any:
        return self._torch.cummax(x, dim=axis).values

    def argsort(self, x: Any, axis: int = -1) -> Any:
        return self._torch.argsort(x, dim=axis)

    def stable_argsort(self, x: Any, axis: int = -1) -> Any:
        return self._torch.argsort(x, dim=axis, stable=True)

    def take_along_axis(self, x: Any, index: Any, axis: int) -> Any:
        return self._torch.gather(x, axis, index)

    def concat(self, parts: Any, axis: int = 0) -> Any:
        return self._torch.cat(tuple(parts), dim=axis)

    def stack(self, parts: Any, axis: int = 0) -> Any:
        return self._torch.stack(tuple(parts), dim=axis)

    def zeros(self, shape: tuple[int, ...], like: Any, dtype: Any = None) -> Any:
        return self._torch.zeros(shape, dtype=dtype or like.dtype, device=like.device)

    def arange(self, n: int, like: Any) -> Any:
        return self._torch.arange(n, device=like.device)

    def asarray(self, x: Any, like: Any) -> Any:
        return self._torch.as_tensor(x, device=like.device)

    def astype(self, x: Any, dtype: Any) -> Any:
        return x.to(dtype)

    def unstack(self, x: Any, axis: int) -> Any:
        return self._torch.unbind(x, dim=axis)


_NUMPY = _NumpyNamespace()
_TORCH: list[_TorchNamespace] = []


def namespace(x: Array) -> Any:
    """Give the functions of the library that ``x`` belongs to."""
    if type(x) is np.ndarray or isinstance(x, np.generic | np.ndarray):
        return _NUMPY
    if type(x).__module__.startswith("torch"):
        if not _TORCH:
            import torch

            _TORCH.append(_TorchNamespace(torch))
        return _TORCH[0]
    raise TypeError(f"expected a NumPy array or a torch tensor, got {type(x).__name__}")


def host(x: Array) -> Array:
    """Give an array as one of NumPy."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def muldiv(a: Array, b: Array, c: Array) -> Array:
    """Give ``floor(a * b / c)`` of int64 arrays without overflow in the product.

    For ``0 <= a``, ``0 <= b``, ``0 < c < 2**62`` and a result below ``2**52``. A float estimate is corrected by the
    remainder, which wraps in int64 but is small and so exact.
    """
    xp = namespace(a)
    guess = xp.astype(xp.floor(xp.astype(a, xp.float64) * b / c), xp.int64)
    rest = a * b - guess * c
    return guess + rest // c


def ratio(a: Array, b: Array, c: Array) -> Array:
    """Give the whole number nearest to ``a * b / c`` of int64 arrays, ties to the even one; 0 where ``c`` is.

    Any signs; sizes as for ``muldiv``, which says why this is exact.
    """
    xp = namespace(a)
    size = xp.maximum(xp.abs(c), 1)
    signed = xp.where(c < 0, -a, a) * (c != 0)
    guess = xp.astype(xp.rint(xp.astype(signed, xp.float64) * b / size), xp.int64)
    twice = 2 * (signed * b - guess * size)
    beyond = size - (guess & 1)  # from here on the next number is nearer; of two as near the even one
    return guess + xp.astype(twice > beyond, xp.int64) - xp.astype(twice < -beyond, xp.int64)


def converter(backend: str, device: str, dtype: str) -> Callable[[Any], Any]:
    """Give what turns NumPy arrays into those of a library; float arrays get the float type.

    Args:
        backend: numpy or torch.
        device: of torch.
        dtype: float64 or float32.
    """
    if backend == "numpy":
        float_type = np.dtype(dtype)

        def to_numpy(x: Any) -> Any:
            x = np.asarray(x)
            return x.astype(float_type) if x.dtype.kind == "f" and x.dtype != float_type else x

        return to_numpy
    import torch

    def to_torch(x: Any) -> Any:
        if isinstance(x, np.ndarray) and not x.flags.writeable:
            x = x.copy()  # a tensor cannot be kept from being written into
        tensor = torch.as_tensor(x, device=device)
        return tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor

    return to_torch
