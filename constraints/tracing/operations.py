"""The table of operations: for each operator name of torch's dispatcher, the rule that gives its result."""

from __future__ import annotations

from collections.abc import Callable

from constraints.tracing import (
    along_an_axis,
    attention,
    columns,
    cutting,
    lookups,
    mixing,
    products,
    recurrent,
    resampling,
    reshaping,
    windows,
)
from constraints.tracing.calls import Operation, Result, Results
from constraints.tracing.values import Call

Rule = Callable[[Call], Result | Results | None]


def _named(
    rule: Rule,
    names: str,
    label: str = "",
    cost: Callable[[Call], None] | None = None,
    apart: Callable[[Call], int] | None = None,
) -> dict[str, Operation]:
    return {name: Operation(rule, label or name.lstrip("_"), cost, apart) for name in names.split()}


def _none(call: Call) -> int:
    return 0


_POINTWISE = """
    abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or
    bitwise_xor ceil celu clamp clamp_max clamp_min clip copysign cos cosh deg2rad digamma div elu eq erf
    erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod frac ge gelu glu_jvp gt hardshrink
    hardsigmoid hardswish hardtanh heaviside hypot isfinite isinf isnan le leaky_relu lerp lgamma log log10
    log1p log2 log_sigmoid_forward logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit lt
    masked_fill maximum minimum mish mul nan_to_num native_dropout ne neg pow polar complex _prelu_kernel prelu
    reciprocal relu relu6 remainder round rrelu_with_noise rsqrt rsub selu sgn sigmoid sign signbit silu sin
    sinc sinh softplus softshrink special_erf special_expit sqrt square sub tan tanh threshold trunc where xlogy
    lift_fresh_copy _fake_quantize_per_tensor_affine_cachemask_tensor_qparams fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask quantize_per_tensor quantize_per_tensor_dynamic quantize_per_channel
    dequantize _fused_moving_avg_obs_fq_helper
"""
_REDUCTIONS = """
    mean sum amax amin max min prod var std var_mean std_mean norm linalg_vector_norm logsumexp any all argmax
    argmin count_nonzero aminmax median nansum nanmean
"""
_MATRIX_PRODUCTS = "mm addmm bmm baddbmm addmv mv dot addbmm _int_mm _addmm_activation"
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

OPERATIONS: dict[str, Operation] = {  # without composites that may return their argument: their parts are here
    **_named(mixing.pointwise, _POINTWISE, apart=_none),
    **_named(mixing.reduction, _REDUCTIONS),
    **_named(attention.attention, _ATTENTIONS, "scaled_dot_product_attention"),
    **_named(products.product, _MATRIX_PRODUCTS, "matmul", products.product_macs),
    **_named(products.distances, "_cdist_forward _euclidean_dist", "cdist", products.distance_macs),
    **_named(mixing.concatenation, "cat", "cat"),
    **_named(recurrent.recurrent, "lstm mkldnn_rnn_layer", "lstm", recurrent.macs),
    **_named(recurrent.recurrent, "gru", "gru", recurrent.macs),
    **_named(recurrent.recurrent, "rnn_tanh rnn_relu", "rnn", recurrent.macs),
    **_named(lookups.embedding, "embedding"),
    **_named(lookups.one_hot, "one_hot"),
    **_named(attention.softmax, "_softmax _log_softmax _safe_softmax"),
    **_named(
        mixing.normalisation,
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm "
        "miopen_batch_norm batch_norm",
        "batch_norm",
    ),
    **_named(mixing.normalisation, "native_layer_norm", "layer_norm"),
    **_named(mixing.normalisation, "native_group_norm", "group_norm"),
    **_named(mixing.normalisation, "_fused_rms_norm", "rms_norm"),
    **_named(
        windows.convolution,
        "convolution _convolution conv1d conv2d conv3d",
        "conv",
        windows.described,
        windows.mixed_axes,
    ),
    **_named(windows.average_pool, "avg_pool2d avg_pool3d", apart=windows.mixed_axes),
    **_named(windows.max_pool, "max_pool2d_with_indices quantized_max_pool2d", "max_pool2d", apart=windows.mixed_axes),
    **_named(windows.max_pool, "max_pool3d_with_indices quantized_max_pool3d", "max_pool3d", apart=windows.mixed_axes),
    **_named(
        windows.adaptive_pool,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
        apart=windows.pooled_axes,
    ),
    **_named(resampling.interpolation, _INTERPOLATIONS, "interpolate", apart=windows.mixed_axes),
    **_named(windows.padding, _PADDINGS, "pad", apart=windows.padded_axes),
    **_named(columns.unfolded, "im2col", "unfold"),
    **_named(columns.folded, "col2im", "fold"),
    **_named(reshaping.shuffled, "pixel_shuffle pixel_unshuffle"),
    **_named(reshaping.channels_shuffled, "channel_shuffle native_channel_shuffle"),
    **_named(cutting.gated_half, "glu"),
    **_named(cutting.stack, "stack"),
    **_named(reshaping.roll, "roll", apart=reshaping.moved_axes),
    **_named(reshaping.flip, "flip", apart=reshaping.moved_axes),
    **_named(reshaping.rot90, "rot90", apart=reshaping.moved_axes),
    **_named(reshaping.complex_of_pairs, "view_as_complex"),
    **_named(reshaping.pairs_of_complex, "view_as_real"),
    **_named(along_an_axis.sorted_along, "sort topk cumsum cumprod logcumsumexp cummax cummin kthvalue mode"),
    **_named(along_an_axis.scattered_along, "scatter scatter_add gather"),
    **_named(reshaping.repeat, "repeat"),
    **_named(cutting.picked, "index_select index"),
    **_named(cutting.scattered, "slice_scatter select_scatter"),
    **_named(cutting.put, "index_put _index_put_impl index_copy index_add"),
    **_named(cutting.filled_at, "index_fill"),
    **_named(reshaping.same, "clone _to_copy"),
    **_named(reshaping.same, "alias detach lift_fresh _reshape_copy"),
    **_named(mixing.pointwise, "real imag tril triu _conj conj_physical _neg_view"),
    **_named(reshaping.reshape, "view"),
    **_named(reshaping.reshape, "_unsafe_view _reshape_alias", "reshape"),
    **_named(reshaping.restrided, "as_strided"),
    **_named(reshaping.permute, "permute transpose t"),
    **_named(reshaping.unsqueeze, "unsqueeze"),
    **_named(reshaping.squeeze, "squeeze"),
    **_named(reshaping.expand, "expand"),
    **_named(cutting.select, "select"),
    **_named(cutting.slice_, "slice"),
    **_named(cutting.taken, "split split_with_sizes unsafe_split unsafe_split_with_sizes"),
    **_named(cutting.taken, "unbind"),
    **_named(reshaping.windows, "unfold"),
}
"""All operations with a rule; any other one is named in the warnings, and nothing is assumed about it."""

_CONSTANT = """
    zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_empty_strided zero bernoulli uniform normal fill random exponential cauchy geometric log_normal
"""
CONSTANT = frozenset(_CONSTANT.split())
"""Operations whose result does not depend on the values of their input."""

BLANK = frozenset(
    ["empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided", "resize"]
)
"""Operations that return uninitialised memory."""

_NO_PRODUCTS = """
    _pack_padded_sequence sort topk kthvalue mode cumsum cumprod cummax cummin logcumsumexp nonzero searchsorted
    bucketize bincount histc
    gather scatter scatter_add scatter_reduce take put index_fill
    masked_select masked_scatter embedding _embedding_bag grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback
    affine_grid_generator _fft_r2c _fft_c2r _fft_c2c col2im max_unpool2d max_unpool3d _unique2 unique_dim
    unique_consecutive isin copy _local_scalar_dense equal _has_compatible_shallow_copy_type set_ set resize resize_
    torchvision::nms torchvision::roi_align torchvision::roi_pool torchvision::ps_roi_align torchvision::ps_roi_pool
    fractional_max_pool2d fractional_max_pool3d diag_embed renorm rot90 trace
"""
NO_PRODUCTS = frozenset(_NO_PRODUCTS.split())
"""Operations without a rule that certainly are no matrix products or convolutions."""
