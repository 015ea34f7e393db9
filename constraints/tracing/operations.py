"""The table of operations: for each name in torch's dispatcher the rule that says what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from constraints.tracing import lookups, mixing, recurrent, reshaping, windows
from constraints.tracing.mixing import Result, Results
from constraints.tracing.values import Call


class Operation(NamedTuple):
    """How an operation of the dispatcher is handled."""

    rule: Callable[[Call], Result | Results]
    label: str
    """The name that people know it by."""
    is_view: bool = False
    """Whether its result shares its input's memory."""


def _named(rule: Callable[[Call], Result | Results], names: str, label: str = "") -> dict[str, Operation]:
    return {name: Operation(rule, label or name.lstrip("_")) for name in names.split()}


def _views(rule: Callable[[Call], Result | Results], names: str) -> dict[str, Operation]:
    return {name: Operation(rule, name.lstrip("_"), True) for name in names.split()}


_POINTWISE = """
    abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or
    bitwise_xor ceil celu clamp clamp_max clamp_min clip copysign cos cosh deg2rad digamma div elu eq erf
    erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod frac ge gelu glu_jvp gt hardshrink
    hardsigmoid hardswish hardtanh heaviside hypot isfinite isinf isnan le leaky_relu lerp lgamma log log10
    log1p log2 log_sigmoid_forward logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit lt
    masked_fill maximum minimum mish mul nan_to_num native_dropout ne neg polar pow _prelu_kernel prelu
    reciprocal relu relu6 remainder round rrelu_with_noise rsqrt rsub selu sgn sigmoid sign signbit silu sin
    sinc sinh softplus softshrink special_erf special_expit sqrt square sub tan tanh threshold trunc where xlogy
    lift_fresh_copy _fake_quantize_per_tensor_affine_cachemask_tensor_qparams fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask _fused_moving_avg_obs_fq_helper
"""
_REDUCTIONS = """
    mean sum amax amin max min prod var std var_mean std_mean norm linalg_vector_norm logsumexp any all argmax
    argmin count_nonzero aminmax median nansum nanmean
"""
_ATTENTIONS = """
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
    _scaled_dot_product_fused_attention_overrideable
"""
_INTERPOLATIONS = """
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa
"""
_PADDINGS = """
    constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d
"""

OPERATIONS: dict[str, Operation] = {  # no composite that may return its argument itself: its parts tell what it did
    **_named(mixing.pointwise, _POINTWISE),
    **_named(mixing.reduction, _REDUCTIONS),
    **_named(mixing.attention, _ATTENTIONS, "scaled_dot_product_attention"),
    **_named(mixing.product, "mm addmm bmm baddbmm addmv mv dot addbmm", "matmul"),
    **_named(mixing.concatenation, "cat", "cat"),
    **_named(recurrent.recurrent, "lstm mkldnn_rnn_layer", "lstm"),
    **_named(recurrent.recurrent, "gru"),
    **_named(recurrent.recurrent, "rnn_tanh rnn_relu", "rnn"),
    **_named(lookups.embedding, "embedding"),
    **_named(mixing.softmax, "_softmax _log_softmax _safe_softmax"),
    **_named(
        mixing.normalisation,
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm "
        "miopen_batch_norm batch_norm",
        "batch_norm",
    ),
    **_named(mixing.normalisation, "native_layer_norm", "layer_norm"),
    **_named(mixing.normalisation, "native_group_norm", "group_norm"),
    **_named(mixing.normalisation, "_fused_rms_norm", "rms_norm"),
    **_named(windows.convolution, "convolution _convolution conv1d conv2d conv3d", "conv"),
    **_named(windows.average_pool, "avg_pool2d avg_pool3d"),
    **_named(windows.max_pool, "max_pool2d_with_indices", "max_pool2d"),
    **_named(windows.max_pool, "max_pool3d_with_indices", "max_pool3d"),
    **_named(
        windows.adaptive_pool,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
    ),
    **_named(windows.interpolation, _INTERPOLATIONS, "interpolate"),
    **_named(windows.padding, _PADDINGS, "pad"),
    **_named(windows.unfolded, "im2col", "unfold"),
    **_named(reshaping.shuffled, "pixel_shuffle pixel_unshuffle"),
    **_named(reshaping.channels_shuffled, "channel_shuffle native_channel_shuffle"),
    **_named(reshaping.stack, "stack"),
    **_named(reshaping.roll, "roll"),
    **_named(reshaping.flip, "flip"),
    **_named(reshaping.repeat, "repeat"),
    **_named(reshaping.picked, "index_select index"),
    **_named(reshaping.same, "clone _to_copy"),
    **_views(reshaping.same, "alias detach lift_fresh _reshape_copy"),
    **_views(mixing.pointwise, "real imag"),
    **_views(reshaping.reshape, "view _unsafe_view _reshape_alias"),
    **_views(reshaping.restrided, "as_strided"),
    **_views(reshaping.permute, "permute transpose t"),
    **_views(reshaping.unsqueeze, "unsqueeze"),
    **_views(reshaping.squeeze, "squeeze"),
    **_views(reshaping.expand, "expand"),
    **_views(reshaping.select, "select"),
    **_views(reshaping.slice_, "slice"),
    **_views(reshaping.split, "split split_with_sizes unsafe_split unsafe_split_with_sizes"),
    **_views(reshaping.unbind, "unbind"),
    **_views(reshaping.windows, "unfold"),
}
"""What the trace knows; an operation that is not here is named in the warnings, and nothing is assumed about it."""

_CONSTANT = """
    zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_empty_strided zero bernoulli uniform normal fill random
"""
CONSTANT = frozenset(_CONSTANT.split())
"""Operations whose result depends on no value of their input."""
